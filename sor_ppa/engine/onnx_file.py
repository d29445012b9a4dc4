"""A network exported as an ONNX file, opened by onnxruntime."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sor_ppa.errors import CheckpointError, ConfigError
from sor_ppa.exporting.graphs import FIXATION_FORMAT, FORMATS, INPUT_NAME


class OnnxFile:
    """A file made by :func:`sor_ppa.export.export_onnx`, opened.

    Attributes:
        path: of the file.
        format: whose outputs it has.
        size_hw: the only size of pictures that it takes; None = multiples of ``size_step``.
        size_step: see there.
        pixel_mean: per channel, in grey levels.
        pixel_std: likewise.
        normalize: whether saliency maps are to be stretched to 0 ... 1.
        channels: order of the input's, "RGB" or "BGR".
        normalize_over: of fixations: "canvas" or "picture".
        canvas: of fixations: ``preset`` and ``pad_value`` of the network's
            :class:`~sor_ppa.canvas.CanvasRule`.

    Args:
        path: of the file.
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
        threads: int | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        self.path = Path(path)
        self._session = _session(path, threads, providers)
        about = self._session.get_modelmeta().custom_metadata_map
        self.format = about.get("format", "")
        if self.format not in FORMATS:
            raise CheckpointError(
                f"{path} was not made by sor_ppa: its metadata have no format; export the network "
                "with tools/export_onnx.py"
            )
        self.size_hw: list[int] | None = json.loads(about["size_hw"])
        self.size_step: int = json.loads(about["size_step"])
        self.pixel_mean: list[float] = json.loads(about["pixel_mean"])
        self.pixel_std: list[float] = json.loads(about["pixel_std"])
        self.normalize: bool = json.loads(about["normalize"])
        self.channels: str = about["channels"]
        self.normalize_over: str = json.loads(about.get("normalize_over", '"canvas"'))
        self.canvas: dict[str, Any] = json.loads(about.get("canvas", "{}"))

    def run(self, images: Tensor, names: Sequence[str]) -> list[Tensor]:
        """One pass; a picture at a time, as it was exported.

        Args:
            images: (N, 3, H, W), normalised.
            names: of the outputs.

        Returns:
            (N, 1, h, w) for each name.

        Raises:
            ConfigError: the file does not take pictures of this size.
        """
        self._check_size(tuple(images.shape[-2:]))
        passes = [self._pass(image[None], names) for image in images]
        return [torch.cat(maps).to(images.device) for maps in zip(*passes, strict=True)]

    def _pass(self, image: Tensor, names: Sequence[str]) -> list[Tensor]:
        pixels = image.detach().cpu().contiguous().numpy()
        found = self._session.run(list(names), {INPUT_NAME: pixels})
        return [torch.from_numpy(array) for array in found]

    @property
    def _size_key(self) -> str:
        fixation = self.format == FIXATION_FORMAT
        return "INPUT.FIXATION.SIZE" if fixation else "INPUT.DENSE.TEST_SIZE (and LR_SIZE)"

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
            f"{self._size_key}, or export the network for this size"
        )


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
