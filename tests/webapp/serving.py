"""The page of fake models, served on this machine, for tests of its API and in the browser."""

from __future__ import annotations

import os

# Read when huggingface_hub is imported, which gradio's client does: it asks that hub otherwise.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.webapp.answers import Studio
from sor_ppa.webapp.limits import Limits
from tests.browser import not_here
from tests.webapp.fakes import fake_studio

QUEUE_SIZE = 3
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", None, ""}


@dataclass
class Served:
    """A running page.

    Attributes:
        address: where it is.
        page: gradio's blocks.
        studio: what answers.
        cache: gradio's folder of uploads and results.
        work: where answers are made.
        outside: other machines that this process asked for.
    """

    address: str
    page: Any
    studio: Studio
    cache: Path
    work: Path
    outside: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all tests of a process; it takes pictures of 1 MB, and few at a time."""
    root = tmp_path_factory.mktemp("page")
    folders = {name: root / name for name in ("cache", "work", "configs")}
    for folder in folders.values():
        folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folders["cache"]))
        patch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
        try:
            from sor_ppa.webapp.page import Traffic, build_page, launch
        except ConfigError:
            not_here("there is no gradio: pip install gradio")
        outside: list[str] = []
        asked = socket.getaddrinfo

        def noted(host: Any, *args: Any, **options: Any) -> Any:
            if (host.decode() if isinstance(host, bytes) else host) not in _HERE:
                outside.append(str(host))
            return asked(host, *args, **options)

        patch.setattr(socket, "getaddrinfo", noted)
        studio = fake_studio(folders["configs"], Limits(megabytes=1))
        page = build_page(studio, Traffic(queue_size=QUEUE_SIZE), work=folders["work"])
        address = launch(page, studio)
        yield Served(address, page, studio, folders["cache"], folders["work"], outside)
        page.close(verbose=False)
