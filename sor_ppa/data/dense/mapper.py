"""Dataset dict with a saliency mask -> input of a dense saliency model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode, configurable
from detectron2.data import transforms as T
from torch import Tensor

from sor_ppa.data.dataset_dicts import size_differs
from sor_ppa.data.dense.modalities import (
    inputs_of_test,
    modality_kinds,
    read_modalities,
    require_modality,
    stack_modalities,
)
from sor_ppa.data.dense.sizes import SizeRule, channels_first
from sor_ppa.data.dense.transforms import build_dense_augmentation, taken_along
from sor_ppa.data.image_io import MAX_PIXELS, read_image
from sor_ppa.data.mask_io import MASK_MODES, read_mask
from sor_ppa.errors import ConfigError, DataError


class DenseMapper:
    """Maps a picture, its mask and its modalities to the input of a dense saliency model.

    Args:
        is_train: True augments and adds ``saliency``; False resizes as ``size_rule`` says.
        augmentations: of training, in order; NumPy's global random state decides.
        size_rule: of test.
        image_format: "BGR" or "RGB", the order the model gets. (Augmentations see RGB.)
        mask_mode: what grey levels mean: "soft" (/ 255), "threshold" (above 127 is salient),
            "minmax" (stretched to 0 ... 1; a mask of one grey level is left as it is). It acts on
            the mask as it was read: what augmentation makes soft stays soft.
        max_pixels: larger pictures are refused.
        modalities: kinds of what is seen beside the picture, in the order of the model.
        modalities_seen: the network sees them, so a picture with none of them is an error, and
            they are also read in a test. False: only losses see them, if there are any.
        use_masks: False trains without masks.
    """

    @configurable
    def __init__(
        self,
        *,
        is_train: bool,
        augmentations: Sequence[T.Augmentation] = (),
        size_rule: SizeRule | None = None,
        image_format: str = "RGB",
        mask_mode: str = "soft",
        max_pixels: int = MAX_PIXELS,
        modalities: Sequence[str] = (),
        modalities_seen: bool = False,
        use_masks: bool = True,
    ) -> None:
        if mask_mode not in MASK_MODES:
            known = ", ".join(MASK_MODES)
            raise ConfigError(f"INPUT.DENSE.MASK_MODE must be one of {known}; got {mask_mode!r}")
        if image_format not in ("BGR", "RGB"):
            raise ConfigError(f"INPUT.FORMAT must be BGR or RGB, got {image_format!r}")
        self.is_train = is_train
        self.augmentations = T.AugmentationList(list(augmentations))
        self.size_rule = size_rule or SizeRule()
        self.image_format = image_format
        self.mask_mode = mask_mode
        self.max_pixels = max_pixels
        self.modalities = tuple(modalities) if is_train or modalities_seen else ()
        self.modalities_seen = modalities_seen
        self.use_masks = use_masks

    @classmethod
    def from_config(cls, cfg: CfgNode, is_train: bool = True) -> dict[str, Any]:
        """Arguments of the constructor, out of a config."""
        return {
            "is_train": is_train,
            "augmentations": build_dense_augmentation(cfg) if is_train else (),
            "size_rule": SizeRule.from_config(cfg),
            "image_format": cfg.INPUT.FORMAT,
            "mask_mode": cfg.INPUT.DENSE.MASK_MODE,
            "max_pixels": cfg.INPUT.MAX_PIXELS,
            "modalities": modality_kinds(cfg),
            "modalities_seen": cfg.INPUT.DENSE.TEST_MODALITIES,
            "use_masks": cfg.INPUT.DENSE.USE_MASKS,
        }

    def __call__(self, dataset_dict: dict[str, Any]) -> dict[str, Any]:
        """Reads, augments and converts one picture.

        Args:
            dataset_dict: ``file_name`` and, in training, ``sem_seg_file_name``; files of
                modalities as :func:`~sor_ppa.data.dense.modalities.read_modalities` wants them.
                Not changed.

        Returns:
            The dict plus ``image`` uint8 (3, H, W) and the original ``height`` and ``width``;
            ``modality`` uint8 (3 M, H, W), RGB, where there are M modalities; in training with
            masks ``saliency`` float32 (1, H, W) in 0 ... 1; in test ``image_lr`` uint8
            (3, h, w) where two sizes are to be blended.

        Raises:
            ImageError: the picture, the mask or a modality cannot be read.
            DataError: there is no mask, or a stated size is not the picture's; the network sees a
                modality and there is none.
        """
        output = {key: value for key, value in dataset_dict.items() if key != "annotations"}
        image = read_image(output["file_name"], format="RGB", max_pixels=self.max_pixels)
        problem = size_differs(output, image.shape[:2])
        if problem:
            raise DataError([f"{output['file_name']}: {problem}"])
        output["height"], output["width"] = image.shape[:2]
        modalities = self._modalities(output, image)
        if self.is_train:
            output.update(self._training(output, image, modalities))
        else:
            image = self._in_order(image)
            output.update(inputs_of_test(self.size_rule, image, modalities, self.modalities))
        return output

    def _training(
        self, record: dict[str, Any], image: np.ndarray, modalities: dict[str, np.ndarray]
    ) -> dict[str, Tensor]:
        mask = self._mask(record, image.shape[:2]) if self.use_masks else None
        augmented = T.AugInput(image, sem_seg=mask)
        steps = self.augmentations(augmented)
        found = {"image": channels_first(self._in_order(augmented.image))}
        if self.modalities:
            moved = {kind: taken_along(array, steps) for kind, array in modalities.items()}
            found["modality"] = stack_modalities(moved, self.modalities, found["image"].shape[1:])
        if augmented.sem_seg is not None:
            saliency = np.asarray(augmented.sem_seg, dtype=np.float32)[None] / np.float32(255)
            found["saliency"] = torch.from_numpy(saliency)  # (1, H, W)
        return found

    def _modalities(self, record: dict[str, Any], image: np.ndarray) -> dict[str, np.ndarray]:
        kinds, limit = self.modalities, self.max_pixels
        found = read_modalities(record, kinds, image=image, max_pixels=limit)
        if self.modalities and self.modalities_seen:
            require_modality(found, self.modalities, record["file_name"])
        return found

    def _in_order(self, rgb: np.ndarray) -> np.ndarray:
        return rgb if self.image_format == "RGB" else rgb[:, :, ::-1]

    def _mask(self, dataset_dict: dict[str, Any], size_hw: tuple[int, int]) -> np.ndarray:
        """The mask as uint8 (H, W), at the picture's size."""
        path = dataset_dict.get("sem_seg_file_name")
        if not path:
            raise DataError(
                [f"{dataset_dict['file_name']}: no sem_seg_file_name, so no mask to learn from"]
            )
        values = read_mask(path, size_hw, self.mask_mode, max_pixels=self.max_pixels)
        return np.rint(values * 255).astype(np.uint8)
