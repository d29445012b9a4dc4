"""What A2S learns from when there are no masks: confidence, texture, agreement between sizes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.modeling.precision import at_least_float32


def distilling_exponent(epoch: int, epochs: int) -> float:
    """Mu of an epoch: from 2 down to 2^(1 / epochs), easy pixels first, then all alike.

    Args:
        epoch: 1 ... epochs.
        epochs: of the whole training.
    """
    return 2 ** (1 - (epoch - 1) / epochs)


def saliency_distilling_loss(saliency: Tensor, epoch: int, epochs: int) -> Tensor:
    """Confidence-aware saliency distilling (Zhou et al., CVPR 2023, eq. 3-4).

    0.5^mu - mean |p - 0.5|^mu: pulls every pixel away from 0.5; mu as
    :func:`distilling_exponent` says.

    Args:
        saliency: (N, 1, H, W) probabilities p.
        epoch: 1 ... epochs.
        epochs: of the whole training.

    Returns:
        scalar.
    """
    power = distilling_exponent(epoch, epochs)
    return 0.5**power - (saliency - 0.5).abs().pow(power).mean()


def scale_consistency_loss(saliency: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference between one picture's saliency at two sizes.

    Zhou et al., CVPR 2023, section 3.4. Both sides carry gradient.

    Args:
        saliency: (N, 1, H, W) probabilities.
        other: (N, 1, h, w), resized to H x W (bilinear, corners aligned).

    Returns:
        scalar.
    """
    size = saliency.shape[-2:]
    with torch.autocast(saliency.device.type, enabled=False):
        saliency, other = at_least_float32(saliency), at_least_float32(other)
        resized = F.interpolate(other, size, mode="bilinear", align_corners=True)
        return (saliency - resized).square().mean()
