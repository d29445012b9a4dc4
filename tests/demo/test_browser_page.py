"""The browser page in a headless Chromium: pictures, the webcam, what goes wrong, privacy."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.predictor import Predictor
from sor_ppa.visualization.heat_maps import heat_map, heat_overlay
from tests.browser import Browser
from tests.demo.page import Page, built_page, models

Serve = Callable[[Path], str]


@pytest.fixture()
def page(browser: Browser, web_server: Serve) -> Iterator[Page]:
    yield Page(browser, web_server(built_page()))
    assert browser.console("SEVERE") == []


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A photo, uint8 (200, 260, 3), blue first."""
    astronaut = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    return cv2.resize(astronaut[:400], (260, 200), interpolation=cv2.INTER_AREA)


def saved(path: Path, image: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), image)
    return path


def predicted(folder: Path, image: np.ndarray, canvas: dict[str, int]) -> np.ndarray:
    """The Predictor's map of the page's own file, looking at the picture at the same size."""
    (model,) = models(folder)
    key = {"fixation": "INPUT.FIXATION.SIZE", "saliency": "INPUT.DENSE.TEST_SIZE"}[model["task"]]
    size = str((canvas["height"], canvas["width"]))
    weights = str(folder / "models" / model["file"])
    cfg = inference_config(model["name"], ["MODEL.WEIGHTS", weights, key, size], device="cpu")
    return Predictor(cfg, backend="onnx")(image)[model["task"]].numpy()


def test_a_picture_shows_its_map(page: Page, photo: np.ndarray, tmp_path: Path) -> None:
    page.set("quality", "1")
    page.upload(saved(tmp_path / "photo.png", photo))
    result = page.result()
    assert result["canvas"] == {"height": 72, "width": 96}
    want = predicted(built_page(), photo, result["canvas"])
    assert np.abs(result["map"] - want).max() < 1e-3 and want.std() > 0.02

    overlay, heat, picture = (page.show(view) for view in ("overlay", "heat", "picture"))
    rgb = photo[..., ::-1].astype(float)
    assert np.array_equal(picture, rgb)
    assert np.array_equal(heat, heat_map(result["map"])[..., ::-1])
    laid_over = heat_overlay(photo, result["map"], 0.65)[..., ::-1].astype(float)
    assert np.abs(overlay - laid_over).max() <= 4  # colours and shares are bytes on the page
    page.set("opacity", "0")
    assert np.array_equal(page.show("overlay"), picture)
    page.set("opacity", "0.65")
    assert np.abs(page.pixels() - rgb).mean() > 5
    page.browser.screenshot("page-picture")


def test_a_portrait_turns_the_canvas_and_quality_looks_again(
    page: Page, photo: np.ndarray, tmp_path: Path
) -> None:
    page.upload(saved(tmp_path / "portrait.jpg", photo[:, :120]))
    first = page.result()
    assert (first["canvas"], first["map"].shape) == ({"height": 160, "width": 120}, (200, 120))
    page.set("quality", "0")
    page.browser.wait(lambda: page.count() == 2)
    assert page.result()["canvas"] == {"height": 64, "width": 48}
    page.phone(True)
    try:
        page.browser.screenshot("page-phone")
        wide = "return document.documentElement.scrollWidth"
        assert page.driver.execute_script(wide) == 390  # nothing sticks out
    finally:
        page.phone(False)


def test_the_webcam_at_its_fastest(page: Page) -> None:
    page.set("quality", "0")
    page.driver.find_element("id", "camera").click()
    page.browser.wait(lambda: page.count() >= 15)
    results = page.driver.execute_script("return window.results.slice(-11)")
    rate = 10_000 / (results[-1]["at"] - results[0]["at"])
    network = np.mean([result["networkMs"] for result in results])
    print(f"webcam at 64 x 48: {rate:.1f} frames per second, network {network:.0f} ms")
    assert rate >= 1
    assert "frames per second" in page.text("rate")
    page.browser.screenshot("page-webcam")

    page.driver.find_element("id", "camera").click()
    assert page.text("status") == "The webcam is off."
    page.driver.execute_script("return new Promise((done) => setTimeout(done, 300))")
    count = page.count()
    plain = page.show("picture")
    assert plain.shape == (480, 640, 3)
    page.set("mirror", True)
    assert np.array_equal(page.pixels(), plain[:, ::-1])
    assert not np.array_equal(plain, plain[:, ::-1])
    page.driver.execute_script("return new Promise((done) => setTimeout(done, 300))")
    assert page.count() == count  # it has really stopped


def drop(page: Page, kind: str, name: str, content: bytes) -> None:
    """Drops ("drop") or pastes ("paste") a file."""
    page.driver.execute_script(
        """
        const [kind, name, text] = arguments;
        const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
        const data = new DataTransfer();
        if (name) data.items.add(new File([bytes], name, {type: "image/png"}));
        const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true})
          : new ClipboardEvent("paste", {clipboardData: data, bubbles: true});
        document.getElementById("stage").dispatchEvent(event);
        """,
        kind,
        name,
        base64.b64encode(content).decode(),
    )


def test_dropped_pasted_and_saved(page: Page, photo: np.ndarray, tmp_path: Path) -> None:
    page.set("quality", "0")
    png = saved(tmp_path / "x.png", photo).read_bytes()
    for number, kind in enumerate(["drop", "paste"], 1):
        drop(page, kind, f"{kind}.png", png)
        page.browser.wait(lambda number=number: page.count() == number)
        page.browser.wait(lambda kind=kind: page.text("status") == f"Done: {kind}.png")
    drop(page, "drop", "", b"")
    page.browser.wait(lambda: "no picture file" in page.text("error"))

    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    page.driver.find_element("id", "download").click()
    name = tmp_path / "paste-overlay.png"
    page.browser.wait(lambda: name.is_file() and cv2.imread(str(name)) is not None)
    assert np.array_equal(cv2.imread(str(name))[..., ::-1], page.pixels())


def test_what_is_no_picture(page: Page, tmp_path: Path) -> None:
    text = tmp_path / "notes.png"
    text.write_text("no picture")
    page.upload(text)
    assert page.text("error") == "notes.png is not a picture that this browser can read."
    huge = saved(tmp_path / "huge.png", np.zeros((6001, 6000), np.uint8))
    page.upload(huge)
    message = "huge.png is too large: 6000 x 6001, at most 36 megapixels."
    page.browser.wait(lambda: page.text("error") == message)
    transparent = np.zeros((20, 30, 4), np.uint8)
    transparent[:10, :, 3] = 255
    page.set("quality", "0")
    page.upload(saved(tmp_path / "clear.png", transparent))
    page.browser.wait(lambda: page.text("status") == "Done: clear.png")
    assert page.text("error") == ""


REJECTED = """
const name = arguments[0];
const no = () => Promise.reject(new DOMException("no", name));
const value = {value: no, configurable: true};
if (name) Object.defineProperty(navigator.mediaDevices, "getUserMedia", value);
else Object.defineProperty(navigator, "mediaDevices", {value: undefined});
"""


def test_no_webcam(page: Page) -> None:
    for name, said in [
        ("NotFoundError", "There is no webcam on this device."),
        ("NotReadableError", "another program may be using it"),
        ("", "only to pages from https:// or localhost"),
    ]:
        page.driver.execute_script(REJECTED, name)
        page.driver.find_element("id", "camera").click()
        page.browser.wait(lambda said=said: said in page.text("error"))
        assert page.driver.find_element("id", "camera").is_enabled()


def test_webcam_not_allowed(web_server: Serve) -> None:
    browser = Browser(camera="denied")
    try:
        page = Page(browser, web_server(built_page()))
        page.driver.find_element("id", "camera").click()
        browser.wait(lambda: "was not allowed" in page.text("error"))
    finally:
        browser.close()


def test_nothing_goes_out(page: Page, photo: np.ndarray, tmp_path: Path) -> None:
    page.set("quality", "0")
    page.upload(saved(tmp_path / "photo.png", photo))
    loaded: list[Any] = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    origin = page.driver.execute_script("return location.origin")
    assert loaded and all(name.startswith(origin) for name in loaded if name != "data:,")
    assert page.browser.console("SEVERE") == []
    sent = "return fetch('https://example.org/').then(() => 'sent', (error) => String(error))"
    assert page.driver.execute_script(sent).startswith("TypeError")
    refused = page.browser.console("SEVERE")
    assert refused and all("Content Security Policy" in line for line in refused)
