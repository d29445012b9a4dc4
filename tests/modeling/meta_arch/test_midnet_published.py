"""MIDNet against the published numbers: every part, both modes, both precisions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from sor_ppa.modeling.backbone.resnet import ResNet50Maps
from sor_ppa.modeling.meta_arch.midnet import MIDNet
from tests.modeling import golden
from tests.modeling.unlabelled import (
    UNUSED,
    check_part,
    filled,
    images,
    modalities,
    resnet_network,
    shapes,
)

GOLDEN = golden.load("a2s_networks.npz")
SEEDS = {"eval": ((1,), (2,)), "train": ((1, 3), (2, 4))}
BLOCKS = [f"gfb{level}_{stream}" for level in (4, 3, 2, 1) for stream in (1, 2)]
# Every so many pixels of the output's map are kept.
STEPS = {"final": 2, "sal1": 8, "sal2": 8, "sal3": 1}
NAMES = ("final", "sal1", "sal2", "sal3")


@pytest.fixture(scope="module")
def built() -> MIDNet:
    return filled(resnet_network(MIDNet, t_net=ResNet50Maps()), "midnet")


@pytest.fixture()
def network(built: MIDNet) -> Iterator[MIDNet]:
    """The network as if nothing had run through it."""
    before = {key: value.clone() for key, value in built.state_dict().items()}
    yield built
    built.float().load_state_dict(before)


def test_keys_are_those_of_the_published_file(built: MIDNet) -> None:
    ours = {key: list(value.shape) for key, value in built.state_dict().items()}
    published = shapes("midnet")
    unused = {key for key in published if any(part in key for part in UNUSED)}
    assert unused == {f"{net}.fc.{kind}" for net in ("encoder", "t_net")
                      for kind in ("weight", "bias")}  # fmt: skip
    assert ours == {key: shape for key, shape in published.items() if key not in unused}


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_every_published_part(network: MIDNet, mode: str) -> None:
    rgb, other = SEEDS[mode]
    parts = parts_of(network.train(mode == "train"), images(*rgb), modalities(*other))
    kept = {key.removesuffix("_slice") for key in GOLDEN if key.endswith("_slice")}
    assert {f"midnet_{mode}_{name}" for name in parts} == {
        name for name in kept if name.startswith(f"midnet_{mode}_")
    }
    for name, part in parts.items():
        # Random running statistics let values grow to 3e4 in eval mode.
        bar = 2e-3 if mode == "train" else 1e-5 * float(part.abs().max())
        check_part(GOLDEN, f"midnet_{mode}_{name}", part, atol=bar)
    check_maps(parts, mode)
    if mode == "train":
        for kind in ("mean", "var"):
            found = getattr(network.encoder.bn1, f"running_{kind}")
            np.testing.assert_allclose(
                found, GOLDEN[f"midnet_train_enc_bn1_running_{kind}"], rtol=1e-5, atol=1e-6
            )


def parts_of(network: MIDNet, x: Tensor, modality: Tensor) -> dict[str, Tensor]:
    """The maps of both encoders, of every block and all outputs of one pass."""
    parts: dict[str, Tensor] = {}
    watched = {name: network.decoder.get_submodule(name) for name in ("global_info", *BLOCKS)}
    hooks = [
        module.register_forward_hook(lambda _m, _i, y, name=name: parts.update({name: y}))
        for name, module in watched.items()
    ]
    for kind, encoder in (("enc", network.encoder), ("tenc", network.t_net)):
        hooks.append(
            encoder.register_forward_hook(
                lambda _m, _i, maps, kind=kind: parts.update(
                    {f"{kind}{i}": y for i, y in enumerate(maps.values())}
                )
            )
        )
    with torch.no_grad():
        outputs = network.maps(x, modality)
    for hook in hooks:
        hook.remove()
    return {**parts, **{f"sal{i}": y for i, y in enumerate(outputs)}}


def check_maps(parts: dict[str, Tensor], mode: str) -> None:
    outputs = {**parts, "final": parts["sal0"]}
    for name in NAMES:
        expected = GOLDEN[f"midnet_{mode}_{name}_map"]
        step = STEPS[name]
        bar = 2e-3 if mode == "train" else 1e-5 * np.abs(expected).max()
        ours = outputs[name][:, 0, ::step, ::step]
        np.testing.assert_allclose(ours, expected, rtol=0, atol=bar, err_msg=name)


@pytest.mark.slow
def test_in_double_precision(network: MIDNet) -> None:
    with torch.no_grad():
        outputs = network.double().eval().maps(images(1).double(), modalities(2).double())
    expected = GOLDEN["midnet_eval_final64_map"]
    ours = outputs.refine[:, 0, ::2, ::2]
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
