"""Published files of saliency without labels, and the encoders its networks start from.

Checkpoints of A2S, CoRNet and MIDNet carry the names of our networks; what they hold beyond that
takes part in no forward pass and is left out. Encoders come from MoCo (momentum contrast, where
the encoder is one part of several) or from torchvision and timm, whose names agree.
"""

from __future__ import annotations

import re

from sor_ppa.checkpoint.source import Source

_ENCODER = r"^encoder\.(conv1|features\.0\.0)\.weight$"
_QUERY = re.compile(r"^(?:module\.)?encoder_q\.")

#: Names that carry nothing to load, and why.
EMPTY_NAMES = (
    (re.compile(r"^(encoder|t_net)\.fc\."), "an encoder's classifier, which nothing uses"),
    (re.compile(r"\.se\.gn\.(weight|bias)$"), "a norm that the published code never calls"),
    (re.compile(r"^(module\.)?encoder_q\.fc\."), "MoCo's projection head"),
    (
        re.compile(r"^(module\.)?encoder_k\."),
        "MoCo's momentum encoder; encoder_q is used",
    ),
    (re.compile(r"^(module\.)?queue(_ptr)?$"), "MoCo's queue of negatives"),
)


def _moco_name(name: str) -> str | None:
    return _QUERY.sub("", name) if _QUERY.match(name) else None


def _classifier_name(name: str) -> str | None:
    return None if name.startswith("fc.") else name


#: First match wins.
UNLABELLED_SOURCES = (
    Source("midnet", "a MIDNet checkpoint", (_ENCODER, r"^t_net\.", r"^decoder\.gfb4_1\.")),
    Source("cornet", "a CoRNet checkpoint", (_ENCODER, r"^decoder\.adapter0\.")),
    Source("a2s", "an A2S checkpoint", (_ENCODER, r"^decoder\.ad2\.", r"^decoder\.fusion\.")),
    Source(
        "moco",
        "a ResNet learnt by MoCo",
        (r"^(module\.)?encoder_q\.conv1\.weight$",),
        rename=_moco_name,
    ),
    Source(
        "resnet",
        "a ResNet backbone (torchvision's and timm's names)",
        (r"^conv1\.weight$", r"^bn1\.weight$", r"^layer1\.0\.conv1\.weight$"),
        (r"^layer1\.0\.convs\.",),
        rename=_classifier_name,
    ),
)
