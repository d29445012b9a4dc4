"""What the browser page does around a network gives the Python package's numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sor_ppa.canvas import CanvasRule
from sor_ppa.data.dense.sizes import resized
from sor_ppa.modeling.fixation import stretched
from tests.browser import not_here

PAGE = Path("demo") / "browser"
MEAN, STD = [120.0, 110.0, 100.0], [50.0, 60.0, 70.0]
FIXATION = {
    "channels": "RGB",
    "mean": MEAN,
    "std": STD,
    "canvas": "repository",
    "pad": 126,
    "stretch": "canvas",
    "back": "cover",
}
HUB = {**FIXATION, "canvas": "hub", "pad": 0, "back": "crop"}
SALIENCY = {**FIXATION, "canvas": "stretch", "pad": 0, "stretch": "none", "back": "corners"}
SIZES = [(48, 64), (1, 1), (100, 31), (31, 100), (20, 30), (123, 211)]
CANVAS = (48, 64)


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    return found or not_here("there is no node: install Node.js to test the browser page")


def run(program: str, root: Path, *messages: dict[str, Any]) -> list[np.ndarray]:
    """What the page's modules make of messages (tests/demo/browser/apply.mjs)."""
    script = root / "tests" / "demo" / "browser" / "apply.mjs"
    done = subprocess.run(
        [program, str(script)], input=json.dumps(messages), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [np.array(answer, np.float32) for answer in json.loads(done.stdout)]


def size(height: int, width: int) -> dict[str, int]:
    return {"height": height, "width": width}


def rule(model: dict[str, Any]) -> CanvasRule:
    """The package's rule; the hub's canvases are its own."""
    return CanvasRule(CANVAS, model["canvas"], float(model["pad"]))


def on_canvas(model: dict[str, Any], rgb: np.ndarray) -> np.ndarray:
    if model is SALIENCY:
        return resized(rgb, CANVAS).astype(np.float32)
    return rule(model).on_canvas(rgb)


# Pillow rounds twice; PyTorch places pixels in float32.
@pytest.mark.parametrize(
    ("model", "limit"),
    [(FIXATION, 1e-3), (HUB, 5e-3), (SALIENCY, 1.01)],
    ids=["repository", "hub", "stretch"],
)
def test_network_input(node: str, repository: Path, model: dict[str, Any], limit: float) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size_hw, 4), dtype=np.uint8) for size_hw in SIZES]
    wanted = [on_canvas(model, np.ascontiguousarray(rgba[..., :3])) for rgba in pictures]
    messages = [
        {
            "pixels": {"data": rgba.ravel().tolist(), **size(*rgba.shape[:2])},
            "model": model,
            "canvas": size(*want.shape[:2]),
        }
        for rgba, want in zip(pictures, wanted, strict=True)
    ]
    for got, want in zip(run(node, repository, *messages), wanted, strict=True):
        height, width = want.shape[:2]
        difference = np.abs(got.reshape(3, height, width).transpose(1, 2, 0) * STD + MEAN - want)
        assert difference.max() < limit
        assert difference.mean() < 0.2 * limit


def test_blue_first(node: str, repository: Path) -> None:
    pixels = {"data": [10, 20, 30, 255], **size(1, 1)}
    model = {**SALIENCY, "channels": "BGR", "mean": [0.0] * 3, "std": [1.0] * 3}
    (got,) = run(node, repository, {"pixels": pixels, "model": model, "canvas": size(1, 1)})
    assert got.tolist() == [30, 20, 10]


def off_canvas(
    node: str, root: Path, model: dict[str, Any], maps: list[np.ndarray], sizes: list[Any]
) -> list[np.ndarray]:
    messages = [
        {
            "output": array.ravel().tolist(),
            "canvas": size(*array.shape),
            "model": model,
            "picture": size(*size_hw),
        }
        for array, size_hw in zip(maps, sizes, strict=True)
    ]
    found = run(node, root, *messages)
    return [array.reshape(size_hw) for array, size_hw in zip(found, sizes, strict=True)]


@pytest.mark.parametrize("model", [FIXATION, HUB], ids=["repository", "hub"])
def test_fixation_map(node: str, repository: Path, model: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    canvases = [rule(model).canvas_hw(*size_hw) for size_hw in SIZES]
    logits = [rng.normal(size=canvas).astype(np.float32) for canvas in canvases]
    found = off_canvas(node, repository, model, logits, SIZES)
    for array, got, size_hw in zip(logits, found, SIZES, strict=True):
        whole = stretched(torch.from_numpy(array)[None, None])[0, 0].numpy()
        want = np.clip(rule(model).off_canvas(whole, *size_hw), 0, 1)
        np.testing.assert_allclose(got, want, atol=2e-5, rtol=0)


def test_stretched_over_the_picture_alone(node: str, repository: Path) -> None:
    logits = np.zeros(CANVAS, np.float32)
    logits[:, 30:34] = np.linspace(1, 3, 4)
    logits[:, 0] = 9  # beside the picture, which is 24 wide and lies in the middle
    model = {**FIXATION, "stretch": "picture"}
    (over_picture,) = off_canvas(node, repository, model, [logits], [(48, 24)])
    (over_canvas,) = off_canvas(node, repository, FIXATION, [logits], [(48, 24)])
    assert over_picture.min() == 0 and over_picture.max() > 0.8
    assert over_canvas.max() < 0.4


@pytest.mark.parametrize("back", ["corners", "centres"])
def test_saliency_map(node: str, repository: Path, back: str) -> None:
    saliency = np.random.default_rng(0).random(CANVAS, np.float32)
    whole = torch.from_numpy(saliency)[None, None]
    maps = [saliency] * len(SIZES)
    found = off_canvas(node, repository, {**SALIENCY, "back": back}, maps, SIZES)
    for got, size_hw in zip(found, SIZES, strict=True):
        corners = back == "corners"
        want = F.interpolate(whole, size_hw, mode="bilinear", align_corners=corners)
        np.testing.assert_allclose(got, want[0, 0].numpy(), atol=2e-5, rtol=0)


def test_the_modules_own_tests(node: str, repository: Path) -> None:
    files = sorted((repository / "tests" / "demo" / "browser").glob("*.test.mjs"))
    assert files
    done = subprocess.run([node, "--test", *map(str, files)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_formatted_and_of_the_right_types(node: str, repository: Path) -> None:
    if not (repository / PAGE / "node_modules" / ".bin" / "tsc").exists():
        not_here("the page's packages are not installed: run `make test-page`")
    command = ["npm", "run", "--silent", "lint"]
    done = subprocess.run(command, cwd=repository / PAGE, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
