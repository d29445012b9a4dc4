"""A headless Chromium with a fake webcam, and a static web server, for tests of web pages.

``make test-browser`` installs the browser (on Debian, as root). Without it the tests that ask for
it are skipped, but where the environment says XX"""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

#: Screenshots are kept here, below the root of the checkout.
SCREENSHOTS = Path("output") / "browser"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root has none
    "--disable-dev-shm-usage",  # /dev/shm of a container is small
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--window-size=1280,900",
    "--use-fake-device-for-media-stream",
)
_HOW_TO = "run `make test-browser`, or install Chromium and its chromedriver"

T = TypeVar("T")


class Browser:
    """One headless Chromium.

    Args:
        camera: "granted" = pages may use the fake webcam without asking, "denied" = they may not.
        flags: further flags of Chromium's command line.

    Attributes:
        driver: Selenium's; ``driver.get(url)`` opens a page.
    """

    def __init__(self, *, camera: str = "granted", flags: tuple[str, ...] = ()) -> None:
        binary, program = _programs()
        from selenium import webdriver

        answer = {"granted": "", "denied": "=deny"}[camera]
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*_FLAGS, f"--use-fake-ui-for-media-stream{answer}", *flags):
            options.add_argument(flag)
        service = webdriver.ChromeService(executable_path=program)
        self.driver: Any = webdriver.Chrome(options=options, service=service)

    def wait(self, condition: Callable[[], T], seconds: float = 60) -> T:
        """The first true value of the condition; a timeout ends the test with a screenshot."""
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.ui import WebDriverWait

        try:
            return WebDriverWait(self.driver, seconds, 0.1).until(lambda _: condition())
        except TimeoutException:
            path = self.screenshot("timeout")
            log = "\n".join([f"nothing after {seconds} s, see {path}; console:", *self.console()])
            raise AssertionError(log) from None

    def screenshot(self, name: str) -> Path:
        """Keeps what the window shows as ``output/browser/<name>.png``; returns its path."""
        path = REPOSITORY / SCREENSHOTS / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(path))
        return path

    def console(self, level: str = "") -> list[str]:
        """What the page wrote to the console since the last call; "SEVERE": only errors."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if not level or entry["level"] == level]

    def close(self) -> None:
        """Ends the browser and its driver."""
        self.driver.quit()


def _programs() -> tuple[str, str]:
    """Paths of Chromium and of its driver; without them the test is skipped, or fails in CI."""
    binary = next(filter(None, map(shutil.which, _NAMES)), None)
    driver = shutil.which("chromedriver")
    if binary and driver:
        return binary, driver
    missing = "Chromium" if not binary else "chromedriver"
    not_here(f"there is no {missing}: {_HOW_TO}")


def not_here(reason: str) -> NoReturn:
    """Skips the test; fails it where the environment says ``CI=true``."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def one_browser() -> Iterator[Browser]:
    """The Chromium of all tests of a process; tests take ``browser``."""
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture()
def browser(one_browser: Browser) -> Iterator[Browser]:
    """A Chromium that may use the fake webcam, at an empty page."""
    one_browser.driver.get("about:blank")
    one_browser.console()  # what earlier tests left
    yield one_browser
    one_browser.driver.get("about:blank")  # lets go of the camera


@pytest.fixture()
def web_server() -> Iterator[Callable[[Path], str]]:
    """A function: folder -> address of a static web server of it (as ``python -m http.server``)."""
    servers: list[ThreadingHTTPServer] = []

    def serve(folder: Path) -> str:
        handler = functools.partial(_Silent, directory=str(folder))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output is its own."""
