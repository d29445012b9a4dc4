from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from detectron2.evaluation import inference_on_dataset, print_csv_format
from torch import nn

from sor_ppa import get_cfg
from sor_ppa.data.image_io import read_grey, write_image
from sor_ppa.errors import ConfigError, DataError, SaliencyError
from sor_ppa.evaluation import DenseEvaluator, build_evaluator, dense_evaluator
from sor_ppa.evaluation.dense import MetricSums, get_dense_protocol, score, summarize
from sor_ppa.evaluation.dense_evaluator import to_grey
from tests.evaluation import dense_sets
from tests.evaluation.dense_sets import dataset_dicts, names, pair, registered_dense, saliency

COUNT = dense_sets.COUNT


@pytest.fixture()
def root(tmp_path: Path) -> Path:
    dense_sets.write_set(tmp_path)
    return tmp_path


def _evaluate(dicts: list[dict[str, Any]], indices: list[int], **options: Any) -> Any:
    with registered_dense("dense_test", dicts):
        return dense_sets.evaluate("dense_test", indices, **options)


def _expected(protocol: str = "pysod") -> dict[str, float]:
    sums = MetricSums()
    for index in range(COUNT):
        sums.add(_plain_a2s(index) if protocol == "a2s" else score(*pair(index), protocol))
    return summarize(sums, get_dense_protocol(protocol))


def _plain_a2s(index: int) -> Any:
    """As published: rounded to multiples of 1/255, not stretched."""
    levels = (saliency(index).numpy() * 255).round().clip(0, 255).astype(np.float32)
    return score(levels / np.float32(255), pair(index)[1] > 127, "a2s", normalize=False)


def test_empty_data_set(tmp_path: Path) -> None:
    assert _evaluate([], [], output_dir=str(tmp_path))["sod"] == {"images": 0}
    assert json.loads((tmp_path / "metrics.json").read_text())["runs"][0]["sod"] == {"images": 0}


def test_nothing_was_processed(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        results = _evaluate(dataset_dicts(root), [])
    assert results["sod"] == {"images": 0} and "7 of 7 images were not evaluated" in caplog.text


@pytest.mark.parametrize(
    "protocol, workers", [("pysod", 0), ("pysod", 2), ("inspyrenet", 0), ("a2s", 0)]
)
def test_scores(root: Path, protocol: str, workers: int) -> None:
    dicts = dataset_dicts(root)
    results = _evaluate(dicts, list(range(COUNT)), protocol=protocol, workers=workers)
    assert list(results) == ["sod"]
    expected = _expected(protocol)
    if protocol == "a2s":  # sums of the same numbers in another order
        assert results["sod"] == pytest.approx(expected, abs=1e-12)
    else:
        assert results["sod"] == expected
    assert list(results["sod"])[0] == get_dense_protocol(protocol).columns[0]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("protocol", ["pysod,a2s", ["pysod", "a2s", "pysod"]])
def test_two_protocols_at_once(root: Path, protocol: Any, workers: int) -> None:
    """One pass, each protocol with the numbers it has alone; saved is what the first scored."""
    dicts, everything = dataset_dicts(root), list(range(COUNT))
    folder = root / "out"
    both = _evaluate(dicts, everything, protocol=protocol, workers=workers, output_dir=str(folder))
    alone = [_evaluate(dicts, everything, protocol=name)["sod"] for name in ("pysod", "a2s")]
    del alone[1]["images"]
    expected = {**alone[0], **{f"a2s/{name}": value for name, value in alone[1].items()}}
    assert both["sod"] == expected and list(both["sod"])[0] == "Sm"
    runs = json.loads((folder / "metrics.json").read_text())["runs"]
    assert [run["protocol"]["name"] for run in runs] == ["pysod", "a2s"]
    table = (folder / "metrics.md").read_text()
    assert "| pysod |" in table and "| a2s |" in table
    assert len((folder / "metrics.csv").read_text().splitlines()) == 3
    assert (read_grey(folder / "picture_1.png") == pair(1)[0]).all()


def test_saved_maps_are_rounded_where_nothing_else_is_asked_for(root: Path) -> None:
    _evaluate(dataset_dicts(root), [1], protocol="a2s", output_dir=str(root / "out"))
    levels = (saliency(1).numpy() * 255).round().clip(0, 255)
    assert (read_grey(root / "out" / "picture_1.png") == levels).all()


def test_files(root: Path) -> None:
    folder = root / "out"
    results = _evaluate(dataset_dicts(root), list(range(COUNT)), output_dir=str(folder))
    found = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    tables = ["metrics.csv", "metrics.json", "metrics.md", "per_image.csv"]
    assert found == sorted([f"{name}.png" for name in names()] + tables)
    for index, name in enumerate(names()):
        assert (read_grey(folder / f"{name}.png") == pair(index)[0]).all()
    document = json.loads((folder / "metrics.json").read_text())
    assert document["runs"][0]["sod"] == results["sod"] and document["dataset"] == "dense_test"
    rows = (folder / "per_image.csv").read_text().splitlines()
    assert len(rows) == 1 + COUNT and rows[1].startswith(",pysod,video/picture_0,")


@pytest.mark.parametrize("options", [{"save": False}, {}])
def test_nothing_is_written_unless_asked(
    root: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = root / "out"
    folder.mkdir()
    monkeypatch.chdir(folder)
    more = {"output_dir": str(folder)} if options else {}
    _evaluate(dataset_dicts(root), [0], **options, **more)
    assert not list(folder.iterdir())


def test_map_of_another_size_than_its_mask(root: Path) -> None:
    """Resized before it becomes 8-bit; saved is what was scored."""
    small = torch.rand(10, 13, generator=torch.Generator().manual_seed(0))
    with registered_dense("dense_test", dataset_dicts(root)):
        evaluator = DenseEvaluator("dense_test", output_dir=str(root / "out"))
        evaluator.process([{"image_id": "picture_1"}], [{"saliency": small}])
        results = evaluator.evaluate()
    mask = pair(1)[1]
    saved = read_grey(root / "out" / "picture_1.png")
    assert saved.shape == mask.shape
    assert results["sod"]["Sm"] == score(saved, mask)["sm"]
    larger = nn.functional.interpolate(small[None, None], mask.shape, mode="bilinear")[0, 0]
    assert (saved == np.floor(larger.numpy() * 255)).all()


def test_8_bits_are_truncated() -> None:
    values = torch.tensor([[0.0, 0.999 / 255, 1 / 255 + 1e-6, 254.9 / 255, 1.0, 1 + 1e-6]])
    assert to_grey(values, (1, 6)).tolist() == [[0, 0, 1, 254, 255, 255]]
    assert to_grey(values.half(), (1, 6)).dtype == np.uint8
    assert to_grey(values, (1, 6), rounded=True).tolist() == [[0, 1, 1, 255, 255, 255]]


def test_an_image_twice_counts_once(root: Path) -> None:
    assert _evaluate(dataset_dicts(root), [2, 2, 2])["sod"]["images"] == 1


def test_reset(root: Path) -> None:
    with registered_dense("dense_test", dataset_dicts(root)):
        evaluator = DenseEvaluator("dense_test")
        evaluator.process([{"image_id": "picture_1"}], [{"saliency": saliency(1)}])
        evaluator.reset()
        assert evaluator.evaluate()["sod"]["images"] == 0


def _damage(root: Path, kind: str) -> None:
    path = root / "masks" / "picture_2.png"
    if kind == "missing":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        path.write_text("no picture")


@pytest.mark.parametrize("kind, workers", [("missing", 0), ("cut", 0), ("cut", 1), ("text", 0)])
def test_bad_mask(root: Path, kind: str, workers: int, caplog: pytest.LogCaptureFixture) -> None:
    _damage(root, kind)
    everything = list(range(COUNT))
    with caplog.at_level(logging.WARNING):
        results = _evaluate(
            dataset_dicts(root), everything, workers=workers, output_dir=str(root / "out")
        )
    assert results["sod"]["images"] == COUNT - 1
    assert "picture_2.png" in caplog.text and "were not evaluated" not in caplog.text
    assert (root / "out" / "picture_2.png").is_file()
    with pytest.raises(DataError, match="picture_2.png"):
        _evaluate(dataset_dicts(root), everything, strict=True)


def test_map_that_cannot_be_written(root: Path) -> None:
    """The writer's error is not lost in its thread."""
    (root / "file").write_text("in the way")
    with pytest.raises(SaliencyError, match="picture_1.png"):
        _evaluate(dataset_dicts(root), [1], output_dir=str(root / "file"))


def test_worker_that_dies(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_evaluator, "_score_in_worker", dense_sets.die)
    with pytest.raises(SaliencyError, match="lack of memory"):
        _evaluate(dataset_dicts(root), [1], workers=1)


def test_mask_of_zeros_and_ones(root: Path) -> None:
    write_image(root / "masks" / "picture_1.png", pair(1)[1] // 255)
    expected = score(*pair(1))["sm"]
    assert _evaluate(dataset_dicts(root), [1])["sod"]["Sm"] == expected


@pytest.mark.parametrize(
    "output, message",
    [
        (torch.zeros(1, 4, 4), r"\(1, 4, 4\)"),
        (np.zeros((4, 4)), "tensor"),
        (torch.full((4, 4), math.nan), "NaN"),
    ],
)
def test_unusable_output(root: Path, output: Any, message: str) -> None:
    with registered_dense("dense_test", dataset_dicts(root)):
        evaluator = DenseEvaluator("dense_test")
        with pytest.raises(DataError, match=message):
            evaluator.process([{"image_id": "picture_1"}], [{"saliency": output}])


def test_unusable_data_sets(root: Path) -> None:
    dicts = dataset_dicts(root)
    dicts[1]["image_id"] = dicts[2]["image_id"]
    del dicts[0]["sem_seg_file_name"]
    with pytest.raises(DataError, match="has no mask") as caught:
        _evaluate(dicts, [])
    assert len(caught.value.problems) == 2 and "used twice" in str(caught.value)


def test_set_without_masks(root: Path) -> None:
    dicts = [{k: v for k, v in d.items() if "sem_seg" not in k} for d in dataset_dicts(root)]
    with pytest.raises(DataError, match="none of the pictures has a mask") as caught:
        _evaluate(dicts, [])
    assert len(caught.value.problems) == 1


def test_an_image_of_another_data_set(root: Path) -> None:
    with registered_dense("dense_test", dataset_dicts(root)):
        evaluator = DenseEvaluator("dense_test")
        with pytest.raises(DataError, match="'stranger' is not in dense_test"):
            evaluator.process([{"image_id": "stranger"}], [{"saliency": saliency(0)}])


class _Model(nn.Module):
    def forward(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"saliency": saliency(names().index(item["image_id"]))} for item in inputs]


def test_under_detectron2s_loop(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    with registered_dense("dense_test", dataset_dicts(root)):
        loader = [[{"image_id": name}] for name in names()]
        results = inference_on_dataset(_Model(), loader, DenseEvaluator("dense_test"))
        with caplog.at_level(logging.INFO):
            print_csv_format(results)
    assert results["sod"] == _expected()


def test_built_from_a_config(root: Path) -> None:
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(root)
    cfg.TEST.DENSE.PROTOCOL = "inspyrenet"
    cfg.TEST.DENSE.METRICS = ("sm", "mBA")
    with registered_dense("dense_test", dataset_dicts(root)):
        evaluator = build_evaluator(cfg, "dense_test")
        assert isinstance(evaluator, DenseEvaluator)
        evaluator.process([{"image_id": "picture_1"}], [{"saliency": saliency(1)}])
        results = evaluator.evaluate()
    assert list(results["sod"]) == ["Sm", "mBA", "images", "images_mBA"]
    folder = root / "inference" / "dense_test"
    assert (folder / "picture_1.png").is_file() and (folder / "metrics.md").is_file()


@pytest.mark.parametrize(
    "change", [{"PROTOCOL": ""}, {"PROTOCOL": "pysod,best"}, {"METRICS": ("auc",)}]
)
def test_bad_settings(root: Path, change: dict[str, Any]) -> None:
    cfg = get_cfg()
    cfg.TEST.DENSE.update(change)
    with registered_dense("dense_test", []), pytest.raises(ConfigError):
        build_evaluator(cfg, "dense_test")


# Even shares; all but one in the second; one process without a picture.
SHARES = [
    [[0, 2, 4, 6], [1, 3, 5]],
    [[6], [5, 4, 3, 2, 1, 0]],
    [[0, 1, 2, 3, 4, 5, 6], []],
]


def test_two_processes_agree_with_one_exactly(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with registered_dense("dense_processes", dataset_dicts(root)):
        single = root / "single"
        expected = dense_sets.evaluate("dense_processes", list(range(7)), output_dir=str(single))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    mp.spawn(dense_sets.run, (str(root / "meeting"), SHARES, str(root)), nprocs=2)
    for number in range(len(SHARES)):
        assert (root / f"results_{number}_0.json").read_text() == json.dumps(expected)
        assert json.loads((root / f"results_{number}_1.json").read_text()) == {}
        for path in single.rglob("*.*"):
            same = root / str(number) / path.relative_to(single)
            assert same.read_bytes() == path.read_bytes(), path
