"""The checksums of a PNG's pixels, which Pillow passes over."""

from __future__ import annotations

import struct
import zlib
from typing import IO

__all__ = ["check_png"]

_PIECE = 1 << 20


def check_png(file: IO[bytes]) -> None:
    """Compares the checksums of all blocks of pixels with their contents.

    A damaged byte mostly breaks the compressed stream, which Pillow notices; one near the end of it
    may just make other pixels. A file that ends too early is left to the decoder to complain of.

    Args:
        file: a PNG; its position is as before afterwards.

    Raises:
        ValueError: a checksum is wrong.
    """
    before = file.tell()
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            break
        if kind != b"IDAT":
            file.seek(length + 4, 1)
            continue
        if not _is_sound(file, length, kind):
            raise ValueError("damaged: a checksum of its pixels is wrong; get the file again")
    file.seek(before)


def _is_sound(file: IO[bytes], length: int, kind: bytes) -> bool:
    checksum = zlib.crc32(kind)
    while length > 0 and (piece := file.read(min(length, _PIECE))):
        checksum = zlib.crc32(piece, checksum)
        length -= len(piece)
    stated = file.read(4)
    return len(stated) < 4 or stated == struct.pack(">I", checksum)
