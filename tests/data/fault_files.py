"""Files of the table of faults: damaged, forged, or in a form that is easy to read wrongly."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

from tests.data.pictures import chunk, smooth_rgb

RGB = smooth_rgb(48, 64)
FORGED_SIDE = 60_000


def encoded(kind: str, array: np.ndarray = RGB, **options: object) -> bytes:
    """A picture as the content of a file."""
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def cut(kind: str, share: float) -> bytes:
    """The first part of a file."""
    data = encoded(kind)
    return data[: int(len(data) * share)]


def flipped(kind: str, place: float) -> bytes:
    """A file with one bit the other way round."""
    data = bytearray(encoded(kind))
    data[int(len(data) * place)] ^= 0x10
    return bytes(data)


def bad_checksum() -> bytes:
    """A PNG whose pixels are whole, but not what their checksum says."""
    data = bytearray(encoded("PNG"))
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    data[start + 4 + length] ^= 0xFF
    return bytes(data)


def after_header(block: bytes) -> bytes:
    """A PNG with one more block in front of its pixels."""
    data = encoded("PNG")
    return data[:33] + block + data[33:]


def text_bomb(kind: bytes) -> bytes:
    """A PNG with 100 MB of text in 100 kB."""
    fields = {b"zTXt": b"k\0\0", b"iTXt": b"k\0\1\0\0\0", b"iCCP": b"k\0\0"}
    return after_header(chunk(kind, fields[kind] + zlib.compress(b"a" * 100_000_000)))


def many_texts() -> bytes:
    """A PNG with 100 MB of text in blocks that are small enough each."""
    return after_header(chunk(b"tEXt", b"k\0" + b"a" * 900_000) * 100)


def colour_profile() -> bytes:
    """An ICC profile (sRGB)."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def broken_exif() -> bytes:
    """A JPEG with an EXIF block that is none."""
    return encoded("JPEG", exif=b"Exif\0\0not a TIFF header")


def animation(kind: str) -> bytes:
    """Three frames: red, blue, green."""
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def _patched(kind: str, place: Callable[[bytes], int], sizes: bytes) -> bytes:
    data = bytearray(encoded(kind))
    start = place(bytes(data))
    data[start : start + len(sizes)] = sizes
    return bytes(data)


def _forged_tiff() -> bytes:
    data = bytearray(encoded("TIFF"))
    start = struct.unpack("<I", data[4:8])[0]
    for entry in range(start + 2, start + 2 + 12 * data[start], 12):
        if struct.unpack("<H", data[entry : entry + 2])[0] in (256, 257):
            data[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, FORGED_SIDE)
    return bytes(data)


def forged_files() -> dict[str, bytes]:
    """Small files of every format whose headers promise 60,000 x 60,000 pixels (or the most)."""
    side = FORGED_SIDE
    png = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    whole = encoded("PNG")
    return {
        "PNG": whole[:8] + chunk(b"IHDR", png) + whole[33:],
        "BMP": _patched("BMP", lambda _: 18, struct.pack("<ii", side, side)),
        "GIF": _patched("GIF", lambda _: 6, struct.pack("<HH", side, side)),
        "JPEG": _patched(
            "JPEG", lambda d: d.index(b"\xff\xc0") + 5, struct.pack(">HH", side, side)
        ),
        "PPM": f"P6 {side} {side} 255\n".encode() + b"\0" * 100,
        "TGA": _patched("TGA", lambda _: 12, struct.pack("<HH", side, side)),
        "TIFF": _forged_tiff(),
        "WEBP": _patched(
            "WEBP", lambda d: d.index(b"\x9d\x01\x2a") + 3, struct.pack("<HH", 16383, 16383)
        ),
    }
