"""The browser that other tests use: it draws, has a camera, and its absence is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

import tests.browser as room
from tests.browser import Browser

_CAMERA = """
const done = arguments[0];
navigator.mediaDevices.getUserMedia({video: true}).then(
  (stream) => { const s = stream.getVideoTracks()[0].getSettings();
                stream.getTracks().forEach((track) => track.stop());
                done([s.width, s.height]); },
  (error) => done(error.name));
"""


def test_page_camera_and_screenshot(
    browser: Browser,
    web_server: Callable[[Path], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "REPOSITORY", tmp_path)
    (tmp_path / "index.html").write_text("<title>T</title><body style='background:#0000ff'>")
    browser.driver.get(web_server(tmp_path) + "/index.html")
    assert browser.wait(lambda: browser.driver.title) == "T"
    width, height = browser.driver.execute_async_script(_CAMERA)
    assert width > 0 and height > 0
    picture = cv2.imread(str(browser.screenshot("blue")))
    assert picture is not None and np.all(picture[-1, -1] == (255, 0, 0))
    browser.driver.execute_script("console.error('wrong ' + 'thing')")
    assert any("wrong thing" in line for line in browser.console("SEVERE"))
    with pytest.raises(AssertionError, match="nothing after 0.2 s"):
        browser.wait(lambda: False, 0.2)


@pytest.mark.parametrize("missing", ["chromium", "chromedriver"])
def test_without_a_browser(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"chromium": "/usr/bin/chromium", "chromedriver": "/usr/bin/chromedriver"}
    del has[missing]
    monkeypatch.setattr(room.shutil, "which", has.get)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="make test-browser"):
        Browser()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=f"(?i)no {missing}"):
        Browser()
