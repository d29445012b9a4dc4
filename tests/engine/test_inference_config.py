from __future__ import annotations

from pathlib import Path

import pytest

from sor_ppa import model_zoo
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.errors import ConfigError


@pytest.fixture
def bundled(monkeypatch: pytest.MonkeyPatch) -> str:
    """As if weights for ``sor/tiny.yaml``, and only these, came with the package."""
    url = "sor_ppa://weights/sor/tiny.safetensors"
    monkeypatch.setattr(model_zoo, "has_weights", lambda name: name == "sor/tiny.yaml")
    monkeypatch.setattr(model_zoo, "weights_url", lambda name: url)
    return url


def test_zoo_configs_bring_their_weights(bundled: str, tmp_path: Path) -> None:
    path = model_zoo.get_config_file("sor/tiny.yaml")
    assert bundled == inference_config("sor/tiny.yaml").MODEL.WEIGHTS
    assert bundled == inference_config(path).MODEL.WEIGHTS
    assert inference_config(path, ["MODEL.WEIGHTS", "mine.pth"]).MODEL.WEIGHTS == "mine.pth"
    assert bundled != inference_config("sor/ppa.yaml").MODEL.WEIGHTS
    mine = tmp_path / "mine.yaml"
    mine.write_text(f"_BASE_: {path}\nMODEL: {{WEIGHTS: ours.pth}}\n")
    assert inference_config(str(mine)).MODEL.WEIGHTS == "ours.pth"


def test_options_win_over_the_file() -> None:
    cfg = inference_config(
        "sor/tiny.yaml", ["INPUT.MAX_PIXELS", "5", "MODEL.DEVICE", "meta"],
        device="cpu", threshold=0.25, max_pixels=6,
    )  # fmt: skip
    assert cfg.MODEL.FCOS.INFERENCE_TH_TEST == cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST == 0.25
    assert cfg.INPUT.MAX_PIXELS == 6 and cfg.MODEL.DEVICE == "cpu" and cfg.is_frozen()
    assert inference_config("sor/tiny.yaml", ["INPUT.MAX_PIXELS", "5"]).INPUT.MAX_PIXELS == 5


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_is_a_probability(threshold: float) -> None:
    with pytest.raises(ConfigError, match="confidence-threshold"):
        inference_config("sor/tiny.yaml", threshold=threshold)


@pytest.mark.parametrize(
    ("config_file", "opts", "said"),
    [
        ("sor/no_such.yaml", [], "no_such"),
        ("sor/tiny.yaml", ["MODEL.FCOS.NO_SUCH", "1"], "NO_SUCH"),
        ("sor/tiny.yaml", ["MODEL.DEVICE"], "MODEL.DEVICE"),
    ],
)
def test_errors_name_the_culprit(config_file: str, opts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        inference_config(config_file, opts)
