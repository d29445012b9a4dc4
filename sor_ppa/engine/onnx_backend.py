"""Dense saliency by onnxruntime, behind the same call as the PyTorch network.

On the CPU it takes about half of PyTorch's time. Only the pass itself runs there: normalising,
blending and the output are those of the network in PyTorch.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager
from iopath.common.file_io import get_cache_dir
from torch import Tensor, nn

from sor_ppa import __version__
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import (
    LOGITS_FORMAT,
    OUTPUT_NAMES,
    PYRAMID_FORMAT,
    export_onnx,
)
from sor_ppa.modeling.batches import in_groups_of_one_size
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet, Pyramid, normalised_levels
from sor_ppa.modeling.saliency.unlabelled import (
    EncoderNetwork,
    saliency_outputs,
)

logger = logging.getLogger(__name__)


class OnnxInSPyReNet(InSPyReNet):
    """An exported network: the inputs and outputs of ``InSPyReNet`` in evaluation.

    Args:
        path: file made by :func:`sor_ppa.export.export_onnx`.
        return_pyramid: also hand out the pyramid that a map was made from.
        threads: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
        providers: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.

    Raises:
        CheckpointError: the file is no such file.
        ConfigError: onnxruntime is missing, or has no such provider.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        return_pyramid: bool = False,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.file = _of_format(OnnxFile(path, threads=threads, providers=providers), PYRAMID_FORMAT)
        self.path, self.size_hw = self.file.path, self.file.size_hw
        table = normalised_levels(self.file.pixel_mean, self.file.pixel_std)
        self.register_buffer("levels", table, persistent=False)
        self.normalize = self.file.normalize
        self.return_pyramid = return_pyramid
        self.channels_last = False
        self.eval()

    def pyramid(self, images: Tensor) -> Pyramid:
        """One pass; a picture at a time, as it was exported.

        Raises:
            ConfigError: the file does not take pictures of this size.
        """
        levels = self.file.run(images, OUTPUT_NAMES[1:])
        return Pyramid(levels[:4], levels[4:])

    def train(self, mode: bool = True) -> OnnxInSPyReNet:
        """Evaluation only.

        Raises:
            ConfigError: ``mode`` is true.
        """
        _refuse_training(self.path, mode)
        return super().train(False)  # type: ignore[return-value]


class OnnxLogits(EncoderNetwork):
    """An exported A2S or CoRNet: the inputs and outputs of those in evaluation.

    Args:
        path: file made by :func:`sor_ppa.export.export_onnx`.
        threads: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
        providers: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.

    Raises:
        CheckpointError: the file is no such file.
        ConfigError: onnxruntime is missing, or has no such provider.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        file = _of_format(OnnxFile(path, threads=threads, providers=providers), LOGITS_FORMAT)
        # The encoder is in the file.
        super().__init__(nn.Identity(), pixel_mean=file.pixel_mean, pixel_std=file.pixel_std)  # type: ignore[arg-type]
        self.file, self.path, self.size_hw = file, file.path, file.size_hw
        self.eval()

    def forward(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """A dict a picture: ``saliency`` float32 (height, width) in 0 ... 1.

        Raises:
            ConfigError: the file does not take pictures of this size.
        """
        return in_groups_of_one_size(batched_inputs, self._inference)

    def _inference(self, batched_inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (logits,) = self.file.run(self.preprocess(batched_inputs), ("logits",))
        return saliency_outputs(logits, batched_inputs)

    def train(self, mode: bool = True) -> OnnxLogits:
        """Evaluation only.

        Raises:
            ConfigError: ``mode`` is true.
        """
        _refuse_training(self.path, mode)
        return super().train(False)  # type: ignore[return-value]


def _of_format(file: OnnxFile, wanted: str) -> OnnxFile:
    if file.format != wanted:
        raise CheckpointError(f"{file.path} has the format {file.format!r}, not {wanted!r}")
    return file


def _refuse_training(path: Path, mode: bool) -> None:
    if mode:
        raise ConfigError(f"{path} cannot be trained: train the network it was made from")


def onnx_network(
    cfg: CfgNode,
    *,
    cache: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
) -> OnnxInSPyReNet | OnnxLogits:
    """The network of a config by onnxruntime; exported at the first call, then kept.

    ``MODEL.WEIGHTS`` may name an ``.onnx`` file: then that is used as it is.

    Args:
        cfg: of an InSPyReNet, A2S or CoRNet.
        cache: folder for exported files; by default one below detectron2's cache.
        threads: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
        providers: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
    """
    if cfg.MODEL.META_ARCHITECTURE == "InSPyReNet":
        pyramid = cfg.MODEL.INSPYRENET.RETURN_PYRAMID
        opened: Any = functools.partial(OnnxInSPyReNet, return_pyramid=pyramid)
    else:
        opened = OnnxLogits
    opened = functools.partial(opened, threads=threads, providers=providers)
    if cfg.MODEL.WEIGHTS.endswith(".onnx"):
        return opened(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
    folder = Path(cache) if cache else Path(get_cache_dir()) / "sor_ppa" / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_fingerprint(cfg)}.onnx"
    if not path.is_file() or not cfg.MODEL.WEIGHTS:  # random weights are new ones every time
        logger.info("exporting the network to %s, once", path)
        export_onnx(cfg, path)
    return opened(path)


def _fingerprint(cfg: CfgNode) -> str:
    """Changes with whatever changes the exported file."""
    parts = [__version__, torch.__version__, cfg.MODEL.dump(), cfg.INPUT.FORMAT]
    if cfg.MODEL.WEIGHTS:
        weights = Path(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
        about = weights.stat()
        parts += [str(weights.resolve()), str(about.st_size), str(about.st_mtime_ns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
