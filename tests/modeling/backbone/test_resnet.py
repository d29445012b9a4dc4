"""ResNet-50 with five maps: torchvision's network, nothing more."""

from __future__ import annotations

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torchvision.models import resnet50

from sor_ppa import get_cfg
from sor_ppa.modeling.backbone.resnet import ResNet50Maps
from tests.modeling.unlabelled import shapes

NAMES = ["stem", "res2", "res3", "res4", "res5"]


@pytest.mark.parametrize(
    ("height", "width", "training"),
    # In training one value a channel has no variance.
    [(1, 1, False), (33, 47, False), (33, 47, True), (64, 96, True)],
)
def test_the_five_maps_are_torchvisions(height: int, width: int, training: bool) -> None:
    torch.manual_seed(0)
    theirs = resnet50(weights=None).train(training)
    ours = ResNet50Maps().train(training)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    x = torch.randn(2, 3, height, width)
    with torch.no_grad():
        found = ours(x)
        y = theirs.relu(theirs.bn1(theirs.conv1(x)))
        expected = [y]
        y = theirs.maxpool(y)
        for layer in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
            y = layer(y)
            expected.append(y)
    assert list(found) == NAMES
    for name, reference in zip(NAMES, expected, strict=True):
        assert torch.equal(found[name], reference)
        spec = ours.output_shape()[name]
        assert reference.shape[1] == spec.channels
        assert reference.shape[2] == -(-height // spec.stride)


def test_names_and_shapes_are_those_of_the_published_files() -> None:
    published = {
        key.removeprefix("encoder."): tuple(shape)
        for key, shape in shapes("a2s").items()
        if key.startswith("encoder.") and not key.startswith("encoder.fc.")
    }
    ours = {key: tuple(value.shape) for key, value in ResNet50Maps().state_dict().items()}
    assert ours == published
    assert len(ours) == 318


@pytest.mark.parametrize(("freeze_at", "first"), [(0, "conv1"), (1, "layer1"), (3, "layer3")])
def test_freezing(freeze_at: int, first: str) -> None:
    network = ResNet50Maps(freeze_at=freeze_at)
    learning = [name for name, p in network.named_parameters() if p.requires_grad]
    assert learning[0].startswith(first)


def test_it_is_registered() -> None:
    build = BACKBONE_REGISTRY.get("build_resnet50_maps_backbone")
    cfg = get_cfg()
    cfg.MODEL.BACKBONE.FREEZE_AT = 5
    network = build(cfg, ShapeSpec(channels=3))
    assert isinstance(network, Backbone)
    assert not any(p.requires_grad for p in network.parameters())
