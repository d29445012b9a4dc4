"""MIDNet on a light encoder: inputs, outputs, what learns and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from detectron2.modeling import build_model

from sor_ppa import get_cfg
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.modeling.backbone.mobilenet import MobileNetV2
from sor_ppa.modeling.fuse import fuse_for_inference
from sor_ppa.modeling.meta_arch.midnet import MIDNet
from tests.modeling.unlabelled import levels, small_network

UNTRAINED = {f"decoder.{head}.{kind}" for head in ("score_2", "score_global")
             for kind in ("weight", "bias")}  # fmt: skip


def tiny_network(**arguments: Any) -> MIDNet:
    return small_network(MIDNet, t_net=MobileNetV2(norm="BN"), **arguments)


@pytest.fixture(scope="module")
def tiny() -> MIDNet:
    """Its norms have seen two pictures, so that its maps are not all alike."""
    network = tiny_network().train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(learning(64))
    return network.eval()


def item(seed: int = 0, size: tuple[int, int] = (64, 64), **fields: Any) -> dict[str, Any]:
    height, width = size
    image, modality = (levels(s, size=max(size))[0, :, :height, :width] for s in (seed, seed + 100))
    return {"image": image, "modality": modality, "height": height, "width": width, **fields}


def learning(size: int = 64, count: int = 2) -> list[dict[str, Any]]:
    """Inputs with masks of what is bright."""
    items = [item(seed, (size, size)) for seed in range(count)]
    return [{**i, "saliency": (i["image"][:1] > 120).float()} for i in items]


def test_nothing_in_nothing_out(tiny: MIDNet) -> None:
    assert tiny([]) == []


@pytest.mark.parametrize("size", [(32, 32), (33, 50), (64, 96), (96, 31)])
@torch.inference_mode()
def test_any_size_of_input(tiny: MIDNet, size: tuple[int, int]) -> None:
    own, resized = tiny([item(0, size), item(0, size, height=21, width=40)])
    assert own["saliency"].shape == size
    assert resized["saliency"].shape == (21, 40)
    assert own["saliency"].dtype == torch.float32
    assert 0 <= own["saliency"].min() < own["saliency"].max() <= 1


@torch.inference_mode()
def test_company_does_not_matter(tiny: MIDNet) -> None:
    items = [item(0), item(1, (96, 64)), item(2), item(3, (96, 64))]
    together = tiny(items)
    for one, found in zip(items, together, strict=True):
        alone = tiny([one])[0]["saliency"]
        torch.testing.assert_close(found["saliency"], alone, rtol=0, atol=1e-4)


@torch.inference_mode()
def test_both_inputs_count(tiny: MIDNet) -> None:
    plain = tiny([item()])[0]["saliency"]
    for name in ("image", "modality"):
        changed = tiny([item() | {name: item(50)[name]}])[0]["saliency"]
        assert float((changed - plain).abs().max()) > 1e-3, name


@torch.inference_mode()
def test_saliency_is_the_refined_output(tiny: MIDNet) -> None:
    image, modality = (item()[name][None].float() / 255 for name in ("image", "modality"))
    mean, std = (x[:, None, None].float() for x in (tiny.pixel_mean, tiny.pixel_std))
    maps = tiny.maps((image - mean) / std, modality)
    assert [tuple(x.shape) for x in maps] == [(1, 1, 32, 32)] * 3 + [(1, 1, 2, 2)]
    half = torch.nn.functional.interpolate(maps.refine.sigmoid(), (64, 64), mode="bilinear")
    torch.testing.assert_close(tiny([item()])[0]["saliency"], half[0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"modality": None}, r"a\.jpg: .*second modality.*INPUT\.DENSE\.MODALITIES"),
        ({"modality": torch.zeros(6, 64, 64)}, r"a\.jpg: .*\(6, 64, 64\).*needs \(3, 64, 64\)"),
        ({"modality": torch.zeros(1, 64, 64)}, r"\(1, 64, 64\).*needs \(3, 64, 64\)"),
        ({"modality": torch.zeros(3, 64, 32)}, r"\(3, 64, 32\).*resize it with its picture"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_modalities_that_do_not_fit(
    tiny: MIDNet, change: dict[str, Any], message: str, *, training: bool
) -> None:
    good, bad = learning()
    bad = {k: v for k, v in {**bad, **change, "file_name": "a.jpg"}.items() if v is not None}
    with pytest.raises(DataError, match=message):
        tiny.train(training)([good, bad])
    tiny.eval()


def test_training_needs_masks_and_one_size(tiny: MIDNet) -> None:
    tiny.train()
    with pytest.raises(DataError, match="mask with every picture"):
        tiny([item()])
    with pytest.raises(DataError, match="sizes"):
        tiny([learning(64)[0], learning(96)[0]])
    tiny.eval()


def test_what_learns() -> None:
    network = tiny_network().train()
    losses = network(learning())
    assert list(losses) == ["loss_refine", "loss_score_1"]
    sum(losses.values()).backward()
    silent = {name for name, p in network.named_parameters() if p.grad is None}
    assert silent == UNTRAINED
    assert silent == {name for name, p in network.named_parameters() if not p.requires_grad}


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        ((2.0,), ["refine"]),
        ((0.0, 1.0), ["score_1"]),
        ((1.0, 0.2, 0.0, 0.5), ["refine", "score_1", "score_global"]),
    ],
)
def test_weights_choose_the_outputs(weights: Sequence[float], names: list[str]) -> None:
    network = tiny_network(output_weights=weights, losses=("bce",)).train()
    losses = network(learning())
    assert list(losses) == [f"loss_{name}" for name in names]
    # Fresh logits are near 0: the cross-entropy of each is near ln 2.
    chosen = [weight for weight in weights if weight]
    for weight, loss in zip(chosen, losses.values(), strict=True):
        assert loss.item() == pytest.approx(0.693 * weight, rel=0.1)


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -0.2), (1.0,) * 5])
def test_bad_weights(weights: Sequence[float]) -> None:
    with pytest.raises(ConfigError, match=r"OUTPUT_WEIGHTS.*refine, score_1, score_2, score_glo"):
        tiny_network(output_weights=weights)


def test_fresh_weights_are_those_published() -> None:
    network = tiny_network()
    for part in (network.decoder, network.trans_rgb, network.trans_t):
        convs = [m for m in part.modules() if isinstance(m, torch.nn.Conv2d)]
        weights = torch.cat([conv.weight.flatten() for conv in convs])
        assert weights.std().item() == pytest.approx(0.01, rel=0.01)
    assert network.encoder.features[0][0].weight.std().item() > 0.05


def test_channels_last_and_fused_are_the_same_network(tiny: MIDNet) -> None:
    last = tiny_network(channels_last=True).eval()
    last.load_state_dict(tiny.state_dict())
    with torch.inference_mode():
        expected = tiny([item()])[0]["saliency"]
        for network in (last, fuse_for_inference(tiny)):
            found = network([item()])[0]["saliency"]
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_from_a_config() -> None:
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.META_ARCHITECTURE = "MIDNet"
    cfg.MODEL.BACKBONE.NAME = "build_mnv2_backbone"
    cfg.MODEL.STAGE2.OUTPUT_WEIGHTS = (1.0,)
    network = build_model(cfg)
    assert isinstance(network, MIDNet)
    assert network.encoder is not network.t_net
    assert network.output_weights == {"refine": 1.0}


def test_the_loss_falls() -> None:
    """Slowly at first, as ever with weights so small; so here the rate is high."""
    network = tiny_network().train()
    items = learning(64, count=4)
    optimiser = torch.optim.SGD(
        [p for p in network.parameters() if p.requires_grad], lr=0.05, momentum=0.9
    )
    means = []
    for _ in range(3):
        seen = []
        for batch in (items[:2], items[2:]) * 2:
            optimiser.zero_grad()
            loss = sum(network(batch).values())
            loss.backward()
            optimiser.step()
            seen.append(loss.item())
        means.append(sum(seen) / len(seen))
    assert means == sorted(means, reverse=True), means
    assert means[-1] < 0.9 * means[0], means
