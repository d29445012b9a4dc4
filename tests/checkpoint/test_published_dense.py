"""Published dense files into the networks they are meant for, with nothing left over."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from torch import Tensor, nn

from sor_ppa import model_zoo
from sor_ppa.checkpoint import SaliencyCheckpointer, convert_file
from sor_ppa.checkpoint.fit import Fit
from sor_ppa.checkpoint.published import convert, recognise
from sor_ppa.errors import CheckpointError
from tests.modeling import published

COUNTS = {"res2net50": 1790, "swinb": 1625}
State = dict[str, Tensor]


def _build(name: str) -> nn.Module:
    cfg = model_zoo.get_config(f"inspyrenet/{name}.yaml")
    cfg.MODEL.DEVICE = "cpu"
    return build_model(cfg)


@pytest.fixture(scope="module")
def models() -> dict[str, nn.Module]:
    return {name: _build(name) for name in published.NAMES}


def _load(model: nn.Module, state: object, folder: Path, **options: bool) -> Fit:
    torch.save(state, folder / "weights.pth")
    checkpointer = SaliencyCheckpointer(model, **options)
    checkpointer.load(str(folder / "weights.pth"))
    assert checkpointer.last_fit is not None
    return checkpointer.last_fit


def _without_counters(state: State) -> State:
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", published.NAMES)
def test_a_whole_checkpoint_loads_with_nothing_missing(
    models: dict[str, nn.Module], name: str, prefix: str, tmp_path: Path
) -> None:
    state = published.stand_in(name)
    model = models[name]
    written = {prefix + key: value for key, value in state.items()}
    fit = _load(model, written, tmp_path, strict=True)
    assert fit.complete and not fit.unexpected and not fit.dropped
    assert len(fit.kept) == COUNTS[name]
    loaded = model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(bool((loaded[key] == value).all()) for key, value in state.items())
    assert recognise(written).name == f"inspyrenet-{name}"


@pytest.mark.parametrize(
    ("file", "model"), [("res2net50", "swinb"), ("swinb", "res2net50"), ("swinb", "tiny")]
)
def test_a_checkpoint_of_another_backbone_is_refused(
    models: dict[str, nn.Module], file: str, model: str, tmp_path: Path
) -> None:
    network = models[model] if model in models else _build(model)
    before = network.state_dict()["attention0.threshold"].clone()
    with pytest.raises(CheckpointError, match="weights.pth.*does not belong to this model"):
        _load(network, published.stand_in(file), tmp_path)
    assert torch.equal(network.state_dict()["attention0.threshold"], before)


def _swin(name: str = "swinb") -> State:
    """The detection-style file: a classifier and masks, but no norms of the four maps."""
    state = published.stand_in(name, "backbone.")
    state = {k: v for k, v in state.items() if not re.match(r"norm\d", k)}
    for stage, block in ((0, 1), (1, 1), (3, 1)):
        state[f"layers.{stage}.blocks.{block}.attn_mask"] = torch.zeros(4, 144, 144)
    state |= {"norm.weight": torch.ones(1024), "norm.bias": torch.zeros(1024)}
    return state | {"head.weight": torch.zeros(1000, 1024), "head.bias": torch.zeros(1000)}


def _timm_swin() -> State:
    """As timm writes it: merging at the start of a stage, no index tables."""
    state = {}
    for key, value in _swin().items():
        if "relative_position_index" in key or "attn_mask" in key:
            continue
        key = re.sub(
            r"^layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) + 1}.downsample", key
        )
        state[re.sub(r"^head\.", "head.fc.", key)] = value
    return state


def _res2net(*, classifier: bool = True) -> State:
    state = published.stand_in("res2net50", "backbone.")
    if not classifier:
        return state
    return state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize(
    ("name", "state", "source", "absent"),
    [
        ("swinb", {"model": _swin()}, "swin", r"norm\d\."),
        ("swinb", _timm_swin(), "timm-swin", r"norm\d\.|.*relative_position_index$"),
        ("res2net50", _res2net(), "res2net", None),
        ("res2net50", _res2net(classifier=False), "res2net", None),
        ("res2net50", _without_counters(_res2net()), "res2net", r".*num_batches_tracked$"),
    ],
)
def test_an_imagenet_backbone_fills_the_backbone(
    models: dict[str, nn.Module], name: str, state: dict, source: str, absent: str | None,
    tmp_path: Path,
) -> None:  # fmt: skip
    assert recognise(state.get("model", state)).name == source
    fit = _load(models[name], state, tmp_path)
    body = published.stand_in(name, "backbone.")
    expected = {k for k in body if not (absent and re.match(absent, k))}
    assert {key.removeprefix("backbone.") for key in fit.kept} == expected
    assert not fit.unexpected and not fit.misfits
    for key in expected:  # each under its own name
        assert bool((fit.kept[f"backbone.{key}"] == body[key]).all()), key
    loaded = models[name].state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in fit.kept.items())


def test_windows_of_another_size_are_told(models: dict[str, nn.Module], tmp_path: Path) -> None:
    state = _swin()
    for key in [key for key in state if key.endswith("bias_table")]:
        state[key] = state[key][:169]  # 7 x 7
    fit = _load(models["swinb"], {"model": state}, tmp_path)
    assert len(fit.misfits) == 24
    assert "169 outputs in the file, 529 here" in fit.misfits[0].why


@pytest.mark.parametrize("state", [_swin(), _timm_swin(), _res2net()])
def test_without_a_model_backbones_get_their_prefix(state: State) -> None:
    kept, dropped = convert(state, recognise(state))
    assert kept and all(key.startswith("backbone.") for key in kept)
    counters = {key for key in state if key.endswith("num_batches_tracked")}
    rest = {k for k in state if k.startswith(("head", "fc", "norm.")) or k.endswith("attn_mask")}
    assert set(dropped) == counters | rest


def test_converted_file_loads_alike(models: dict[str, nn.Module], tmp_path: Path) -> None:
    source, target = tmp_path / "published.pth", tmp_path / "ours.safetensors"
    torch.save(published.stand_in("res2net50"), source)
    shapes = models["res2net50"].state_dict()
    convert_file(str(source), str(target), model_state=shapes, config="inspyrenet/res2net50.yaml")
    checkpointer = SaliencyCheckpointer(models["res2net50"], strict=True)
    checkpointer.load(str(target))
    assert len(checkpointer.last_fit.kept) == 1790
    with pytest.raises(CheckpointError, match="none of the tensors of its backbone"):
        SaliencyCheckpointer(models["swinb"]).load(str(target))


def test_an_imagenet_mobilenet_fills_the_small_network(tmp_path: Path) -> None:
    import torchvision

    torch.manual_seed(0)
    reference = torchvision.models.mobilenet_v2().state_dict()
    fit = _load(_build("tiny"), reference, tmp_path)
    assert not fit.unexpected and not fit.misfits
    assert not any(key.startswith("backbone.") for key in fit.missing)
    kept = {key for key in fit.kept if key.startswith("backbone.")}
    assert len(kept) == len(fit.kept) == 255
