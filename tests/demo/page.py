"""The browser page, opened in Chromium, for tests of it."""

from __future__ import annotations

import base64
import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from tests.browser import REPOSITORY, Browser, not_here

#: What ``make test-page`` builds, below the root of the checkout.
BUILT = Path("build") / "browser-page"
_LISTEN = """
window.results = [];
document.addEventListener("result", ({detail}) => {
  const {height, width, canvas, networkMs, totalMs} = detail;
  window.results.push({height, width, canvas, networkMs, totalMs, at: performance.now()});
  window.lastMap = detail.map;
});
"""
_SET = """
const [id, value] = arguments, element = document.getElementById(id);
if (element.type === "checkbox") element.checked = value; else element.value = value;
for (const name of ["input", "change"]) element.dispatchEvent(new Event(name));
"""


def builder() -> ModuleType:
    """demo/browser/build_page.py."""
    folder = str(REPOSITORY / "demo" / "browser")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("build_page")


def built_page() -> Path:
    """The built page with today's modules; without it the test is skipped, or fails in CI."""
    folder = REPOSITORY / BUILT
    if not (folder / "models" / "models.json").is_file():
        not_here("the browser page is not built: run `make test-page` (it needs npm)")
    builder().copy_page(folder)
    return folder


def models(folder: Path) -> list[dict[str, Any]]:
    """The networks of a built page."""
    return json.loads((folder / "models" / "models.json").read_text())["models"]


class Page:
    """The page in a browser, its first network loaded.

    Args:
        browser: to open it in.
        url: of the page.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self.browser, self.driver = browser, browser.driver
        self.driver.get(url)
        self.driver.execute_script(_LISTEN)
        self.browser.wait(lambda: self.text("status") == "Ready.", 60)

    def text(self, name: str) -> str:
        """What an element says."""
        return self.driver.find_element("id", name).text

    def set(self, name: str, value: Any) -> None:
        """Gives a control a value, as its user does."""
        self.driver.execute_script(_SET, name, value)

    def show(self, view: str) -> np.ndarray:
        """Chooses a view; returns its pixels (H, W, 3), red first."""
        self.driver.find_element("css selector", f"input[value={view}]").click()
        return self.pixels()

    def pixels(self) -> np.ndarray:
        """The canvas (H, W, 3), red first."""
        address = self.driver.execute_script("return canvas.toDataURL()")
        png = np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8)
        return cv2.imdecode(png, cv2.IMREAD_COLOR)[..., ::-1]

    def count(self) -> int:
        """How many results there were."""
        return self.driver.execute_script("return window.results.length")

    def upload(self, path: Path) -> None:
        """Opens a picture file and waits for its result, or for an error."""
        before = self.count()
        self.driver.find_element("id", "file").send_keys(str(path))
        self.browser.wait(lambda: self.count() > before or self.text("error"), 60)

    def result(self) -> dict[str, Any]:
        """What the last result says, and its ``map`` (H, W)."""
        result = self.driver.execute_script("return window.results.at(-1)")
        values = self.driver.execute_script("return Array.from(window.lastMap)")
        shape = (result["height"], result["width"])
        return {**result, "map": np.array(values, np.float32).reshape(shape)}

    def phone(self, on: bool) -> None:
        """Gives the window a telephone's size, or its own again."""
        size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        verb = "setDeviceMetricsOverride" if on else "clearDeviceMetricsOverride"
        self.driver.execute_cdp_cmd(f"Emulation.{verb}", size if on else {})
