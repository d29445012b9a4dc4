from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.data.common import AspectRatioGroupedDataset
from detectron2.data.samplers import TrainingSampler
from detectron2.utils import comm

from sor_ppa.engine import loaders
from sor_ppa.engine.loaders import Draw, TrainLoader, group_into_batches
from sor_ppa.errors import ConfigError, DataError

MakeCfg = Callable[..., CfgNode]


def _dicts(count: int) -> list[dict[str, Any]]:
    """Every third picture is portrait, every fifth square."""
    sizes = [(3, 4) if i % 3 == 0 else (4, 4) if i % 5 == 0 else (5, 3) for i in range(count)]
    return [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes)]


def _randomised(item: dict[str, Any]) -> dict[str, Any]:
    """A mapper that uses all three kinds of random numbers."""
    import random

    return {**item, "numbers": (random.random(), np.random.rand(), torch.rand(()).item())}


def _loader(count: int = 20, **changes: Any) -> TrainLoader:
    settings: dict[str, Any] = {"batch_size": 4, "seed": 1, **changes}
    return TrainLoader(
        _dicts(count), _randomised, lambda seed: TrainingSampler(count, seed=seed), **settings
    )


def _take(iterable: Any, count: int) -> list[Any]:
    return list(itertools.islice(iterable, count))


def _as_process(monkeypatch: pytest.MonkeyPatch, rank: int, world: int) -> None:
    monkeypatch.setattr(comm, "get_rank", lambda: rank)
    monkeypatch.setattr(comm, "get_world_size", lambda: world)


def test_no_draws_no_batches() -> None:
    assert list(group_into_batches([], [0], 2)) == []
    assert list(group_into_batches([Draw(0, 0)], [0], 2)) == []


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_groups_like_detectron2(batch_size: int) -> None:
    dicts = _dicts(20)
    order = _take(TrainingSampler(20, seed=4), 300)
    reference = AspectRatioGroupedDataset([dicts[i] for i in order], batch_size)
    expected = [[d["id"] for d in batch] for batch in reference]
    groups = [0 if d["width"] > d["height"] else 1 for d in dicts]
    draws = [Draw(index, position) for position, index in enumerate(order)]
    batches = list(group_into_batches(draws, groups, batch_size))
    assert [[draw.picture for draw in batch] for batch in batches] == expected
    assert all(order[draw.position] == draw.picture for batch in batches for draw in batch)


def test_one_process_draws_in_the_order_of_detectron2() -> None:
    loader = _loader(group_by_aspect=False)
    order = _take(TrainingSampler(20, seed=1), 40)
    assert [d["id"] for batch in _take(loader, 10) for d in batch] == order


@pytest.mark.parametrize("start", [0, 1, 7, 50])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_starting_later_equals_skipping(start: int, num_workers: int) -> None:
    """Ids and all random numbers, whatever the number of workers."""
    expected = _take(_loader(), start + 3)[start:]
    late = _loader(num_workers=num_workers)
    late.start = start
    assert _take(late, 3) == expected


def test_each_draw_of_a_picture_is_augmented_anew() -> None:
    batches = _take(_loader(count=4, group_by_aspect=False), 10)
    for place in range(3):
        assert len({d["numbers"][place] for batch in batches for d in batch}) == 40


def test_nothing_is_loaded_before_the_first_batch_is_asked_for() -> None:
    loader = _loader()
    iterator = iter(loader)  # detectron2 0.5 asks for the iterator at once
    loader.start, loader.seed = 5, 9
    changed = _loader(seed=9)
    changed.start = 5
    assert next(iterator) == _take(changed, 1)[0]


@pytest.mark.parametrize("world", [1, 2, 4])
def test_processes_share_the_same_global_batches(
    monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    expected = _take(_loader(), 6)
    shares = []
    for rank in range(world):
        _as_process(monkeypatch, rank, world)
        shares.append(_take(_loader(), 6))
    joined = [list(itertools.chain.from_iterable(parts)) for parts in zip(*shares)]
    assert joined == expected


@pytest.mark.parametrize(("batch_size", "world"), [(0, 1), (-4, 1), (3, 2)])
def test_a_batch_that_cannot_be_shared_out_is_refused(
    monkeypatch: pytest.MonkeyPatch, batch_size: int, world: int
) -> None:
    _as_process(monkeypatch, 0, world)
    with pytest.raises(ConfigError, match="SOLVER.IMS_PER_BATCH"):
        _loader(batch_size=batch_size)


def test_pictures_without_size_form_one_group() -> None:
    dicts = [{"id": i} for i in range(6)]
    loader = TrainLoader(
        dicts, _randomised, lambda seed: TrainingSampler(6, seed=seed), batch_size=2, seed=0
    )
    assert loader.groups == [1] * 6
    assert len(_take(loader, 3)) == 3


# ---- from a config


def _register(name: str, annotations: list[list[dict[str, Any]]]) -> None:
    sized = {"width": 2, "height": 1}
    dicts = [{"image_id": i, "annotations": a, **sized} for i, a in enumerate(annotations)]
    DatasetCatalog.register(name, lambda: dicts)


@pytest.mark.parametrize(
    ("annotations", "usable"),
    [
        ([[{"gt_rank": 1}], [{"gt_rank": 5}, {"gt_rank": 9}]], [0, 1]),
        ([[{"gt_rank": 1}], []], [0]),
        ([[{"gt_rank": 0}], [{"gt_rank": 6}], [{"gt_rank": 2}]], [2]),
        ([[{"gt_rank": 1, "iscrowd": 1}], [{"gt_rank": 3}]], [1]),
        ([[{}]], [0]),  # not a ranking set
    ],
)
def test_pictures_without_an_object_to_learn_from_are_left_out(
    stub_cfg: MakeCfg, annotations: list[list[dict[str, Any]]], usable: list[int]
) -> None:
    _register("some_set", annotations)
    cfg = stub_cfg("run", "DATASETS.TRAIN", "('some_set',)")
    assert [d["image_id"] for d in loaders.training_dicts(cfg)] == usable
    cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = False
    assert len(loaders.training_dicts(cfg)) == len(annotations)


FRAMES = [
    {"image_id": f"{video}/{i}", "video_id": video, "frame_index": i}
    for video in ("select_0013", "0100")
    for i in range(7)
]


@pytest.mark.parametrize(
    ("dicts", "every", "kept"),
    [
        ([], 5, []),
        ([{"image_id": "select"}], 5, ["select"]),  # no frame of a video
        (FRAMES, 1, [d["image_id"] for d in FRAMES]),
        (FRAMES, 5, ["select_0013/0", "select_0013/5", *(f"0100/{i}" for i in range(7))]),
        (FRAMES[:7], 100, ["select_0013/0"]),
    ],
)
def test_selected_frames(
    stub_cfg: MakeCfg, dicts: list[dict[str, Any]], every: int, kept: list[str]
) -> None:
    assert [d["image_id"] for d in loaders.selected_frames(dicts, every)] == kept
    if dicts:
        DatasetCatalog.register("frames", lambda: dicts)
        cfg = stub_cfg("run", "DATASETS.TRAIN", "('frames',)")
        cfg.DATASETS.SELECT_EVERY = every
        assert [d["image_id"] for d in loaders.training_dicts(cfg)] == kept
        assert len(loaders.dataset_dicts(["frames"])) == len(dicts)  # a test takes all


def test_less_than_every_frame_is_refused(stub_cfg: MakeCfg) -> None:
    with pytest.raises(ConfigError, match="SELECT_EVERY is 0"):
        loaders.training_dicts(stub_cfg("run", "DATASETS.SELECT_EVERY", "0"))


def test_unranked_objects_count_where_they_are_trained_on(stub_cfg: MakeCfg) -> None:
    _register("some_set", [[{"gt_rank": 0}], []])
    changes = ("DATASETS.TRAIN", "('some_set',)", "INPUT.RANKING.DROP_UNRANKED", "False")
    assert len(loaders.training_dicts(stub_cfg("run", *changes))) == 1


@pytest.mark.parametrize(
    ("annotations", "message"),
    [
        ([], "no picture at all"),
        ([[], []], "none of the 2 pictures has an object"),
        ([[{"gt_rank": 0}]], "none of the 1 pictures has an object"),
    ],
)
def test_empty_sets_are_errors(
    stub_cfg: MakeCfg, annotations: list[list[dict[str, Any]]], message: str
) -> None:
    _register("some_set", annotations)
    with pytest.raises(DataError, match=message):
        loaders.build_train_loader(stub_cfg("run", "DATASETS.TRAIN", "('some_set',)"), seed=0)


def test_wrong_names_are_errors(stub_cfg: MakeCfg) -> None:
    with pytest.raises(ConfigError, match=r"'stub_sett' is not registered. Did you mean stub_set"):
        loaders.build_train_loader(stub_cfg("run", "DATASETS.TRAIN", "('stub_sett',)"), seed=0)
    with pytest.raises(ConfigError, match="DATASETS.TRAIN is empty"):
        loaders.build_train_loader(stub_cfg("run", "DATASETS.TRAIN", "()"), seed=0)
    with pytest.raises(ConfigError, match="SAMPLER_TRAIN is 'Magic'"):
        loaders.build_train_loader(stub_cfg("run", "DATALOADER.SAMPLER_TRAIN", "Magic"), seed=0)


def test_repeat_factor_sampling_works_too(stub_cfg: MakeCfg) -> None:
    cfg = stub_cfg("run", "DATALOADER.SAMPLER_TRAIN", "RepeatFactorTrainingSampler")
    (batch,) = _take(loaders.build_train_loader(cfg, seed=0), 1)
    assert len(batch) == 4


def test_the_test_loader_gives_every_picture_once_in_order(stub_cfg: MakeCfg) -> None:
    batches = list(loaders.build_test_loader(stub_cfg("run"), "stub_set"))
    assert [len(batch) for batch in batches] == [1] * 10
    assert [batch[0]["image_id"] for batch in batches] == list(range(1, 11))
    assert "instances" not in batches[0][0]
