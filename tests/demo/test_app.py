from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo import app
from tests.browser import not_here
from tests.demo import fake_ranker
from tests.webapp.serving import Served, served

__all__ = ["served"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The program sets variables and a signal's handler, as it owns its process."""
    variables, handler = dict(os.environ), signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(variables)


@pytest.fixture
def gradio() -> None:
    try:
        import gradio  # noqa: F401
    except ImportError:
        not_here("there is no gradio: pip install gradio")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--weights", "a.pth"], "1 --weights but 0 --config-file"),
        (["--config-file", "nothing.yaml"], "nothing.yaml"),
        (["--config-file", "msinet/salicon.yaml"], "name trained ones with --weights"),
        (["--keep-models", "0"], "at least 1 model"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--queue-size", "0"], "--queue-size"),
    ],
)
def test_what_cannot_work_is_one_line(
    gradio: None, arguments: list[str], said: str, capsys: pytest.CaptureFixture
) -> None:
    assert app.main(arguments) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: ") and said in last


def test_a_taken_port(gradio: None, capsys: pytest.CaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert app.main(["--port", str(port)]) == 2
    assert str(port) in capsys.readouterr().err.splitlines()[-1]


def test_serves_until_sigterm_and_leaves_nothing(
    gradio: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    import httpx

    config = fake_ranker.fake_config_file(tmp_path)
    seen: dict[str, Any] = {}

    class Waits:
        """In place of the event that the program waits for: looks at the page, then ends it."""

        def wait(self) -> None:
            address = re.search(r"http://\S+", capsys.readouterr().out)
            assert address is not None
            answer = httpx.get(address[0], trust_env=False, timeout=30)
            seen.update(status=answer.status_code, page=answer.text)
            seen["folder"] = Path(os.environ["GRADIO_TEMP_DIR"]).parent
            assert seen["folder"].is_dir()
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(app, "forever", Waits)
    assert app.main(["--config-file", str(config)]) == 130
    assert seen["status"] == 200
    for name in ("fake.yaml", "sor/tiny.yaml", "inspyrenet/tiny.yaml"):
        assert name in seen["page"]
    assert not seen["folder"].exists()
    assert "the page is closed" in capsys.readouterr().err


def test_the_example_of_the_readme(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Path
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "demo/README.md").read_text(), re.S)
    monkeypatch.chdir(pictures / "b")
    (pictures / "b" / "y.jpg").rename("photo.jpg")
    here: dict[str, Any] = {}
    exec(code.replace("http://127.0.0.1:7860", served.address), here)
    assert [Path(file).name for file in here["files"]] == ["photo_255-0-0.jpg", "photo_map.png"]
    assert len(here["table"]["data"]) == 2
