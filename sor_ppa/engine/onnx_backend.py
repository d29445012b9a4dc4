"""Dense saliency by onnxruntime, behind the same call as the PyTorch network.

On the CPU it takes about half of PyTorch's time. Only the pass itself runs there: normalising,
blending and the output are those of :class:`~sor_ppa.modeling.meta_arch.inspyrenet.InSPyReNet`.
"""

from __future__ import annotations

import hashlib
import json
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
from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.export import INPUT_NAME, OUTPUT_NAMES, export_onnx
from sor_ppa.modeling.meta_arch.inspyrenet import InSPyReNet, Pyramid, normalised_levels

logger = logging.getLogger(__name__)


class OnnxInSPyReNet(InSPyReNet):
    """An exported network: the inputs and outputs of ``InSPyReNet`` in evaluation.

    Args:
        path: file made by :func:`sor_ppa.export.export_onnx`.
        return_pyramid: also hand out the pyramid that a map was made from.
        threads: of the CPU; by default as many as PyTorch uses.
        providers: of onnxruntime, best first; by default CUDA where there is one, then the CPU.

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
        self.session = _session(path, threads, providers)
        about = self.session.get_modelmeta().custom_metadata_map
        if about.get("format") != "sor_ppa InSPyReNet":
            raise CheckpointError(
                f"{path} was not made by sor_ppa: its metadata have no format; export the network "
                "with tools/export_onnx.py"
            )
        facts = {key: json.loads(about[key]) for key in ("pixel_mean", "pixel_std", "normalize")}
        self.path = Path(path)
        self.size_hw: list[int] | None = json.loads(about["size_hw"])
        self.size_step: int = json.loads(about["size_step"])
        table = normalised_levels(facts["pixel_mean"], facts["pixel_std"])
        self.register_buffer("levels", table, persistent=False)
        self.normalize = facts["normalize"]
        self.return_pyramid = return_pyramid
        self.channels_last = False
        self.eval()

    def pyramid(self, images: Tensor) -> Pyramid:
        """One pass; a picture at a time, as it was exported.

        Raises:
            ConfigError: the file does not take pictures of this size.
        """
        self._check_size(tuple(images.shape[-2:]))
        passes = [self._run(image[None]) for image in images]
        levels = [torch.cat(maps).to(images.device) for maps in zip(*passes, strict=True)]
        return Pyramid(levels[:4], levels[4:])

    def _run(self, image: Tensor) -> list[Tensor]:
        pixels = image.detach().cpu().contiguous().numpy()
        return [
            torch.from_numpy(array)
            for array in self.session.run(list(OUTPUT_NAMES[1:]), {INPUT_NAME: pixels})
        ]

    def _check_size(self, size_hw: tuple[int, ...]) -> None:
        height, width = size_hw
        if self.size_hw is None:
            if height % self.size_step == 0 and width % self.size_step == 0:
                return
            wanted = f"multiples of {self.size_step}"
        elif list(size_hw) == self.size_hw:
            return
        else:
            wanted = "{} x {}".format(*self.size_hw)
        raise ConfigError(
            f"{self.path} takes pictures of {wanted}, got {height} x {width}; set "
            "INPUT.DENSE.TEST_SIZE (and LR_SIZE), or export the network for this size"
        )

    def train(self, mode: bool = True) -> OnnxInSPyReNet:
        """Evaluation only.

        Raises:
            ConfigError: ``mode`` is true.
        """
        if mode:
            raise ConfigError(f"{self.path} cannot be trained: train the network it was made from")
        return super().train(False)  # type: ignore[return-value]


def onnx_network(
    cfg: CfgNode,
    *,
    cache: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    providers: Sequence[str] | None = None,
) -> OnnxInSPyReNet:
    """The network of a config by onnxruntime; exported at the first call, then kept.

    ``MODEL.WEIGHTS`` may name an ``.onnx`` file: then that is used as it is.

    Args:
        cfg: of an InSPyReNet.
        cache: folder for exported files; by default one below detectron2's cache.
        threads: see :class:`OnnxInSPyReNet`.
        providers: see :class:`OnnxInSPyReNet`.
    """
    options: dict[str, Any] = {
        "threads": threads,
        "providers": providers,
        "return_pyramid": cfg.MODEL.INSPYRENET.RETURN_PYRAMID,
    }
    if cfg.MODEL.WEIGHTS.endswith(".onnx"):
        return OnnxInSPyReNet(PathManager.get_local_path(cfg.MODEL.WEIGHTS), **options)
    folder = Path(cache) if cache else Path(get_cache_dir()) / "sor_ppa" / "onnx"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_fingerprint(cfg)}.onnx"
    if not path.is_file() or not cfg.MODEL.WEIGHTS:  # random weights are new ones every time
        logger.info("exporting the network to %s, once", path)
        export_onnx(cfg, path)
    return OnnxInSPyReNet(path, **options)


def _fingerprint(cfg: CfgNode) -> str:
    """Changes with whatever changes the exported file."""
    parts = [__version__, torch.__version__, cfg.MODEL.dump(), cfg.INPUT.FORMAT]
    if cfg.MODEL.WEIGHTS:
        weights = Path(PathManager.get_local_path(cfg.MODEL.WEIGHTS))
        about = weights.stat()
        parts += [str(weights.resolve()), str(about.st_size), str(about.st_mtime_ns)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]


def _session(
    path: str | os.PathLike[str], threads: int | None, providers: Sequence[str] | None
) -> Any:  # noqa: ANN401 - onnxruntime's
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            "the package onnxruntime is missing; install it with: pip install 'sor_ppa[onnx]'"
        ) from error
    available = onnxruntime.get_available_providers()
    if providers is None:
        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [name for name in wanted if name in available]
    elif missing := [name for name in providers if name not in available]:
        raise ConfigError(f"onnxruntime has no {missing[0]!r} here; it has {', '.join(available)}")
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {path}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(os.fspath(path), options, providers=list(providers))
    except Exception as error:  # its exceptions have no common base but this
        raise CheckpointError(f"onnxruntime cannot load {path}: {error}") from error
