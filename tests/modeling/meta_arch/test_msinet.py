"""What MSI-Net does with inputs and settings, on a network of a few hundred numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sor_ppa import model_zoo
from sor_ppa.canvas import CanvasRule
from sor_ppa.errors import ConfigError, DataError
from sor_ppa.modeling.backbone.vgg import DilatedVGG16
from sor_ppa.modeling.meta_arch.msinet import MSINet
from tests.modeling.msinet import model_input, small_network

SIZES = [(32, 48), (1, 1), (1, 90), (70, 1), (211, 97), (20, 30)]


def pictures(*sizes: tuple[int, int]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


def test_no_picture_no_map() -> None:
    assert small_network()([]) == []


@pytest.mark.parametrize("preset", ["repository", "hub"])
def test_maps_have_the_pictures_sizes_and_do_not_depend_on_the_batch(preset: str) -> None:
    network = small_network(canvas=CanvasRule((32, 48), preset))
    items = [model_input(network, image) for image in pictures(*SIZES)]
    with torch.inference_mode():
        together = network(items)
        for size, item, output in zip(SIZES, items, together, strict=True):
            assert output.keys() == {"fixation"}
            found = output["fixation"]
            assert found.shape == size and found.dtype == torch.float32
            assert found.min() >= 0 and found.max() <= 1
            torch.testing.assert_close(network([item])[0]["fixation"], found, atol=1e-5, rtol=0)


def test_density_on_request() -> None:
    network = small_network(density=True)
    items = [model_input(network, image) for image in pictures(*SIZES)]
    for output in network(items):
        density = output["fixation_density"]
        assert density.shape == output["fixation"].shape and density.min() > 0
        assert float(density.double().sum()) == pytest.approx(1, abs=1e-5)


def test_stretched_over_the_picture_alone() -> None:
    (image,) = pictures((200, 40))  # mostly padding
    over_canvas, over_picture = small_network(), small_network(normalize_over="picture")
    logits = torch.rand(1, 32, 48, generator=torch.Generator().manual_seed(0)) / 2
    rows, columns = over_canvas.canvas.placement(200, 40).slices
    logits[0, :, : columns.start - 4] = 9.0  # the largest value lies beside the picture
    item = model_input(over_canvas, image)
    assert over_canvas.output(logits, item)["fixation"].max() < 0.2
    found = over_picture.output(logits, item)["fixation"]
    inside = logits[0, rows, columns]
    assert found.min() == 0 and found.max() > 0.9
    same = (logits[0] - inside.min()) / (inside.max() - inside.min())
    expected = over_picture.canvas.off_canvas(same.clamp(0, 1).numpy(), 200, 40)
    np.testing.assert_allclose(found, expected.clip(0, 1), atol=1e-5)


def test_an_input_without_size_is_its_own_canvas() -> None:
    network = small_network()
    (output,) = network([{"image": torch.zeros(3, 64, 80)}])
    assert output["fixation"].shape == (64, 80)


def test_training_gives_the_loss_of_a_batch() -> None:
    network = small_network().train()
    items = [model_input(network, image) for image in pictures((32, 48), (32, 48))]
    for item in items:
        item["fixation"] = torch.rand(1, 32, 48) * 255
    losses = network(items)
    assert losses.keys() == {"loss_kld"} and losses["loss_kld"] > 0
    losses["loss_kld"].backward()
    assert all(p.grad is not None for p in network.parameters())


def test_mean_is_part_of_the_weights() -> None:
    first, second = small_network(pixel_mean=(1, 2, 3)), small_network()
    second.load_state_dict(first.state_dict())
    assert second.pixel_mean.tolist() == [1, 2, 3]
    assert "pixel_std" not in first.state_dict()


@pytest.mark.parametrize(
    ("items", "error", "words"),
    [
        ([{"image": torch.zeros(3, 32, 48)}], DataError, "needs a fixation map with every picture"),
        ([{}], DataError, "needs a fixation map with every picture"),
    ],
)
def test_training_without_maps(items: list[dict[str, Any]], error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        small_network().train()(items)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"in_features": ("pool3", "res5")}, "hands on pool3, pool4, pool5, not res5"),
        ({"in_features": ()}, "not nothing"),
        ({"normalize_over": "all"}, "canvas or picture, got 'all'"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        MSINet(encoder=DilatedVGG16(), **settings)


def test_a_first_map_of_another_stride_is_refused() -> None:
    cfg = model_zoo.get_config("msinet/tiny.yaml")
    cfg.MODEL.MSINET.IN_FEATURES = ["res4", "res5"]
    with pytest.raises(ConfigError, match="res4 has stride 16"):
        MSINet(cfg)


def test_blue_first_is_refused() -> None:
    cfg = model_zoo.get_config("msinet/tiny.yaml")
    cfg.INPUT.FORMAT = "BGR"
    with pytest.raises(ConfigError, match="set INPUT.FORMAT RGB"):
        MSINet(cfg)


@pytest.mark.parametrize("size", [(240, 320), (64, 96)])
def test_tiny_takes_any_canvas(size: tuple[int, int]) -> None:
    network: Any = model_zoo.get("msinet/tiny.yaml", device="cpu")
    (output,) = network([{"image": torch.rand(3, *size) * 255, "height": 100, "width": 90}])
    assert output["fixation"].shape == (100, 90)
