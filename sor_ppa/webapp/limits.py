"""What the page takes: how large a picture may be, as a file and in pixels."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sor_ppa.data.image_io import image_size, read_image
from sor_ppa.errors import ConfigError, ImageError


@dataclass(frozen=True)
class Limits:
    """Pictures above these are refused before they are decoded.

    Attributes:
        pixels: width times height.
        megabytes: of the file (1 MB = 1,000,000 bytes).

    Raises:
        ConfigError: a limit below 1.
    """

    pixels: int = 40_000_000
    megabytes: float = 30

    def __post_init__(self) -> None:
        if self.pixels < 1 or not self.megabytes > 0:
            raise ConfigError(
                f"a page that takes {self.pixels} pixels and {self.megabytes} MB takes no picture: "
                "raise --max-pixels, --max-megabytes"
            )

    @property
    def bytes(self) -> int:
        """The largest file."""
        return int(self.megabytes * 1_000_000)

    def __str__(self) -> str:
        return f"{self.megabytes:g} MB and {self.pixels / 1e6:g} million pixels"


def read_limited(path: str | Path, limits: Limits) -> tuple[np.ndarray, list[str]]:
    """A picture within the limits, and what its reader warned of.

    Args:
        path: any picture that :func:`~sor_ppa.data.image_io.read_image` takes.
        limits: checked by the file's size and its header.

    Returns:
        uint8 (H, W, 3), blue first, upright; sentences.

    Raises:
        ImageError: no picture, damaged, or too large; names the file without its folder.
    """
    path = Path(path)
    try:
        size = os.path.getsize(path)
        if size > limits.bytes:
            raise ImageError(
                f"{path}: {size / 1e6:.1f} MB; this page takes pictures up to {limits}"
            )
        height, width = image_size(path)
        if height * width > limits.pixels:
            raise ImageError(
                f"{path}: {width} x {height} = {height * width / 1e6:.1f} million pixels; this "
                f"page takes pictures up to {limits}"
            )
        with _warnings() as heard:
            image = read_image(path, max_pixels=limits.pixels)
    except FileNotFoundError as error:
        raise ImageError(f"{path.name}: no such file") from error
    except ImageError as error:
        raise ImageError(without_folder(str(error), path)) from error
    return image, [without_folder(text, path) for text in heard]


def without_folder(text: str, path: str | Path) -> str:
    """The same text with a file's path cut to its name: folders of the server are its own."""
    return text.replace(str(path), Path(path).name)


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that the readers of pictures log in this thread."""
    heard: list[str] = []
    log, thread = logging.getLogger("sor_ppa.data"), threading.get_ident()

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                heard.append(record.getMessage())

    ear = Ear(logging.WARNING)
    log.addHandler(ear)
    try:
        yield heard
    finally:
        log.removeHandler(ear)
