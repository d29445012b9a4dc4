"""One small picture in every form the reader must understand."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 40


def smooth_rgb(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A colourful picture without sharp edges (JPEG keeps it well), uint8 (H, W, 3)."""
    ys, xs = np.mgrid[0:height, 0:width]
    channels = [255 * xs / width, 255 * ys / height, 128 + 100 * np.sin(xs / 15)]
    return np.stack(channels, axis=2).astype(np.uint8)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options: object) -> Path:
    """Saves an array with Pillow, after conversion to ``mode``."""
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def png(path: Path, array: np.ndarray, colour_type: int) -> Path:
    """Writes a 16-bit PNG by hand; Pillow writes none with colours.

    Args:
        path: file to write.
        array: uint16 (H, W, C).
        colour_type: 0 grey, 2 RGB, 4 grey + alpha, 6 RGBA.
    """
    height, width = array.shape[:2]
    rows = array.astype(">u2").reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*parts) for parts in chunks))
    return path


def chunk(kind: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def forged_png(path: Path, width: int, height: int) -> Path:
    """A PNG whose header promises more than there is."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


def cmyk_jpeg(path: Path, rgb: np.ndarray, *, kind: str) -> Path:
    """A four-channel JPEG of an RGB picture.

    Args:
        path: file to write.
        rgb: uint8 (H, W, 3).
        kind: "adobe" = inverted with Adobe's marker, "plain" = neither, "ycck" = inverted YCCK.
    """
    ink = np.asarray(Image.fromarray(rgb).convert("CMYK"))
    black = np.minimum(ink[:, :, :3].min(axis=2), 60)  # some of each in the fourth channel
    share = 255 - black.astype(float)
    colours = 255 - 255 * rgb.astype(float) / share[:, :, None]
    ink = np.dstack([colours.clip(0, 255).round(), black]).astype(np.uint8)
    if kind == "ycck":
        # libjpeg gives 255 - RGB(Y, Cb, Cr), the inverted inks. Pillow inverts what it saves.
        ycc = np.asarray(Image.fromarray(ink[:, :, :3]).convert("YCbCr"))
        ink = np.dstack([255 - ycc, ink[:, :, 3]])
    image = Image.frombytes("CMYK", rgb.shape[1::-1], np.ascontiguousarray(ink).tobytes())
    if kind == "plain":
        image = Image.frombytes("CMYK", image.size, bytes(255 - value for value in image.tobytes()))
    image.save(path, quality=100, subsampling=0)
    data = path.read_bytes()
    start = data.index(b"\xff\xee")
    if kind == "plain":
        data = (
            data[:start] + data[start + 2 + struct.unpack(">H", data[start + 2 : start + 4])[0] :]
        )
    if kind == "ycck":
        data = data[: start + 15] + b"\x02" + data[start + 16 :]
    path.write_bytes(data)
    return path


def exif(orientation: int) -> bytes:
    """An EXIF block with an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def turned(array: np.ndarray, orientation: int) -> np.ndarray:
    """What must be stored so that a viewer that honours ``orientation`` shows ``array``."""
    stored = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.swapaxes(0, 1),
        6: np.rot90(array, 1),
        7: array[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(array, -1),
    }
    return np.ascontiguousarray(stored[orientation])
