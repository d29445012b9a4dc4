"""What is seen beside a picture: depth, optical flow, thermal.

Each kind is uint8 RGB in the picture's pixels (a grey file has three equal channels). A model gets
them stacked in the order of INPUT.DENSE.MODALITIES, zeros where a picture lacks one. Zhou et al.,
"Texture-guided Saliency Distilling for Unsupervised Salient Object Detection", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from detectron2.config import CfgNode
from torch import Tensor

from sor_ppa.data.dense.sizes import SizeRule, channels_first, resized
from sor_ppa.data.flow import flow_of
from sor_ppa.data.image_io import MAX_PIXELS, check_image_array, read_image
from sor_ppa.errors import ConfigError, DataError

KINDS = ("depth", "flow", "thermal")
# A record with one of these is a frame of a video.
_OF_VIDEOS = ("video_id", "next_file_name", "previous_file_name")

# One array for the only kind there is, or an array a kind.
Modality = np.ndarray | Mapping[str, np.ndarray]


def modality_kinds(cfg: CfgNode) -> tuple[str, ...]:
    """INPUT.DENSE.MODALITIES.

    Raises:
        ConfigError: an unknown kind, one named twice, or another order than depth, flow, thermal.
    """
    kinds = tuple(cfg.INPUT.DENSE.MODALITIES)
    if kinds != tuple(kind for kind in KINDS if kind in kinds):
        raise ConfigError(
            f"INPUT.DENSE.MODALITIES must be of {', '.join(KINDS)}, in this order and each once; "
            f"got {kinds}"
        )
    return kinds


def read_modalities(
    record: Mapping[str, Any],
    kinds: Sequence[str],
    *,
    image: np.ndarray | None = None,
    max_pixels: int = MAX_PIXELS,
) -> dict[str, np.ndarray]:
    """The modalities that a record has: kind -> uint8 RGB (H', W', 3).

    A frame of a video without a file of its flow gets it computed
    (:func:`sor_ppa.data.flow.flow_of`).

    Args:
        record: dataset dict; reads ``<kind>_file_name`` and, for flow, ``next_file_name`` or
            ``previous_file_name``.
        kinds: wanted.
        image: the record's picture, uint8 RGB (H, W, 3), where it has been read already.
        max_pixels: larger files are refused.

    Raises:
        ImageError: a file is named but cannot be read.
        DataError: two frames of a video differ in size.
    """
    found = {}
    for kind in kinds:
        path = record.get(f"{kind}_file_name")
        if path:
            found[kind] = read_image(path, format="RGB", max_pixels=max_pixels)
        elif kind == "flow" and any(field in record for field in _OF_VIDEOS):
            found[kind] = flow_of(record, frame_rgb=image, max_pixels=max_pixels)
    return found


def stack_modalities(
    found: Mapping[str, np.ndarray], kinds: Sequence[str], size_hw: Sequence[int]
) -> Tensor:
    """The modalities of a picture as a model gets them.

    Args:
        found: kind -> uint8 RGB (H, W, 3).
        kinds: all M of them, in order.
        size_hw: H and W.

    Returns:
        uint8 (3 M, H, W), zeros where a kind is missing.
    """
    nothing = torch.zeros((3, *size_hw), dtype=torch.uint8)
    parts = [channels_first(found[kind]) if kind in found else nothing for kind in kinds]
    return torch.cat(parts)


def inputs_of_test(
    rule: SizeRule, image: np.ndarray, found: Mapping[str, np.ndarray], kinds: Sequence[str]
) -> dict[str, Tensor]:
    """A model's input in a test.

    Args:
        rule: of the sizes.
        image: uint8 (H, W, 3), in the model's order of channels.
        found: kind -> uint8 RGB (H', W', 3), of any size.
        kinds: the M kinds that the model sees; () = only the picture.

    Returns:
        that of :meth:`~sor_ppa.data.dense.sizes.SizeRule.inputs`, and where there are kinds
        ``modality`` uint8 (3 M, h, w), as large as ``image``.
    """
    inputs = rule.inputs(image)
    if kinds:
        size_hw = (inputs["image"].shape[1], inputs["image"].shape[2])
        small = {kind: resized(array, size_hw, rule.interpolation) for kind, array in found.items()}
        inputs["modality"] = stack_modalities(small, kinds, size_hw)
    return inputs


def given_modalities(modality: Modality | None, kinds: Sequence[str]) -> dict[str, np.ndarray]:
    """Modalities handed over as arrays, by kind, as uint8 RGB (H', W', 3).

    Args:
        modality: uint8 (H', W', 3) or (H', W') grey, for the only kind of a model; or a mapping
            from kind to such arrays.
        kinds: what the model knows.

    Raises:
        ImageError: an array is not of that form.
        DataError: no or an unknown modality is given, or one array where there are several kinds.
    """
    if modality is not None and not isinstance(modality, Mapping):
        if len(kinds) != 1:
            what = f"one picture is given, but the model knows {', '.join(kinds)}: say which it is"
            raise DataError([what], what="the modality")
        modality = {kinds[0]: modality}
    modality = modality or {}
    unknown = sorted(set(modality) - set(kinds))
    if unknown:
        known = ", ".join(kinds)
        raise DataError([f"{unknown[0]!r} is unknown to the model; it knows {known}"])
    require_modality(modality, kinds, "the picture")
    return {kind: _three_channels(array, kind) for kind, array in modality.items()}


def require_modality(found: Mapping[str, object], kinds: Sequence[str], whose: str) -> None:
    """For networks that cannot do without: there is one of the kinds at least.

    Raises:
        DataError: there is none; the message names ``whose`` and ``--modality-input``.
    """
    if not found:
        wanted = " or ".join(kinds)
        raise DataError(
            [f"{whose}: comes without {wanted}, which the model sees beside the picture; give it "
             "by --modality-input (programs), modality= (Predictor) or folders of the data set"],
            what="the modality",
        )  # fmt: skip


def _three_channels(array: object, kind: str) -> np.ndarray:
    if isinstance(array, np.ndarray) and array.ndim == 2:
        array = np.repeat(array[:, :, None], 3, axis=2)
    return check_image_array(array, name=kind)
