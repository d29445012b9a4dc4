from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from sor_ppa.checkpoint.published import convert, recognise, strip_wrappers

# Names that tell a file, as its publisher wrote them.
NAMES = {
    "sor": ["pixel_mean", "roi_heads.sor_head.sor.weight", "roi_heads.mask_head.deconv.weight"],
    "centermask2-coco": [
        "proposal_generator.fcos_head.cls_logits.weight",
        "roi_heads.mask_head.predictor.weight",
        "roi_heads.maskiou_head.maskiou.weight",
    ],
    "maskrcnn": [
        "proposal_generator.rpn_head.conv.weight",
        "roi_heads.box_predictor.cls_score.weight",
        "roi_heads.mask_head.predictor.weight",
    ],
    "torchvision-mobilenetv2": ["features.0.0.weight", "features.1.conv.0.0.weight"],
    "mobilenetv2": ["features.0.0.weight", "features.2.conv.7.weight"],
    "vovnet": ["stem.stem_1/conv.weight"],
    "a2s": ["encoder.conv1.weight", "decoder.ad2.ad0.0.weight", "decoder.fusion.ad0.0.weight"],
    "cornet": ["encoder.features.0.0.weight", "decoder.adapter0.0.weight"],
    "midnet": ["encoder.conv1.weight", "t_net.conv1.weight", "decoder.gfb4_1.ca1.weight"],
    "moco": ["encoder_q.conv1.weight", "encoder_k.conv1.weight", "queue"],
    "resnet": ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight"],
    "unknown": ["layer1.0.conv1.weight"],
}


def _state(names: list[str]) -> dict[str, torch.Tensor]:
    return {name: torch.full((2,), float(i)) for i, name in enumerate(names)}


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "model.", "module.model."])
@pytest.mark.parametrize("name", NAMES)
def test_recognised_by_names_alone(name: str, prefix: str) -> None:
    state = _state([prefix + key for key in NAMES[name]])
    assert recognise(state).name == name


def test_nothing_is_unknown_and_metadata_wins() -> None:
    assert recognise({}).name == "unknown"
    assert recognise({}, metadata={"format": "pt"}).name == "unknown"
    assert recognise(_state(NAMES["sor"]), metadata={"format": "sor_ppa"}).name == "sor_ppa"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], []),
        (["module.a", "module.b"], ["a", "b"]),
        (["module.a", "b"], ["module.a", "b"]),  # a layer that is called "module"
        (["module._orig_mod.a"], ["a"]),
    ],
)
def test_wrappers_go_only_where_all_have_them(names: list[str], expected: list[str]) -> None:
    assert list(strip_wrappers(_state(names))) == expected


def test_names_without_content_are_dropped_unless_the_model_has_them() -> None:
    state = _state(["pixel_mean", "pixel_std", "a.num_batches_tracked", "a.weight"])
    kept, dropped = convert(state, recognise(state))
    assert list(kept) == ["a.weight"]
    assert sorted(dropped) == ["a.num_batches_tracked", "pixel_mean", "pixel_std"]
    kept, dropped = convert(state, recognise(state), model_names=["pixel_mean", "a.weight"])
    assert list(kept) == ["pixel_mean", "a.weight"]


@pytest.mark.parametrize("home", ["", "backbone.", "backbone.bottom_up."])
def test_a_bare_backbone_finds_its_place(home: str) -> None:
    state = _state(["stem.stem_1/conv.weight", "stage2.OSA2_1.ese.fc.bias"])
    model_names = [home + name for name in state] + ["roi_heads.sor_head.sor.weight"]
    kept, _ = convert(state, recognise(state), model_names=model_names)
    assert list(kept) == model_names[:2]


@pytest.mark.parametrize("classes", [1000, 1001])
def test_torchvision_mobilenet_maps_onto_the_spec_of_the_flat_layout(classes: int) -> None:
    """Every conv and norm of features.0-17 lands where sor_ppa's backbone has that very shape."""
    state = torchvision.models.mobilenet_v2(num_classes=classes).state_dict()
    kept, dropped = convert(state, recognise(state))
    flat = _flat_mobilenet_shapes()
    assert {name: tuple(value.shape) for name, value in kept.items()} == flat
    assert {name.split(".")[0] for name in dropped if "num_batches" not in name} == {
        "features",
        "classifier",
    }
    assert all(n.startswith(("features.18.", "classifier.")) or "num_b" in n for n in dropped)


def _flat_mobilenet_shapes() -> dict[str, tuple[int, ...]]:
    """The backbone's state dict, written down from the paper's table (slow, obvious)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def conv_norm(stem: str, index: int, shape: tuple[int, ...]) -> None:
        shapes[f"{stem}.{index}.weight"] = shape
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{stem}.{index + 1}.{name}"] = shape[:1]

    home = "backbone.bottom_up.features"
    conv_norm(f"{home}.0", 0, (32, 3, 3, 3))
    channels, index = 32, 1
    for expansion, out, repeats in [
        (1, 16, 1), (6, 24, 2), (6, 32, 3), (6, 64, 4), (6, 96, 3), (6, 160, 3), (6, 320, 1),
    ]:  # fmt: skip
        for _ in range(repeats):
            stem, hidden, at = f"{home}.{index}.conv", channels * expansion, 0
            if expansion > 1:
                conv_norm(stem, at, (hidden, channels, 1, 1))
                at += 3
            conv_norm(stem, at, (hidden, 1, 3, 3))
            conv_norm(stem, at + 3, (out, hidden, 1, 1))
            channels, index = out, index + 1
    return shapes


def test_every_name_of_the_published_sor_checkpoint_is_kept(repository: Path) -> None:
    golden = repository / "tests" / "goldens" / "sor_ppa_v39_keys.json"
    keys: Any = json.loads(golden.read_text())
    names = (
        list(keys) if isinstance(keys, dict) else [k if isinstance(k, str) else k[0] for k in keys]
    )
    state = _state([*names, "pixel_mean", "pixel_std"])
    kept, dropped = convert(state, recognise(state), model_names=names)
    assert list(kept) == names
    assert list(dropped) == ["pixel_mean", "pixel_std"]
