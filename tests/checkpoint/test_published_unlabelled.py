"""Files of saliency without labels, and encoders alone, into the networks they are meant for."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from detectron2.modeling import build_model
from torch import Tensor, nn

from sor_ppa import model_zoo
from sor_ppa.checkpoint import SaliencyCheckpointer, convert_file
from sor_ppa.checkpoint.fit import Fit
from sor_ppa.checkpoint.published import convert, recognise
from sor_ppa.errors import CheckpointError
from tests.goldens.fill import fill
from tests.modeling.golden import GOLDENS

State = dict[str, Tensor]
CONFIGS = {"a2s": "a2s/a2s-rgb.yaml", "cornet": "a2s/cornet-rgb.yaml",
           "midnet": "a2s/midnet-rgbd.yaml"}  # fmt: skip
COUNTS = {"a2s": 352, "cornet": 368, "midnet": 1018}
HOMES = {"a2s": ["encoder."], "cornet": ["encoder."], "midnet": ["encoder.", "t_net."]}
UNUSED = re.compile(r"^(encoder|t_net)\.fc\.|\.se\.gn\.")
ENTRIES = 318  # of a ResNet-50 without classifier, counters included


def _build(name: str, *, backbone: str = "") -> nn.Module:
    cfg = model_zoo.get_config(CONFIGS[name])
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.BACKBONE.NAME = backbone or cfg.MODEL.BACKBONE.NAME
    return build_model(cfg)


@pytest.fixture(scope="module")
def models() -> dict[str, nn.Module]:
    return {name: _build(name) for name in CONFIGS}


@pytest.fixture(scope="module")
def small() -> dict[str, nn.Module]:
    return {name: _build(name, backbone="build_mnv2_backbone") for name in CONFIGS}


def _shapes(name: str) -> dict[str, list[int]]:
    return json.loads((GOLDENS / f"a2s_{name}_keys.json").read_text())


def _stand_in(name: str, shift: float = 0.0) -> State:
    """The published names and shapes, each tensor one number of its own: small on disk."""
    return {
        key: _one_number(key, i, shift).expand(shape)
        for i, (key, shape) in enumerate(_shapes(name).items())
    }


def _one_number(key: str, index: int, shift: float) -> Tensor:
    return torch.tensor(index if key.endswith("tracked") else 0.5 + shift + index / 5000)


def _encoder(shift: float = 0.0) -> State:
    """Names and shapes of ResNet-50 as torchvision has them, classifier included."""
    state = _stand_in("a2s", shift).items()
    return {key[8:]: value for key, value in state if key.startswith("encoder.")}


def _moco(change: Callable[[State], None] | None = None, prefix: str = "module.") -> dict[str, Any]:
    """A file as MoCo-v2 leaves it: two encoders, each with its head, a queue, the optimiser."""
    state: State = {}
    zero = torch.zeros(1)
    head = {
        "fc.0.weight": zero.expand(2048, 2048),
        "fc.0.bias": zero.expand(2048),
        "fc.2.weight": zero.expand(128, 2048),
        "fc.2.bias": zero.expand(128),
    }
    for part, shift in (("encoder_q", 0.0), ("encoder_k", 0.5)):  # k comes last, and must not win
        encoder = {k: v for k, v in _encoder(shift).items() if not k.startswith("fc.")}
        state |= {f"{prefix}{part}.{k}": v for k, v in {**encoder, **head}.items()}
    state[f"{prefix}queue"] = zero.expand(128, 65536)
    state[f"{prefix}queue_ptr"] = torch.zeros(1, dtype=torch.int64)
    if change:
        change(state)
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.03}]}
    return {"epoch": 200, "arch": "resnet50", "state_dict": state, "optimizer": optimizer}


def _load(model: nn.Module, file: object, folder: Path, **options: Any) -> Fit:
    path = folder / "weights.pth.tar"
    torch.save(file, path)
    checkpointer = SaliencyCheckpointer(model, **options)
    checkpointer.resume_or_load(str(path), resume=False)
    assert checkpointer.last_fit is not None
    return checkpointer.last_fit


def _check_encoders(model: nn.Module, name: str, expected: State) -> None:
    loaded = model.state_dict()
    for home in HOMES[name]:
        for key, value in expected.items():
            assert bool((loaded[home + key] == value).all()), home + key


# ---- whole networks


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_published_checkpoint_loads_with_nothing_missing(
    models: dict[str, nn.Module], name: str, prefix: str, tmp_path: Path
) -> None:
    state = _stand_in(name)
    assert len(state) == COUNTS[name]
    written = {prefix + key: value for key, value in state.items()}
    assert recognise(written).name == name
    fit = _load(models[name], written, tmp_path, strict=True)
    assert fit.complete and not fit.unexpected and not fit.misfits
    assert set(fit.dropped) == {key for key in state if UNUSED.search(key)}
    assert set(fit.dropped.values()) <= {
        "an encoder's classifier, which nothing uses",
        "a norm that the published code never calls",
    }
    loaded = models[name].state_dict()
    assert loaded.keys() == state.keys() - fit.dropped.keys()
    assert all(bool((value == state[key]).all()) for key, value in loaded.items())


def test_a_file_of_real_size(models: dict[str, nn.Module], tmp_path: Path) -> None:
    state = {key: torch.from_numpy(fill(key, shape)) for key, shape in _shapes("a2s").items()}
    assert sum(value.numel() for key, value in state.items() if "running" not in key
               and "tracked" not in key) == 27_749_928  # fmt: skip
    fit = _load(models["a2s"], state, tmp_path, strict=True)
    assert fit.complete and len(fit.kept) == COUNTS["a2s"] - 10
    key = "decoder.fusion.se.conv.weight"
    assert torch.equal(models["a2s"].state_dict()[key], state[key])


def test_a_file_of_this_project_goes_back(models: dict[str, nn.Module], tmp_path: Path) -> None:
    saved = models["cornet"].state_dict()
    fit = _load(models["cornet"], {"model": saved, "iteration": 7}, tmp_path, strict=True)
    assert fit.complete and not fit.unexpected and not fit.dropped
    assert len(fit.kept) == COUNTS["cornet"] - 2


@pytest.mark.parametrize(("file", "model"), [("a2s", "cornet"), ("cornet", "midnet")])
def test_another_networks_file_is_not_evaluated(
    models: dict[str, nn.Module], file: str, model: str, tmp_path: Path
) -> None:
    """Evaluation is strict; a training may start from another network's encoder, and is told so."""
    with pytest.raises(CheckpointError, match=r"leaves \d+ of the model's \d+ tensors unset"):
        _load(models[model], _stand_in(file), tmp_path, strict=True)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_checkpoint_of_another_encoder_is_refused(
    small: dict[str, nn.Module], name: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="does not belong to this model"):
        _load(small[name], _stand_in(name), tmp_path)


# ---- encoders alone


@pytest.mark.parametrize("prefix", ["module.", ""])
@pytest.mark.parametrize("name", CONFIGS)
def test_moco_fills_every_encoder(
    models: dict[str, nn.Module], name: str, prefix: str, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Trainers load so; encoder_k, which comes later in the file, leaves no trace."""
    file = _moco(prefix=prefix)
    assert recognise(file["state_dict"]).name == "moco"
    with caplog.at_level(logging.INFO, logger="sor_ppa"):
        fit = _load(models[name], file, tmp_path, trainer=nn.Identity())
    assert len(fit.kept) == ENTRIES * len(HOMES[name])
    assert not fit.unexpected and not fit.misfits
    assert {missing.partition(".")[0] for missing in fit.missing} <= {
        "decoder", "trans_rgb", "trans_t",
    }  # fmt: skip
    assert len(fit.dropped) == len(file["state_dict"]) - ENTRIES
    _check_encoders(
        models[name], name, {k: v for k, v in _encoder().items() if not k.startswith("fc.")}
    )
    assert "RANDOM" not in caplog.text
    assert f"Loaded {ENTRIES} of the {len(file['state_dict'])} tensors" in caplog.text
    assert ("went into two encoders each" in caplog.text) == (name == "midnet")


def test_moco_in_the_old_format_of_files(models: dict[str, nn.Module], tmp_path: Path) -> None:
    """The published file is of PyTorch 1.3."""
    path = tmp_path / "moco.pth.tar"
    torch.save(_moco(), path, _use_new_zipfile_serialization=False)
    checkpointer = SaliencyCheckpointer(models["a2s"])
    checkpointer.resume_or_load(str(path), resume=False)
    assert checkpointer.last_fit and len(checkpointer.last_fit.kept) == ENTRIES


def _drop(*names: str) -> Callable[[State], None]:
    def change(state: State) -> None:
        for name in names:
            del state[f"module.encoder_q.{name}"]

    return change


def _reshape(name: str, shape: tuple[int, ...]) -> Callable[[State], None]:
    def change(state: State) -> None:
        state[f"module.encoder_q.{name}"] = torch.zeros(shape)

    return change


def _deepen(state: State) -> None:
    """As ResNet-101, whose first three blocks of layer3 look like all of ResNet-50's."""
    state["module.encoder_q.layer3.6.conv1.weight"] = torch.zeros(256, 1024, 1, 1)


def _keep_stem(state: State) -> None:
    for name in [name for name in state if "encoder_q.layer" in name]:
        del state[name]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_drop("layer4.2.conv3.weight"), [r"layer4\.2\.conv3\.weight: not in the file"]),
        (_drop("bn1.running_mean", "layer1.0.bn1.bias"),
         [r"bn1\.running_mean: not in", r"layer1\.0\.bn1\.bias: not in"]),
        (_reshape("conv1.weight", (64, 3, 3, 3)),
         [r"conv1\.weight: \(64, 3, 3, 3\) in the file, \(64, 3, 7, 7\) here"]),
        (_deepen, [r"layer3\.6\.conv1\.weight: in the file only"]),
        (_keep_stem, [r"layer1\.0\.conv1\.weight: not in", r"layer2\.\* \(\d+\), enc"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a2s", "midnet"])
@pytest.mark.parametrize("training", [False, True])
def test_an_encoder_that_does_not_fit_is_refused(
    models: dict[str, nn.Module], name: str, change: Callable[[State], None], said: list[str],
    training: bool, tmp_path: Path,
) -> None:  # fmt: skip
    before = models[name].state_dict()["encoder.conv1.weight"].clone()
    options = {"trainer": nn.Identity()} if training else {}
    with pytest.raises(CheckpointError, match=r"weights\.pth\.tar \(a ResNet learnt by") as caught:
        _load(models[name], _moco(change), tmp_path, **options)
    assert all(re.search(rf"encoder\.{pattern}", str(caught.value)) for pattern in said)
    assert torch.equal(models[name].state_dict()["encoder.conv1.weight"], before)
    if name == "midnet":
        assert "t_net." in str(caught.value)


@pytest.mark.parametrize("counters", [True, False])
@pytest.mark.parametrize("name", CONFIGS)
def test_an_imagenet_resnet_fills_every_encoder(
    models: dict[str, nn.Module], name: str, counters: bool, tmp_path: Path
) -> None:
    """torchvision's first files have no counters of batches; nothing is lost."""
    state = {k: v for k, v in _encoder().items() if counters or not k.endswith("tracked")}
    assert recognise(state).name == "resnet"
    fit = _load(models[name], state, tmp_path)
    assert sorted(fit.dropped) == ["fc.bias", "fc.weight"]
    assert len(fit.kept) == (len(state) - 2) * len(HOMES[name])
    expected = {k: v for k, v in state.items() if k not in fit.dropped}
    _check_encoders(models[name], name, expected)


def test_torchvisions_own_names_are_those() -> None:
    with torch.device("meta"):
        found = torchvision.models.resnet50(weights=None).state_dict()
    assert {k: list(v.shape) for k, v in found.items()} == {
        k: list(v.shape) for k, v in _encoder().items()
    }


def test_a_resnet_of_another_depth_is_refused(models: dict[str, nn.Module], tmp_path: Path) -> None:
    for depth in (18, 101):
        with torch.device("meta"):
            shapes = getattr(torchvision.models, f"resnet{depth}")(weights=None).state_dict()
        state = {k: torch.tensor(0.5).expand(v.shape) for k, v in shapes.items()}
        with pytest.raises(CheckpointError, match="is not the encoder of this network"):
            _load(models["a2s"], state, tmp_path)


@pytest.mark.parametrize("name", CONFIGS)
def test_an_imagenet_mobilenet_fills_every_encoder(
    small: dict[str, nn.Module], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.manual_seed(0)
    state = torchvision.models.mobilenet_v2(num_classes=1001).state_dict()
    fit = _load(small[name], state, tmp_path, trainer=nn.Identity())
    assert not fit.unexpected and not fit.misfits
    assert not [key for key in fit.missing if key.startswith(("encoder.", "t_net."))]
    assert "RANDOM" not in caplog.text
    loaded = small[name].state_dict()
    for home in HOMES[name]:
        assert torch.equal(loaded[f"{home}features.0.0.weight"], state["features.0.0.weight"])
        ours, theirs = f"{home}features.17.conv.3.weight", "features.17.conv.1.0.weight"
        assert torch.equal(loaded[ours], state[theirs])


def test_moco_is_not_for_a_mobilenet(small: dict[str, nn.Module], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not belong to this model"):
        _load(small["a2s"], _moco(), tmp_path)


# ---- a run that starts without an encoder


@pytest.mark.parametrize("name", CONFIGS)
def test_a_training_from_random_encoders_says_so_once(
    small: dict[str, nn.Module], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for trainer, expected in (({}, 0), ({"trainer": nn.Identity()}, 1)):
        caplog.clear()
        checkpointer = SaliencyCheckpointer(small[name], str(tmp_path), **trainer)
        checkpointer.resume_or_load("", resume=True)
        said = [r for r in caplog.records if "STARTS FROM RANDOM NUMBERS" in r.getMessage()]
        assert len(said) == expected
        assert all(r.levelno == logging.WARNING and "MODEL.WEIGHTS" in r.getMessage()
                   for r in said)  # fmt: skip


def test_a_partly_random_encoder_says_so(
    models: dict[str, nn.Module], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A whole network's file for the first encoder only: such a training may be meant."""
    state = {k: v for k, v in _stand_in("midnet").items() if not k.startswith("t_net.")}
    _load(models["midnet"], state, tmp_path, trainer=nn.Identity())
    (said,) = [r.getMessage() for r in caplog.records if "RANDOM" in r.getMessage()]
    assert "265 of its 530 tensors" in said and "t_net.layer4.*" in said


def test_networks_without_such_an_encoder_are_left_alone(
    net: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    SaliencyCheckpointer(net, trainer=nn.Identity()).resume_or_load("", resume=False)
    assert not caplog.records


# ---- without a network, and converted


def test_without_a_model_an_encoder_keeps_its_names() -> None:
    for state in (_moco()["state_dict"], _encoder()):
        kept, dropped = convert(state, recognise(state))
        assert kept.keys() == {
            k for k in _encoder() if not k.endswith("tracked") and not k.startswith("fc.")
        }
        assert len(kept) + len(dropped) == len(state)


def test_a_converted_encoder_still_fills_every_encoder(
    models: dict[str, nn.Module], tmp_path: Path
) -> None:
    source, target = tmp_path / "moco.pth.tar", tmp_path / "moco.safetensors"
    torch.save(_moco(), source)
    convert_file(str(source), str(target))
    SaliencyCheckpointer(models["midnet"]).load(str(target))
    encoder = {k: v for k, v in _encoder().items() if not k.startswith("fc.")}
    _check_encoders(models["midnet"], "midnet", encoder)


def test_an_encoder_converted_for_a_network_fills_it(
    small: dict[str, nn.Module], tmp_path: Path
) -> None:
    source, target = tmp_path / "imagenet.pth", tmp_path / "encoders.safetensors"
    state = torchvision.models.mobilenet_v2().state_dict()
    torch.save(state, source)
    convert_file(str(source), str(target), model_state=small["midnet"].state_dict())
    SaliencyCheckpointer(small["midnet"]).load(str(target))
    _check_encoders(
        small["midnet"], "midnet", {"features.0.0.weight": state["features.0.0.weight"]}
    )
    with pytest.raises(CheckpointError, match="t_net.* in the file only"):
        SaliencyCheckpointer(small["a2s"]).load(str(target))


@pytest.mark.parametrize("name", ["a2s", "cornet"])
def test_a_converted_checkpoint_loads_alike(
    models: dict[str, nn.Module], name: str, tmp_path: Path
) -> None:
    source, target = tmp_path / f"{name}.pth", tmp_path / "ours.safetensors"
    torch.save(_stand_in(name), source)
    shapes = models[name].state_dict()
    fit, found = convert_file(str(source), str(target), model_state=shapes)
    assert found.name == name and fit.complete
    assert set(fit.dropped) == {key for key in _shapes(name) if UNUSED.search(key)}
    SaliencyCheckpointer(models[name], strict=True).load(str(target))
    other = models["a2s" if name == "cornet" else "cornet"]
    with pytest.raises(CheckpointError, match="of this project"):
        SaliencyCheckpointer(other, strict=True).load(str(target))


def test_converting_half_an_encoder_is_refused(
    models: dict[str, nn.Module], tmp_path: Path
) -> None:
    source, target = tmp_path / "moco.pth", tmp_path / "moco.safetensors"
    torch.save(_moco(_drop("layer2.0.conv1.weight")), source)
    with pytest.raises(CheckpointError, match=r"encoder\.layer2\.0\.conv1\.weight: not in"):
        convert_file(str(source), str(target), model_state=models["a2s"].state_dict())
    assert not target.exists()
