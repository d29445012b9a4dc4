"""From a picture in memory to a model's output: one picture, a batch, or an endless stream."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.data import transforms as T
from detectron2.modeling import build_model
from torch import nn

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.compat import available_device
from sor_ppa.data.image_io import check_image_array
from sor_ppa.data.transforms import build_augmentation
from sor_ppa.engine.prefetch import prefetch as run_ahead
from sor_ppa.errors import ConfigError, ImageError, SaliencyError
from sor_ppa.modeling.fuse import fuse_for_inference

logger = logging.getLogger(__name__)


class Predictor:
    """Builds the model of a config, loads its weights and applies it to pictures.

    1. One picture, like detectron2's ``DefaultPredictor``::

        outputs = Predictor(cfg)(bgr)      # bgr: uint8 (H, W, 3)
        outputs["instances"].pred_ranks    # 1 = most salient, 0 = not ranked

    2. Several pictures of any sizes in one pass: ``predictor.predict_batch([a, b, c])``.
    3. A video, a folder, a camera: ``for image, outputs in predictor.stream(frames)``, where the
       next pictures are decoded and resized in a thread while the network works.

    Outputs stay on the model's device, as detectron2 leaves them. The picture is resized as the
    config's test settings say; boxes and masks come back in the picture's own pixels.

    Args:
        cfg: cloned, never changed. ``MODEL.WEIGHTS`` may be empty: random weights, with a warning.
        device: overrides ``MODEL.DEVICE``. A device that is not there becomes the CPU.
        fused: fold norms into convolutions: faster, equal up to rounding (1e-4 of the largest).
        half: run in mixed precision (float16 on a GPU, bfloat16 on the CPU).
        allow_pickle: also load weight files that are pickles; only for files you trust.
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
        built = _build(self.cfg, allow_pickle=allow_pickle) if model is None else model
        built = built.to(self.device).eval()
        self.model = fuse_for_inference(built) if fused else built
        augmentation = build_augmentation(self.cfg, is_train=False)
        self.augmentation = T.AugmentationList(augmentation)

    def __call__(self, image: np.ndarray) -> dict[str, Any]:
        """The outputs for one picture.

        Args:
            image: uint8 (H, W, 3), blue first whatever ``INPUT.FORMAT`` says; any size from 1 x 1,
                any strides.

        Returns:
            ``{"instances": Instances}`` with ``pred_boxes``, ``scores``, ``pred_classes``,
            ``pred_masks`` bool (R, H, W), ``pred_ranks`` int64 (R,), ``rank_scores`` (R, ranks);
            other systems give other keys.

        Raises:
            ImageError: the array is no such picture (the message says what it is), or it has more
                than ``INPUT.MAX_PIXELS`` pixels.
        """
        return self.predict([self.prepare(image)])[0]

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """The outputs for several pictures, in their order; the sizes may differ.

        All pictures are on the device at once: cut long lists into pieces, or use :meth:`stream`.
        """
        return self.predict([self.prepare(image) for image in images])

    def stream(
        self, images: Iterable[np.ndarray], *, batch_size: int = 1, ahead: int = 2
    ) -> Generator[tuple[np.ndarray, dict[str, Any]], None, None]:
        """Yields ``(image, outputs)`` in order, in constant memory.

        Args:
            images: consumed in a thread, so that decoding overlaps the network.
            batch_size: pictures in one pass of the network.
            ahead: pictures decoded ahead of the network at most.
        """
        pairs = ((image, self.prepare(image)) for image in images)
        with closing(run_ahead(pairs, depth=ahead)) as prepared:
            while batch := list(itertools.islice(prepared, batch_size)):
                outputs = self.predict([inputs for _, inputs in batch])
                yield from zip((image for image, _ in batch), outputs, strict=True)

    def prepare(self, image: np.ndarray) -> dict[str, Any]:
        """The model's input for one picture, still on the CPU: checked, resized, channels first."""
        image = check_image_array(image)
        height, width = image.shape[:2]
        if height * width > self.cfg.INPUT.MAX_PIXELS:
            raise ImageError(
                f"a picture of {height} x {width} pixels is above the limit of "
                f"{self.cfg.INPUT.MAX_PIXELS}; raise INPUT.MAX_PIXELS if that is meant"
            )
        if self.cfg.INPUT.FORMAT == "RGB":
            image = np.ascontiguousarray(image[:, :, ::-1])
        augmented = T.AugInput(image)
        self.augmentation(augmented)
        pixels = np.ascontiguousarray(augmented.image.transpose(2, 0, 1))  # (3, h, w)
        return {"image": torch.from_numpy(pixels), "height": height, "width": width}

    @torch.inference_mode()
    def predict(self, inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Runs the network on inputs made by :meth:`prepare`.

        A batch that does not fit on the GPU is tried again one picture at a time.

        Raises:
            SaliencyError: one picture alone does not fit on the GPU.
        """
        if not inputs:
            return []
        on_device = [{**item, "image": item["image"].to(self.device)} for item in inputs]
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
                "INPUT.MIN_SIZE_TEST and INPUT.MAX_SIZE_TEST, or set MODEL.DEVICE cpu"
            ) from error

    def _precision(self) -> AbstractContextManager[Any]:
        if not self.half:
            return nullcontext()
        dtype = torch.bfloat16 if self.device.type == "cpu" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)


def _build(cfg: CfgNode, *, allow_pickle: bool) -> nn.Module:
    model = build_model(cfg)
    if not cfg.MODEL.WEIGHTS:
        logger.warning("MODEL.WEIGHTS is empty: the network has random weights")
        return model
    # Strict: half of a network would answer too, but with noise.
    loader = SaliencyCheckpointer(model, allow_pickle=allow_pickle, strict=True)
    loader.load(cfg.MODEL.WEIGHTS)
    return model


def _device(name: str) -> torch.device:
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"MODEL.DEVICE {name!r} is not a device: use cpu, cuda or mps") from error
