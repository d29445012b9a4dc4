"""Dense saliency and fixations by onnxruntime, behind the same call as the PyTorch network.

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
from typing import Any, TypeVar

import torch
from detectron2.config import CfgNode
from detectron2.utils.file_io import PathManager
from iopath.common.file_io import get_cache_dir
from torch import Tensor, nn

from sor_ppa import __version__
from sor_ppa.canvas import CanvasRule
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import export_onnx
from sor_ppa.exporting.graphs import (
    FIXATION_FORMAT,
    LOGITS_FORMAT,
    OUTPUT_NAMES,
    PYRAMID_FORMAT,
)
from sor_ppa.modeling.batches import in_groups_of_one_size
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet, Pyramid, normalised_levels
from sor_ppa.modeling.meta_arch.msinet import MSINet
from sor_ppa.modeling.saliency.unlabelled import (
    EncoderNetwork,
    saliency_outputs,
)

logger = logging.getLogger(__name__)

Exported = TypeVar("Exported", bound="_EvaluationOnly")


class _EvaluationOnly(nn.Module):
    """What all exported networks are."""

    path: Path

    def train(self: Exported, mode: bool = True) -> Exported:
        """Evaluation only.

        Raises:
            ConfigError: ``mode`` is true.
        """
        if mode:
            raise ConfigError(f"{self.path} cannot be trained: train the network it was made from")
        return nn.Module.train(self, False)


class OnnxInSPyReNet(_EvaluationOnly, InSPyReNet):
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


class OnnxLogits(_EvaluationOnly, EncoderNetwork):
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


class OnnxMSINet(_EvaluationOnly, MSINet):
    """An exported MSI-Net: the inputs and outputs of ``MSINet`` in evaluation.

    Args:
        path: file made by :func:`sor_ppa.export.export_onnx`.
        canvas: how a map comes off the canvas; by default as the file says.
        normalize_over: see ``MSINet``; by default as the file says.
        density: also hand out a density.
        opened: ``threads`` and ``providers`` of :class:`~sor_ppa.engine.onnx_file.OnnxFile`, which
            says what is raised, too.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        canvas: CanvasRule | None = None,
        normalize_over: str = "",
        density: bool = False,
        **opened: Any,
    ) -> None:
        nn.Module.__init__(self)
        file = _of_format(OnnxFile(path, **opened), FIXATION_FORMAT)
        for name, values in (("pixel_mean", file.pixel_mean), ("pixel_std", file.pixel_std)):
            self.register_buffer(name, torch.tensor(values).view(-1, 1, 1), persistent=False)
        self.file, self.path, self.size_hw = file, file.path, file.size_hw
        self.canvas = canvas or CanvasRule(**file.canvas)
        self.normalize_over = normalize_over or file.normalize_over
        self.density = density
        self.channels_last = False
        self.eval()

    def logits(self, images: Tensor) -> Tensor:
        """One pass; a picture at a time, as it was exported.

        Raises:
            ConfigError: the file does not take pictures of this size.
        """
        return self.file.run(images, ("logits",))[0]


def _of_format(file: OnnxFile, wanted: str) -> OnnxFile:
    if file.format != wanted:
        raise CheckpointError(f"{file.path} has the format {file.format!r}, not {wanted!r}")
    return file


def onnx_network(
    cfg: CfgNode,
    *,
    cache: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
) -> OnnxInSPyReNet | OnnxLogits | OnnxMSINet:
    """The network of a config by onnxruntime; exported at the first call, then kept.

    ``MODEL.WEIGHTS`` may name an ``.onnx`` file: then that is used as it is.

    Args:
        cfg: of an InSPyReNet, A2S, CoRNet or MSINet.
        cache: folder for exported files; by default one below detectron2's cache.
        threads: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
        providers: see :class:`~sor_ppa.engine.onnx_file.OnnxFile`.
    """
    if cfg.MODEL.META_ARCHITECTURE == "InSPyReNet":
        pyramid = cfg.MODEL.INSPYRENET.RETURN_PYRAMID
        opened: Any = functools.partial(OnnxInSPyReNet, return_pyramid=pyramid)
    elif cfg.MODEL.META_ARCHITECTURE == "MSINet":
        net = cfg.MODEL.MSINET
        opened = functools.partial(
            OnnxMSINet,
            canvas=CanvasRule.from_config(cfg),
            normalize_over=net.NORMALIZE_OVER,
            density=net.DENSITY,
        )
    else:
        opened = OnnxLogits
    opened = functools.partial(opened, threads=threads, providers=providers)
    if cfg.MODEL.WEIGHTS.endswith(".onnx"):
        return opened(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
    folder = Path(cache) if cache else Path(get_cache_dir()) / "sor_ppa" / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{fingerprint(cfg)}.onnx"
    if not path.is_file() or not cfg.MODEL.WEIGHTS:  # random weights are new ones every time
        logger.info("exporting the network to %s, once", path)
        export_onnx(cfg, path)
    return opened(path)


def fingerprint(cfg: CfgNode) -> str:
    """Letters and digits that change with whatever changes the exported file."""
    parts = [__version__, torch.__version__, cfg.MODEL.dump(), cfg.INPUT.FORMAT]
    parts.append(cfg.INPUT.FIXATION.dump())
    if cfg.MODEL.WEIGHTS:
        weights = Path(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
        about = weights.stat()
        parts += [str(weights.resolve()), str(about.st_size), str(about.st_mtime_ns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]
