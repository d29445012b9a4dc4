"""Tests of configs and models by name, on configs made up here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.modeling import META_ARCH_REGISTRY
from torch import nn

from sor_ppa import model_zoo
from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo import files


class ZooProbe(nn.Module):
    """The smallest model that detectron2 can build."""

    def __init__(self, cfg: CfgNode) -> None:
        super().__init__()
        self.layer = nn.Linear(cfg.MODEL.SOR.NUM_RANKS, 1)


if "ZooProbe" not in META_ARCH_REGISTRY:
    META_ARCH_REGISTRY.register(ZooProbe)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "sor_ppa" / "model_zoo"
    configs = folder / "configs" / "sor"
    configs.mkdir(parents=True)
    (configs / "Base.yaml").write_text(
        "MODEL:\n  META_ARCHITECTURE: ZooProbe\n  WEIGHTS: backbone.pth\n  DEVICE: cuda\n"
    )
    (configs / "probe.yaml").write_text("_BASE_: Base.yaml\nMODEL:\n  SOR:\n    NUM_RANKS: 3\n")
    (configs / "unsafe.yaml").write_text("X: !!python/object/apply:os.getcwd []\n")
    (configs / "typo.yaml").write_text("MODEL:\n  SOR:\n    NUMRANKS: 3\n")
    monkeypatch.setattr(files, "_PACKAGE", folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return folder


def test_get_config_merges_defaults_base_and_file(package: Path) -> None:
    cfg = model_zoo.get_config("sor/probe.yaml")
    assert cfg.MODEL.SOR.NUM_RANKS == 3
    assert cfg.MODEL.META_ARCHITECTURE == "ZooProbe"
    assert cfg.SOLVER.IMS_PER_BATCH == 16  # detectron2's default
    assert cfg.MODEL.WEIGHTS == "backbone.pth"
    assert cfg.MODEL.DEVICE == "cpu"
    cfg.MODEL.SOR.NUM_RANKS = 4  # not frozen
    assert model_zoo.get_config("sor/probe.yaml").MODEL.SOR.NUM_RANKS == 3


def test_get_config_runs_no_code(package: Path) -> None:
    with pytest.raises(Exception, match="python/object"):
        model_zoo.get_config("sor/unsafe.yaml")


def test_a_key_that_does_not_exist_is_an_error(package: Path) -> None:
    with pytest.raises(KeyError, match="NUMRANKS"):
        model_zoo.get_config("sor/typo.yaml")


def test_get_config_trained(package: Path) -> None:
    with pytest.raises(ConfigError, match="No trained weights"):
        model_zoo.get_config("sor/probe.yaml", trained=True)
    (package / "weights" / "sor").mkdir(parents=True)
    (package / "weights" / "sor" / "probe.safetensors").touch()
    cfg = model_zoo.get_config("sor/probe.yaml", trained=True)
    assert cfg.MODEL.WEIGHTS == "sor_ppa://weights/sor/probe.safetensors"


@pytest.mark.parametrize("device", [None, "cpu", "cuda:0"])
def test_get_builds_in_evaluation_mode_and_loads_nothing(package: Path, device: str | None) -> None:
    model = model_zoo.get("sor/probe.yaml", device=device)
    assert not model.training
    assert next(model.parameters()).device == torch.device("cpu")


def test_get_trained_loads_the_bundled_weights(package: Path) -> None:
    save_file = pytest.importorskip("safetensors.torch").save_file
    path = package / "weights" / "sor" / "probe.safetensors"
    path.parent.mkdir(parents=True)
    wanted = {"layer.weight": torch.full((1, 3), 0.5).half(), "layer.bias": torch.ones(1).half()}
    save_file(wanted, path, metadata={"format": "sor_ppa", "config": "sor/probe.yaml"})
    model = model_zoo.get("sor/probe.yaml", trained=True)
    assert not model.training
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, wanted[name].float())
