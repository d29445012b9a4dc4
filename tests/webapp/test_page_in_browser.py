"""The page as people see it, in a headless Chromium; what it showed is in output/browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sor_ppa.data.image_io import write_image
from sor_ppa.showing.inputs import sample_pictures
from tests.browser import Browser
from tests.webapp.serving import Served


class Page:
    """The open page, by what people do on it."""

    def __init__(self, browser: Browser, address: str) -> None:
        self.browser, self.driver = browser, browser.driver
        self.driver.get(address)
        self.wait_for("#picture input[type=file]")

    def find(self, css: str) -> list[Any]:
        return self.driver.find_elements("css selector", css)

    def wait_for(self, css: str) -> Any:
        return self.browser.wait(lambda: next(iter(self.find(css)), None))

    def choose(self, path: str | Path) -> None:
        """Uploads a file."""
        self.wait_for("#picture input[type=file]").send_keys(str(path))

    def has_picture(self) -> None:
        """Waits until the picture has come to the server."""
        self.wait_for("#picture img[src*='file=']")

    def open_tab(self, label: str) -> None:
        next(tab for tab in self.find("#tasks [role=tab]") if tab.text == label).click()

    def press(self, css: str) -> None:
        button = self.wait_for(css)
        self.browser.wait(button.is_displayed)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
        button.click()

    def text(self, css: str) -> str:
        return self.wait_for(css).text

    def result(self, name: str, note: str) -> None:
        """Waits until the result of that file name is drawn."""
        script = (
            "const i = document.querySelector('#result img');"
            "return !!i && i.complete && i.naturalWidth > 0"
            " && decodeURI(i.src).endsWith(arguments[0])"
        )
        self.browser.wait(lambda: self.driver.execute_script(script, name))
        self.browser.wait(lambda: note in self.text("#note"))

    def toast(self) -> str:
        """The message that pops up."""
        return str(self.browser.wait(lambda: " ".join(e.text for e in self.find(".toast-body"))))

    def screenshot(self, name: str) -> None:
        """Keeps what the page shows, from its top."""
        self.driver.execute_script("scrollTo(0, 0)")
        self.browser.wait(lambda: self.driver.execute_script("return scrollY") == 0)
        self.browser.screenshot(name)

    def asked_outside(self) -> list[str]:
        """Everything that the page fetched from elsewhere."""
        script = (
            "return performance.getEntriesByType('resource').map((e) => e.name)"
            ".filter((n) => !/^(data|blob):/.test(n) && !n.startsWith(location.origin))"
        )
        return list(self.driver.execute_script(script))


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    opened = Page(browser, served.address)
    yield opened
    assert opened.asked_outside() == []


@pytest.fixture
def phone(browser: Browser) -> Iterator[None]:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    yield
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_upload_then_another_task_then_a_bad_file(page: Page, tmp_path: Path) -> None:
    page.choose(sample_pictures()[1])
    page.has_picture()
    page.press("#rank")
    page.result("coffee_ranked.jpg", "2 ranked objects, 1 without a rank · 600 x 400 pixels")
    assert "229" not in page.text("#table") and "0.75" in page.text("#table")
    assert "coffee_results.json" in page.text("#files").replace("\n", "")
    page.screenshot("app-rank")

    page.open_tab("Cut-out")
    page.press("#cut_out")
    page.result("coffee_rgba.png", "Cut out · 600 x 400 pixels")
    assert not page.find("#table") or not page.wait_for("#table").is_displayed()
    page.screenshot("app-cut-out")

    (tmp_path / "notes.png").write_text("no picture at all")
    page.press("#picture [aria-label='Clear'], #picture [aria-label='Remove Image']")
    page.choose(tmp_path / "notes.png")
    page.has_picture()
    page.press("#cut_out")
    assert "notes.png: not a picture" in page.toast() and "/" not in page.toast().split("notes")[0]
    page.browser.wait(lambda: page.text("#note") == "")  # what was there was another picture's
    page.screenshot("app-bad-file")


def test_where_people_look(page: Page) -> None:
    page.choose(sample_pictures()[2])
    page.has_picture()
    page.open_tab("Fixation")
    page.press("#fixation")
    page.result("chelsea_heat_overlay.jpg", "Most looked at: x 450, y 0 · 451 x 300 pixels")
    assert "chelsea_density.npy" in page.text("#files").replace("\n", "")
    page.screenshot("app-fixation")


def test_no_picture(page: Page) -> None:
    page.press("#rank")
    assert "Choose a picture first" in page.toast()


def test_webcam(page: Page) -> None:
    page.press("#picture [aria-label='Capture from camera']")
    page.press("#picture button:has(.icon-wrap):not(.hidden)")  # "click to access webcam"
    page.wait_for("#picture [aria-label='capture photo']")
    films = "const v = document.querySelector('#picture video'); return !!v && v.videoWidth > 0"
    page.browser.wait(lambda: page.driver.execute_script(films))
    page.press("#picture [aria-label='capture photo']")
    page.has_picture()
    page.open_tab("Saliency")
    page.press("#saliency")
    page.result("_map.png", "of the picture stand out")


def test_phone(phone: None, page: Page) -> None:
    page.press("#examples .gallery-item, #examples button")
    page.has_picture()
    page.open_tab("Saliency")
    page.press("#saliency")
    page.result("astronaut_map.png", "512 x 512 pixels")
    width = "return [document.documentElement.scrollWidth, innerWidth]"
    scroll, inner = page.driver.execute_script(width)
    assert scroll <= inner  # nothing sticks out sideways
    tabs = [tab.text for tab in page.find("#tasks [role=tab]") if tab.is_displayed()]
    assert tabs == ["Rank", "Saliency", "Cut-out", "Fixation"]
    page.screenshot("app-phone")


def test_too_large_a_file_is_a_message(page: Page, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    write_image(tmp_path / "noise.png", noise)
    page.choose(tmp_path / "noise.png")
    assert "large" in page.toast().lower() or "size" in page.toast().lower()
