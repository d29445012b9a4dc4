"""Published files of dense saliency and of the ImageNet backbones it starts from.

InSPyReNet's own checkpoints (research code and product) carry the names of our network as they
are; a bare backbone only needs its prefix, and timm moves one layer of Swin.
"""

from __future__ import annotations

import re

from sor_ppa.checkpoint.source import Source

_SWIN = r"^patch_embed\.proj\.weight$"
_SWIN_BIAS = r"^layers\.0\.blocks\.0\.attn\.relative_position_bias_table$"
_DENSE = (r"^attention0\.conv_query\.", r"^decoder\.conv5\.", r"^backbone\.")
# Classifier, its norm, and masks that follow from a picture's size.
_SWIN_REST = re.compile(r"^(head|norm)\.|\.attn_mask$")


def _swin_name(name: str) -> str | None:
    return None if _SWIN_REST.search(name) else name


def _timm_swin_name(name: str) -> str | None:
    """Timm merges patches at the start of a stage, the published code at the end of the last."""
    match = re.match(r"layers\.(\d+)\.downsample\.(.+)", name)
    if match is None:
        return _swin_name(name)
    stage, rest = match.groups()
    return f"layers.{int(stage) - 1}.downsample.{rest}"


def _res2net_name(name: str) -> str | None:
    return None if name.startswith("fc.") else name


#: First match wins.
DENSE_SOURCES = (
    Source(
        "inspyrenet-swinb",
        "an InSPyReNet checkpoint (Swin)",
        (*_DENSE, r"^backbone\.layers\.0\.blocks\."),
    ),
    Source(
        "inspyrenet-res2net50",
        "an InSPyReNet checkpoint (Res2Net)",
        (*_DENSE, r"^backbone\.layer1\.0\.convs\."),
    ),
    Source("inspyrenet", "an InSPyReNet checkpoint", _DENSE),
    Source(
        "timm-swin",
        "an ImageNet Swin transformer (timm's names)",
        (_SWIN, _SWIN_BIAS, r"^layers\.3\.downsample\."),
        rename=_timm_swin_name,
        home="backbone.",
    ),
    Source(
        "swin",
        "a Swin transformer backbone",
        (_SWIN, _SWIN_BIAS),
        rename=_swin_name,
        home="backbone.",
    ),
    Source(
        "res2net",
        "a Res2Net backbone (names of v1b and of timm's res2net50d)",
        (r"^conv1\.0\.weight$", r"^layer1\.0\.convs\.0\.weight$"),
        rename=_res2net_name,
        home="backbone.",
    ),
)
