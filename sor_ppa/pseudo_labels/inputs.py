"""Predictions of a network on its own training pictures, at the size at which it sees them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import DataLoader, Dataset

from sor_ppa.data.mappers import Mapper, build_mapper
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.pseudo_labels.label import Grey
from sor_ppa.pseudo_labels.worker import Outcome, leave_signals_to_parent

Input = dict[str, Any] | Outcome


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a network says of a picture.

    Attributes:
        index: number of the picture.
        probability: float32 (h, w) in 0 ... 1.
        image_rgb: uint8 (h, w, 3), what the network saw.
        size_hw: the picture's own height and width.
    """

    index: int
    probability: npt.NDArray[np.float32]
    image_rgb: Grey
    size_hw: tuple[int, int]


class LabelInputs(Dataset):
    """Model inputs of pictures; one that cannot be read is an :class:`.Outcome` with a fault.

    Args:
        dicts: dataset dicts.
        mapper: of a test, dataset dict -> model input.
    """

    def __init__(self, dicts: Sequence[dict[str, Any]], mapper: Mapper) -> None:
        self._dicts, self._mapper = dicts, mapper

    def __len__(self) -> int:
        return len(self._dicts)

    def __getitem__(self, index: int) -> tuple[int, Input]:
        try:
            return index, self._mapper(self._dicts[index])
        except SaliencyError as error:
            return index, Outcome(index, fault=str(error))


def predictions(
    predictor: Predictor,
    dicts: Sequence[dict[str, Any]],
    *,
    batch_size: int = 8,
    loader_workers: int = 0,
) -> Iterator[Prediction | Outcome]:
    """Predicts in batches, in order.

    Args:
        predictor: of a dense network.
        dicts: dataset dicts.
        batch_size: pictures in one pass of the network.
        loader_workers: processes that read pictures; 0 = this one.

    Raises:
        ConfigError: the batch size or a number of processes cannot work.
        SaliencyError: a process that reads pictures died, or the network is no dense one.
    """
    if batch_size < 1 or loader_workers < 0:
        raise ConfigError(
            "the batch size must be 1 or more and the number of loader workers 0 or more; got "
            f"{batch_size} and {loader_workers}"
        )
    mapper = build_mapper(predictor.cfg, is_train=False)
    loader = DataLoader(
        LabelInputs(dicts, mapper),
        batch_size=batch_size,
        num_workers=loader_workers,
        collate_fn=_as_list,
        worker_init_fn=leave_signals_to_parent,
    )
    for batch in _while_loading(loader):
        yield from (item for _, item in batch if isinstance(item, Outcome))
        inputs = {index: item for index, item in batch if not isinstance(item, Outcome)}
        outputs = predictor.predict([_at_input_size(item) for item in inputs.values()])
        for (index, item), output in zip(inputs.items(), outputs, strict=True):
            yield _prediction(index, item, output, predictor.cfg.INPUT.FORMAT)


def _while_loading(loader: Iterable[Any]) -> Iterator[list[tuple[int, Input]]]:
    with _no_loader_may_die():
        yield from loader


@contextlib.contextmanager
def _no_loader_may_die() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # Not "Caught RuntimeError in DataLoader worker process": that one lives.
        if "DataLoader worker (pid" not in str(error):
            raise
        raise SaliencyError(
            f"a process that reads pictures died ({error}), most likely for lack of memory; use "
            "fewer (--loader-workers)"
        ) from error


def _at_input_size(item: dict[str, Any]) -> dict[str, Any]:
    """The input of a picture that is as large as the network sees it: its map is not enlarged."""
    height, width = item["image"].shape[1:]
    return {**item, "height": height, "width": width}


def _prediction(
    index: int, item: dict[str, Any], output: dict[str, Any], image_format: str
) -> Prediction:
    if "saliency" not in output:
        raise SaliencyError(
            "the network predicts no saliency map: labels are made by dense networks, such as "
            "those of configs/a2s/"
        )
    image = item["image"].permute(1, 2, 0).numpy()  # (h, w, 3)
    image = image if image_format == "RGB" else image[:, :, ::-1]
    probability = output["saliency"].float().cpu().numpy()
    size_hw = (item["height"], item["width"])
    return Prediction(index, probability, np.ascontiguousarray(image), size_hw)


def _as_list(batch: list[Any]) -> list[Any]:
    return batch
