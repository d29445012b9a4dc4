"""Loaders of training and test pictures.

The training loader draws pictures in detectron2's order (an endless seeded shuffle, pictures of
like aspect ratio grouped into batches), with two differences: the *global* batch of step i is the
same whatever the number of processes, each of which loads its slice of it; and step i can be
reached without loading what came before.
"""

from __future__ import annotations

import difflib
import itertools
import logging
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, DatasetFromList, build_detection_test_loader
from detectron2.data.samplers import RepeatFactorTrainingSampler, TrainingSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset

from sor_ppa.data.mappers import build_mapper
from sor_ppa.engine.randomness import SAMPLE, seed_everything
from sor_ppa.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

DatasetDict = dict[str, Any]
Mapper = Callable[[DatasetDict], DatasetDict]


class Draw(NamedTuple):
    """One draw of the endless shuffle: which picture, and the how-many-eth draw it is."""

    picture: int
    position: int


class SeededDataset(Dataset):
    """Maps a draw to a model input; its augmentation depends on (seed, position) alone.

    Args:
        dicts: dataset dicts.
        mapper: dataset dict -> model input.
        seed: seed of the run.
    """

    def __init__(self, dicts: Sequence[DatasetDict], mapper: Mapper, seed: int) -> None:
        self.dicts = dicts
        self.mapper = mapper
        self.seed = seed

    def __len__(self) -> int:
        return len(self.dicts)

    def __getitem__(self, draw: Draw) -> DatasetDict:
        seed_everything(self.seed, SAMPLE, draw.position)
        return self.mapper(self.dicts[draw.picture])


def group_into_batches(
    draws: Iterable[Draw], groups: Sequence[int], batch_size: int
) -> Iterator[list[Draw]]:
    """Batches of draws of one group each, in the order in which they fill up.

    Args:
        draws: in the order of drawing.
        groups: group of each picture.
        batch_size: draws in a batch.
    """
    waiting: dict[int, list[Draw]] = {}
    for draw in draws:
        batch = waiting.setdefault(groups[draw.picture], [])
        batch.append(draw)
        if len(batch) == batch_size:
            yield waiting.pop(groups[draw.picture])


class TrainLoader:
    """Endless iterable of this process's slices of the global batches.

    Nothing starts before the first batch is asked for, so ``seed`` and ``start`` may be set until
    then (by a checkpoint, for instance).

    Args:
        dicts: dataset dicts.
        mapper: dataset dict -> model input; must be picklable when there are workers.
        make_sampler: seed -> detectron2 sampler.
        batch_size: pictures in a global batch.
        seed: seed of the run.
        group_by_aspect: batches of landscape or of portrait pictures only.
        num_workers: loader processes of this process; 0 loads in the training process.
    """

    def __init__(
        self,
        dicts: Sequence[DatasetDict],
        mapper: Mapper,
        make_sampler: Callable[[int], TrainingSampler | RepeatFactorTrainingSampler],
        *,
        batch_size: int,
        seed: int,
        group_by_aspect: bool = True,
        num_workers: int = 0,
    ) -> None:
        world_size = comm.get_world_size()
        if batch_size < 1 or batch_size % world_size:
            raise ConfigError(
                f"SOLVER.IMS_PER_BATCH is {batch_size}: it must be a positive multiple of the "
                f"number of processes ({world_size})."
            )
        self.mapper = mapper
        self.make_sampler = make_sampler
        self.batch_size = batch_size
        self.seed = seed
        self.start = 0  # index of the first batch
        self.num_workers = num_workers
        self.groups = _aspect_groups(dicts) if group_by_aspect else [0] * len(dicts)
        self.dicts = DatasetFromList(list(dicts), copy=False)

    def signature(self) -> dict[str, int]:
        """What must be equal for a resumed run to see the same batches."""
        return {"images": len(self.dicts), "batch_size": self.batch_size}

    def batches(self) -> Iterator[list[Draw]]:
        """Draws of this process, from batch ``start`` on; loads nothing."""
        # The whole stream, not this process's share of it: the batches are shared out instead.
        indices = self.make_sampler(self.seed)._infinite_indices()
        draws = (Draw(int(index), position) for position, index in enumerate(indices))
        share = self.batch_size // comm.get_world_size()
        first = share * comm.get_rank()
        for batch in itertools.islice(
            group_into_batches(draws, self.groups, self.batch_size), self.start, None
        ):
            yield batch[first : first + share]

    def __iter__(self) -> Iterator[list[DatasetDict]]:
        yield from DataLoader(
            SeededDataset(self.dicts, self.mapper, self.seed),
            batch_sampler=self.batches(),  # type: ignore[arg-type]  # any iterable will do
            num_workers=self.num_workers,
            collate_fn=_as_list,
            worker_init_fn=_leave_signals_to_parent,
        )


def build_train_loader(cfg: CfgNode, *, seed: int) -> TrainLoader:
    """The training loader of a config.

    Args:
        cfg: reads DATASETS.TRAIN, DATALOADER, INPUT, SOLVER.IMS_PER_BATCH.
        seed: seed of the run.

    Raises:
        ConfigError: unknown data set or sampler, or a batch that cannot be shared out.
        DataError: no usable picture.
    """
    dicts = training_dicts(cfg)
    return TrainLoader(
        dicts,
        build_mapper(cfg, is_train=True),
        _sampler_maker(cfg, dicts),
        batch_size=cfg.SOLVER.IMS_PER_BATCH,
        seed=seed,
        group_by_aspect=cfg.DATALOADER.ASPECT_RATIO_GROUPING,
        num_workers=cfg.DATALOADER.NUM_WORKERS,
    )


def build_test_loader(cfg: CfgNode, dataset_name: str) -> DataLoader:
    """detectron2's test loader: every picture once, in order, one at a time, split by process.

    One at a time because padding changes the result: eSE and the group norms see it.
    """
    return build_detection_test_loader(
        dataset_dicts([dataset_name]),
        mapper=build_mapper(cfg, is_train=False),
        num_workers=cfg.DATALOADER.NUM_WORKERS,
    )


def dataset_dicts(names: Sequence[str]) -> list[DatasetDict]:
    """The dataset dicts of registered data sets, one after the other.

    Raises:
        ConfigError: a name is not registered.
        DataError: a data set is empty.
    """
    dicts: list[DatasetDict] = []
    for name in names:
        if name not in DatasetCatalog:
            raise ConfigError(_unknown_dataset(name))
        found = DatasetCatalog.get(name)
        if not found:
            raise DataError([f"{name}: no picture at all"], what=f"data set {name!r}")
        dicts.extend(found)
    return dicts


def training_dicts(cfg: CfgNode) -> list[DatasetDict]:
    """The pictures of DATASETS.TRAIN that have an object to learn from.

    Raises:
        ConfigError: no data set is given, or one is not registered.
        DataError: none of the pictures is usable.
    """
    names = list(cfg.DATASETS.TRAIN)
    if not names:
        raise ConfigError("DATASETS.TRAIN is empty: name at least one registered data set.")
    dicts = selected_frames(dataset_dicts(names), cfg.DATASETS.SELECT_EVERY)
    annotated = any("annotations" in d for d in dicts)
    if not (cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS and annotated):
        return dicts
    ranks = cfg.MODEL.SOR.NUM_RANKS if cfg.INPUT.RANKING.DROP_UNRANKED else None
    usable = [d for d in dicts if "annotations" not in d or _has_object(d["annotations"], ranks)]
    logger.info("%d of %d training pictures have an object to learn from.", len(usable), len(dicts))
    if not usable:
        what = "has an object that is neither a crowd nor without rank" if ranks else "has objects"
        raise DataError(
            [f"{', '.join(names)}: none of the {len(dicts)} pictures {what}"], what="DATASETS.TRAIN"
        )
    return usable


def selected_frames(dicts: list[DatasetDict], every: int) -> list[DatasetDict]:
    """Without the frames that DATASETS.SELECT_EVERY passes over.

    Of videos whose name holds "select" (DAVSOD's: long, of many like frames) the frames 0, n, 2 n
    ... of the sorted frames stay (Zhou et al., CVPR 2023); all other pictures do.

    Raises:
        ConfigError: ``every`` is below 1.
    """
    if every < 1:
        raise ConfigError(f"DATASETS.SELECT_EVERY is {every}: it must be 1 or more.")
    kept = [
        d for d in dicts if "select" not in d.get("video_id", "") or d["frame_index"] % every == 0
    ]
    if len(kept) < len(dicts):
        logger.info("%d of %d training pictures are selected frames.", len(kept), len(dicts))
    return kept


def _has_object(annotations: Sequence[DatasetDict], ranks: int | None) -> bool:
    def counts(annotation: DatasetDict) -> bool:
        if annotation.get("iscrowd", 0):
            return False
        return ranks is None or 1 <= annotation.get("gt_rank", 1) <= ranks

    return any(map(counts, annotations))


def _aspect_groups(dicts: Sequence[DatasetDict]) -> list[int]:
    """0 for landscape, 1 for the rest (also where the size is not known), as in detectron2."""
    return [0 if d.get("width", 0) > d.get("height", 0) else 1 for d in dicts]


def _sampler_maker(
    cfg: CfgNode, dicts: Sequence[DatasetDict]
) -> Callable[[int], TrainingSampler | RepeatFactorTrainingSampler]:
    name = cfg.DATALOADER.SAMPLER_TRAIN
    if name == "TrainingSampler":
        return lambda seed: TrainingSampler(len(dicts), seed=seed)
    if name == "RepeatFactorTrainingSampler":
        if any("annotations" not in d for d in dicts):
            raise ConfigError(
                "DATALOADER.SAMPLER_TRAIN RepeatFactorTrainingSampler counts annotated objects, "
                "which sets with saliency masks do not have: use TrainingSampler."
            )
        factors = RepeatFactorTrainingSampler.repeat_factors_from_category_frequency(
            dicts, cfg.DATALOADER.REPEAT_THRESHOLD
        )
        return lambda seed: RepeatFactorTrainingSampler(factors, seed=seed)
    raise ConfigError(
        f"DATALOADER.SAMPLER_TRAIN is {name!r}; expected TrainingSampler or "
        "RepeatFactorTrainingSampler."
    )


def _unknown_dataset(name: str) -> str:
    known = sorted(DatasetCatalog.list())
    near = difflib.get_close_matches(name, known, n=3)
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return (
        f"Data set {name!r} is not registered.{hint} For your own files add "
        f"DATASETS.EXTRA \"(('{name}', 'annotations.json', 'image_folder'),)\" (ranked objects) or "
        f"\"(('{name}', 'image_folder', 'mask_folder'),)\" (saliency masks)."
    )


def _as_list(batch: list[DatasetDict]) -> list[DatasetDict]:
    return batch


def _leave_signals_to_parent(worker_id: int) -> None:
    """Ctrl-C reaches workers too, but they must serve until the step is done; TERM ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
