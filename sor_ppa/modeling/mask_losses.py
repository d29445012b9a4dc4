"""Losses between saliency logits and masks: what networks learn from pseudo labels with.

Stage 2 of A2S-v2 (Zhou et al., *Texture-guided Saliency Distilling for Unsupervised Salient Object
Detection*, CVPR 2023) trains with ``iou`` alone. The rest is the small library of supervised losses
that comes with its published code, where a loss is chosen by a letter; here it has a name.

In every formula x are the logits, p = sigmoid(x), t the mask in 0 ... 1; sums run over one picture,
the mean over pictures. All are pure functions (N, 1, H, W), (N, 1, H, W) -> scalar.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.precision import at_least_float32

_IOU_EPS = 1e-7
_BETA_SQUARED = 0.3
_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5


def mask_loss(logits: Tensor, target: Tensor, names: Sequence[str] = ("iou",)) -> Tensor:
    """The sum of some losses of an output against masks, the logits resized to the masks' size.

    In float32 or better whatever autocast says: sums over a picture overflow otherwise.

    Args:
        logits: (N, 1, h, w) before the sigmoid; resized bilinearly (align_corners=False, not
            antialiased) as stage 2 of A2S-v2 does.
        target: (N, 1, H, W) masks in 0 ... 1, of any type.
        names: keys of :data:`MASK_LOSSES`.

    Returns:
        A scalar; 0 (with a gradient of zeros) without pictures.

    Raises:
        ConfigError: a name is unknown, or there is none.
    """
    _check_names(names)
    with torch.autocast(logits.device.type, enabled=False):
        logits = resize_logits(at_least_float32(logits), target.shape[-2:])
        if logits.numel() == 0:
            return logits.sum() * 0.0
        target = target.to(logits.dtype)
        return torch.stack([MASK_LOSSES[name](logits, target) for name in names]).sum()


def resize_logits(logits: Tensor, size_hw: Sequence[int]) -> Tensor:
    """(N, C, h, w) -> (N, C, H, W), bilinear, align_corners=False; itself if it has that size."""
    if tuple(logits.shape[-2:]) == tuple(size_hw) or logits.numel() == 0:
        return logits
    return F.interpolate(logits, tuple(size_hw), mode="bilinear", align_corners=False)


def iou_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - sum(p t) / (sum(p + t - p t) + 1e-7): stage 2 of A2S-v2.

    An all-black mask costs 1 whatever is predicted, so it teaches nothing.
    """
    overlap, union = _overlap_and_union(logits.sigmoid(), target)
    return (1 - overlap / (union + _IOU_EPS)).mean()


def bce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy, mean over all pixels. Published letter: b."""
    return F.binary_cross_entropy_with_logits(logits, target)


def ssim_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - the mean structural similarity of p and t. Published letter: s.

    Wang et al., *Image quality assessment*, TIP 2004, eq. 13, with a Gaussian window of 11 x 11
    pixels, sigma 1.5; outside the picture both count as 0. C1 = 0.01^2, C2 = 0.03^2.
    """
    p = logits.sigmoid()
    means = _blur(torch.cat([p, target, p * p, target * target, p * target]))
    mean_p, mean_t, mean_pp, mean_tt, mean_pt = means.chunk(5)
    product, squares = mean_p * mean_t, mean_p.square() + mean_t.square()
    covariance, variances = mean_pt - product, mean_pp + mean_tt - squares
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * product + c1) * (2 * covariance + c2)
    return 1 - (similarity / ((squares + c1) * (variances + c2))).mean()


def jaccard_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - sum(p t) / sum(p + t - p t), without an epsilon. Published letter: i.

    Where mask and prediction are both empty it is 0 (0/0 as published).
    """
    overlap, union = _overlap_and_union(logits.sigmoid(), target)
    return (1 - _ratio(overlap, union)).mean()


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - 2 (sum(p t) + 1) / (sum(p) + sum(t) + 1). Published letter: d.

    As published, it reaches -1 for two empty masks (the 1 above counts twice).
    """
    p = logits.sigmoid()
    return (1 - 2 * (_total(p * target) + 1) / (_total(p) + _total(target) + 1)).mean()


def edge_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of x against the mask's edge (see :func:`edge_of`). Published letter: e."""
    return F.binary_cross_entropy_with_logits(logits, edge_of(target))


def contour_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over all pixels of BCE(x, t) (4 smooth edge + 1). Published letter: c."""
    weight = 4 * _smooth_edge(target) + 1
    return F.binary_cross_entropy_with_logits(logits, target, weight=weight)


def f_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean of 1 - 1.3 sum(p t) / (sum(p) + 0.3 sum(t)), F-measure's. Published letter: f.

    Where mask and prediction are both empty it is 0 (0/0 as published).
    """
    p = logits.sigmoid()
    return _f_loss(p * target, p, target)


def weighted_f_loss(logits: Tensor, target: Tensor) -> Tensor:
    """As :func:`f_loss`, each pixel counted 0.8 smooth edge + 0.2 times. Published letter: w."""
    p, weight = logits.sigmoid(), 0.8 * _smooth_edge(target) + 0.2
    return _f_loss(p * target * weight, p * weight, target * weight)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over all pixels of 100 BCE(x, t) (t - p)^2. Published letter: o.

    Near Lin et al., *Focal loss*, ICCV 2017 (gamma 2), with a gradient through the factor as well.
    """
    wrong = (target - logits.sigmoid()).square()
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (100 * bce * wrong).mean()


def mse_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over all pixels of (p - t)^2. Published letter: m."""
    return F.mse_loss(logits.sigmoid(), target)


def edge_of(mask: Tensor) -> Tensor:
    """Dilation minus erosion over 5 x 5 pixels: 1 within two pixels of a border, 0 elsewhere.

    What lies outside the picture never wins, so the picture's own border is none.

    Args:
        mask: (N, 1, H, W) in 0 ... 1.
    """
    return _max_5x5(mask) + _max_5x5(-mask)  # erosion = -dilation of the negative


#: What MODEL.STAGE2.LOSSES may name.
MASK_LOSSES = {
    "iou": iou_loss,
    "bce": bce_loss,
    "ssim": ssim_loss,
    "jaccard": jaccard_loss,
    "dice": dice_loss,
    "edge": edge_loss,
    "contour": contour_loss,
    "f": f_loss,
    "weighted_f": weighted_f_loss,
    "focal": focal_loss,
    "mse": mse_loss,
}


def _check_names(names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in MASK_LOSSES]
    if unknown or not names:
        raise ConfigError(
            f"MODEL.STAGE2.LOSSES is {tuple(names)}; name at least one of {', '.join(MASK_LOSSES)}."
        )


def _total(x: Tensor) -> Tensor:
    """(N, 1, H, W) -> (N,)."""
    return x.sum(dim=(1, 2, 3))


def _overlap_and_union(p: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    both = p * target
    return _total(both), _total(p + target - both)


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    """``part / whole``; 1 where both are nothing, and no gradient there."""
    nothing = whole == 0
    return torch.where(nothing, torch.ones_like(part), part / torch.where(nothing, 1, whole))


def _f_loss(both: Tensor, p: Tensor, target: Tensor) -> Tensor:
    whole = _total(p) + _BETA_SQUARED * _total(target)
    # 1.3 pt / (p + 0.3 t): for a perfect match both sums are 1.3 times the mask's area.
    return (1 - _ratio((1 + _BETA_SQUARED) * _total(both), whole)).mean()


def _max_5x5(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 5, stride=1, padding=2)


def _smooth_edge(mask: Tensor) -> Tensor:
    """The mask's edge averaged over 3 x 3 pixels, those outside counting as 0."""
    return F.avg_pool2d(edge_of(mask), 3, stride=1, padding=1)


def _blur(x: Tensor) -> Tensor:
    """(M, 1, H, W) under the window of SSIM, as two passes of 11 numbers."""
    offset = torch.arange(_SSIM_WINDOW, device=x.device, dtype=x.dtype) - _SSIM_WINDOW // 2
    window = torch.exp(-offset.square() / (2 * _SSIM_SIGMA**2))
    window = (window / window.sum()).view(1, 1, -1, 1)
    pad = _SSIM_WINDOW // 2
    x = F.conv2d(x, window, padding=(pad, 0))
    return F.conv2d(x, window.transpose(2, 3), padding=(0, pad))
