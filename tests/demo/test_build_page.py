"""Building the browser page: what is copied, exported once, and told to the page."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from detectron2.config import CfgNode

from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import ConfigError
from sor_ppa.exporting.graphs import FIXATION_FORMAT, LOGITS_FORMAT, PYRAMID_FORMAT
from tests.browser import Browser
from tests.demo.page import Page, builder
from tests.demo.test_browser_page import Serve, predicted, saved

FILE = {
    "channels": "RGB",
    "pixel_mean": [1.0, 2.0, 3.0],
    "pixel_std": [1.0, 1.0, 1.0],
    "size_step": 8,
    "size_hw": None,
    "normalize": True,
    "normalize_over": "picture",
    "canvas": {"preset": "hub", "pad_value": 0.0},
}


@pytest.fixture()
def tool() -> ModuleType:
    return builder()


@pytest.fixture()
def runtime(tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name in tool._RUNTIME_FILES:
        (folder / name).write_text(name)
    monkeypatch.setattr(tool, "_RUNTIME", folder)
    return folder


def test_copied(tool: ModuleType, runtime: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "page"
    tool.copy_page(out)
    sources = {path.name for path in (tool.HERE / "src").glob("*.js")}
    assert {path.name for path in (out / "src").iterdir()} == sources
    worker = (out / "src" / "worker.js").read_text()
    assert '"../ort/ort.wasm.min.mjs"' in worker and "onnxruntime-web" not in worker
    assert {path.name for path in (out / "ort").iterdir()} == set(tool._RUNTIME_FILES)
    before = (out / "index.html").stat().st_mtime_ns
    tool.copy_page(out)
    assert (out / "index.html").stat().st_mtime_ns == before


def test_without_the_runtime(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "_RUNTIME", tmp_path)
    with pytest.raises(ConfigError, match="npm ci"):
        tool.copy_page(tmp_path / "page")


@pytest.mark.parametrize(
    ("format_", "expected"),
    [
        (FIXATION_FORMAT, ("fixation", "hub", "logits", "picture", "crop")),
        (PYRAMID_FORMAT, ("saliency", "stretch", "saliency", "canvas", "corners")),
        (LOGITS_FORMAT, ("saliency", "stretch", "saliency", "canvas", "centres")),
    ],
)
def test_exported_once_and_described(
    tool: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_: str,
    expected: tuple[str, ...],
) -> None:
    calls: list[dict[str, object]] = []

    def export(cfg: CfgNode, path: Path, **settings: object) -> None:
        calls.append(settings)
        path.write_bytes(b"12345")

    monkeypatch.setattr(tool, "export_onnx", export)
    monkeypatch.setattr(tool, "OnnxFile", lambda path: SimpleNamespace(format=format_, **FILE))
    configs = {"a/b.yaml": CfgNode()}
    monkeypatch.setattr(tool, "fingerprint", lambda cfg: "0123456789")
    for _ in range(2):
        tool.write_models(tmp_path, configs)
    assert calls == [{"half": True, "name": "a/b.yaml"}]
    about = json.loads((tmp_path / "models" / "models.json").read_text())
    assert np.array(about["colours"]).shape == (256, 3)
    (model,) = about["models"]
    assert (model["file"], model["bytes"]) == ("a-b-01234567.onnx", 5)
    keys = ("task", "canvas", "output", "stretch", "back")
    assert tuple(model[key] for key in keys) == expected
    monkeypatch.setattr(tool, "fingerprint", lambda cfg: "abcdefghij")
    tool.write_models(tmp_path, configs, half=False)
    assert [path.name for path in (tmp_path / "models").glob("*.onnx")] == [
        "a-b-abcdefgh-full.onnx"  # the old one is gone
    ]


def test_config_changes_for_one_network_only(
    tool: ModuleType, runtime: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["--config-file", "msinet/tiny.yaml", "--config-file", "inspyrenet/tiny.yaml"]
    assert tool.main([*names, "--output", str(tmp_path), "MODEL.WEIGHTS", "x.pth"]) == 2
    assert "one --config-file only" in capsys.readouterr().err


@pytest.mark.slow
def test_saliency_on_the_page(
    tool: ModuleType, browser: Browser, web_server: Serve, tmp_path: Path
) -> None:
    name = "inspyrenet/tiny.yaml"
    assert tool.main(["--config-file", name, "--output", str(tmp_path / "page")]) == 0
    page = Page(browser, web_server(tmp_path / "page"))
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    image[20:60, 30:80] = (20, 40, 220)
    page.set("quality", "4")
    page.upload(saved(tmp_path / "square.png", image))
    result = page.result()
    assert result["canvas"] == {"height": 256, "width": 320}
    want = predicted(tmp_path / "page", image, result["canvas"])
    # The browser rounds a picture once where Pillow does it twice.
    assert np.abs(result["map"] - want).mean() < 2e-3 and want.std() > 0.1
    browser.screenshot("page-saliency")
    cfg = tool.inference_config(name, ["INPUT.DENSE.TEST_SIZE", "(256, 320)"], device="cpu")
    torch_map = Predictor(cfg)(image)["saliency"].numpy()
    assert np.abs(result["map"] - torch_map).mean() < 5e-3  # weights are float16 there
