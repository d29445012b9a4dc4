"""From a picture in memory to a model's output: one picture, a batch, or an endless stream."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any, TypeVar

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import Tensor, nn

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.compat import available_device
from sor_ppa.data.dense.modalities import Modality, modality_kinds
from sor_ppa.data.image_io import check_image_array
from sor_ppa.data.transforms import build_preparation
from sor_ppa.engine.prefetch import prefetch as run_ahead
from sor_ppa.errors import ConfigError, ImageError, SaliencyError
from sor_ppa.modeling.fuse import fuse_for_inference

logger = logging.getLogger(__name__)

Item = TypeVar("Item")  # a picture, or a pair of a picture and its modality


class Predictor:
    """Builds the model of a config, loads its weights and applies it to pictures.

    1. One picture, like detectron2's ``DefaultPredictor``::

        outputs = Predictor(cfg)(bgr)      # bgr: uint8 (H, W, 3)
        outputs["instances"].pred_ranks    # ranking: 1 = most salient, 0 = not ranked
        outputs["saliency"]                # dense saliency: float32 (H, W) in 0 ... 1
        outputs["fixation"]                # where people look: float32 (H, W) in 0 ... 1

    2. Several pictures of any sizes in one pass: ``predictor.predict_batch([a, b, c])``.
    3. A video, a folder, a camera: ``for image, outputs in predictor.stream(frames)``, where the
       next pictures are decoded and resized in a thread while the network works.
    4. A network that sees something beside the picture (``INPUT.DENSE.TEST_MODALITIES``): depth,
       optical flow or a thermal picture of any size, uint8 (H', W', 3) blue first or (H', W')
       grey::

        Predictor(cfg)(bgr, depth)                     # or (bgr, {"depth": depth})
        predictor.predict_batch([a, b], [depth_a, depth_b])
        predictor.stream([(a, depth_a), (b, depth_b)])

    Outputs stay on the model's device, as detectron2 leaves them. The picture is resized as the
    config's mapper does in a test (INPUT.DATASET_MAPPER_NAME); boxes, masks and maps come back in
    the picture's own pixels.

    Args:
        cfg: cloned, never changed. ``MODEL.WEIGHTS`` may be empty: random weights, with a warning.
        device: overrides ``MODEL.DEVICE``. A device that is not there becomes the CPU.
        fused: fold norms into convolutions: faster, equal up to rounding (1e-4 of the largest).
        half: run in mixed precision (float16 on a GPU, bfloat16 on the CPU).
        allow_pickle: also load weight files that are pickles; only for files you trust.
        backend: "torch", or "onnx" = onnxruntime, about twice as fast on a CPU (fixations, and
            dense saliency out of one picture; exported once, which takes minutes for a large
            network, then kept in a cache).
        model: use this network instead of building and loading one; it is put in eval mode.
    """

    def __init__(
        self,
        cfg: CfgNode,
        *,
        device: str | None = None,
        half: bool = False,
        fused: bool = False,
        allow_pickle: bool = False,
        backend: str = "torch",
        model: nn.Module | None = None,
    ) -> None:
        self.cfg = cfg.clone()
        self.cfg.defrost()
        self.cfg.MODEL.DEVICE = available_device(device or cfg.MODEL.DEVICE)
        self.cfg.freeze()
        if cfg.INPUT.FORMAT not in ("BGR", "RGB"):
            raise ConfigError(f"INPUT.FORMAT must be BGR or RGB, got {cfg.INPUT.FORMAT!r}")
        self.device = _device(self.cfg.MODEL.DEVICE)
        self.half = half
        if backend not in ("torch", "onnx"):
            raise ConfigError(f"backend must be torch or onnx, got {backend!r}")
        self.kinds = modality_kinds(self.cfg) if self.cfg.INPUT.DENSE.TEST_MODALITIES else ()
        if backend == "onnx" and self.kinds:
            raise ConfigError(
                f"{cfg.MODEL.META_ARCHITECTURE} sees {', '.join(self.kinds)} beside the picture, "
                "and networks of two inputs are not exported to ONNX: use the backend torch"
            )
        if backend == "onnx" and model is None:
            from sor_ppa.engine.onnx_backend import onnx_network

            model, fused = onnx_network(self.cfg), False
        built = _build(self.cfg, allow_pickle=allow_pickle) if model is None else model
        built = built.to(self.device).eval()
        self.model = fuse_for_inference(built) if fused else built
        self._prepare = build_preparation(self.cfg)
        self._told_unused = False

    def __call__(self, image: np.ndarray, modality: Modality | None = None) -> dict[str, Any]:
        """The outputs for one picture.

        Args:
            image: uint8 (H, W, 3), blue first whatever ``INPUT.FORMAT`` says; any size from 1 x 1,
                any strides.
            modality: what the network sees beside it: uint8 (H', W', 3) blue first or (H', W')
                grey, or a mapping from kind ("depth", "flow", "thermal") to such arrays. Its size
                may be another than the picture's.

        Returns:
            Of a ranking model ``{"instances": Instances}`` with ``pred_boxes``, ``scores``,
            ``pred_classes``, ``pred_masks`` bool (R, H, W), ``pred_ranks`` int64 (R,) and
            ``rank_scores`` (R, ranks); of a dense model ``{"saliency": float32 (H, W)}`` in
            0 ... 1, of a fixation model ``{"fixation": float32 (H, W)}`` in 0 ... 1.
            Other systems give other keys.

        Raises:
            ImageError: the array is no such picture (the message says what it is), or it has more
                than ``INPUT.MAX_PIXELS`` pixels.
            DataError: the network sees a modality and there is none, or one of another kind.
        """
        return self.predict([self.prepare(image, modality)])[0]

    def predict_batch(
        self, images: Sequence[np.ndarray], modalities: Sequence[Modality | None] | None = None
    ) -> list[dict[str, Any]]:
        """The outputs for several pictures, in their order; the sizes may differ.

        All pictures are on the device at once: cut long lists into pieces, or use :meth:`stream`.

        Args:
            images: as for one picture.
            modalities: one for each picture.

        Raises:
            ImageError: there are more of one than of the other.
        """
        beside = [None] * len(images) if modalities is None else modalities
        if len(beside) != len(images):
            raise ImageError(f"{len(images)} pictures but {len(beside)} modalities: give as many")
        return self.predict([self.prepare(*pair) for pair in zip(images, beside, strict=True)])

    def stream(
        self, images: Iterable[Item], *, batch_size: int = 1, ahead: int = 2
    ) -> Generator[tuple[Item, dict[str, Any]], None, None]:
        """Yields ``(image, outputs)`` in order, in constant memory.

        Args:
            images: pictures, or pairs ``(picture, modality)``, which are handed on as they came.
                Consumed in a thread, so that decoding overlaps the network.
            batch_size: pictures in one pass of the network.
            ahead: pictures decoded ahead of the network at most.
        """
        pairs = ((image, self.prepare(*_pair(image))) for image in images)
        with closing(run_ahead(pairs, depth=ahead)) as prepared:
            while batch := list(itertools.islice(prepared, batch_size)):
                outputs = self.predict([inputs for _, inputs in batch])
                yield from zip((image for image, _ in batch), outputs, strict=True)

    def prepare(self, image: np.ndarray, modality: Modality | None = None) -> dict[str, Any]:
        """The model's input for one picture, still on the CPU: checked, resized, channels first.

        Returns:
            ``image`` uint8 (3, h, w), the picture's own ``height`` and ``width``; ``image_lr``
            where a dense model is to blend two sizes; ``modality`` uint8 (3 M, h, w), red first,
            where the model sees M kinds.
        """
        image = check_image_array(image)
        height, width = image.shape[:2]
        if height * width > self.cfg.INPUT.MAX_PIXELS:
            raise ImageError(
                f"a picture of {height} x {width} pixels is above the limit of "
                f"{self.cfg.INPUT.MAX_PIXELS}; raise INPUT.MAX_PIXELS if that is meant"
            )
        if self.cfg.INPUT.FORMAT == "RGB":
            image = np.ascontiguousarray(image[:, :, ::-1])
        prepared = self._prepare(image, *self._beside(modality))
        return {**prepared, "height": height, "width": width}

    def _beside(self, modality: Modality | None) -> tuple[Any, ...]:
        """What the preparation gets beside the picture, red first; nothing if it wants nothing."""
        if self.kinds:
            if isinstance(modality, Mapping):
                return ({kind: _red_first(array) for kind, array in modality.items()},)
            return (_red_first(modality),)
        if modality is not None and not self._told_unused:
            self._told_unused = True
            logger.warning(
                "the modality is not used: MODEL.META_ARCHITECTURE %s sees only the picture",
                self.cfg.MODEL.META_ARCHITECTURE,
            )
        return ()

    @torch.inference_mode()
    def predict(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Runs the network on inputs made by :meth:`prepare`.

        A batch that does not fit on the GPU is tried again one picture at a time.

        Raises:
            SaliencyError: one picture alone does not fit on the GPU.
        """
        if not inputs:
            return []
        on_device = [self._moved(item) for item in inputs]
        try:
            with self._precision():
                return list(self.model(on_device))
        except torch.cuda.OutOfMemoryError as error:
            del on_device
            torch.cuda.empty_cache()
            if len(inputs) > 1:
                return [output for item in inputs for output in self.predict([item])]
            height, width = inputs[0]["image"].shape[1:]
            raise SaliencyError(
                f"the GPU has not enough memory for a {height} x {width} input; lower "
                f"{_size_keys(self.cfg)}, or set MODEL.DEVICE cpu"
            ) from error

    def _moved(self, item: dict[str, Any]) -> dict[str, Any]:
        """The same input with its pictures (there may be two sizes of one) on the device."""
        return {k: v.to(self.device) if isinstance(v, Tensor) else v for k, v in item.items()}

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.half:
            return nullcontext()
        dtype = torch.bfloat16 if self.device.type == "cpu" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)


def _pair(item: Any) -> tuple[Any, Any]:  # noqa: ANN401 - checked by whoever takes it
    return item if isinstance(item, tuple) and len(item) == 2 else (item, None)


def _red_first(array: Any) -> Any:  # noqa: ANN401 - checked by whoever takes it
    """Blue first -> red first; grey, and what is no picture, as it is."""
    is_colour = isinstance(array, np.ndarray) and array.ndim == 3
    return array[:, :, ::-1] if is_colour else array


def _build(cfg: CfgNode, *, allow_pickle: bool) -> nn.Module:
    model = build_model(cfg)
    if not cfg.MODEL.WEIGHTS:
        logger.warning("MODEL.WEIGHTS is empty: the network has random weights")
        return model
    # Strict: half of a network would answer too, but with noise.
    loader = SaliencyCheckpointer(model, allow_pickle=allow_pickle, strict=True)
    loader.load(cfg.MODEL.WEIGHTS)
    return model


def _size_keys(cfg: CfgNode) -> str:
    """The config keys that bound the size of an input."""
    if cfg.INPUT.DATASET_MAPPER_NAME == "fixation":
        return "INPUT.FIXATION.SIZE"
    if cfg.INPUT.DATASET_MAPPER_NAME != "dense":
        return "INPUT.MIN_SIZE_TEST and INPUT.MAX_SIZE_TEST"
    static = cfg.INPUT.DENSE.TEST_RESIZE == "static"
    return "INPUT.DENSE.TEST_SIZE" if static else "INPUT.DENSE.DYNAMIC_LIMIT"


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"MODEL.DEVICE {name!r} is not a device: use cpu, cuda or mps") from error
