"""Tiny copies of benchmarks, in any of the layouts of the table."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from sor_ppa.data.benchmarks import Layout
from sor_ppa.data.pairs import Folder
from tests.data.fixation.mat_writers import write_osie, write_pascal

# In natural order; plain sorting puts the second one first.
STEMS = ("img2", "img10.v1.final", "imh")
VIDEOS = ("bear", "select_1")
HEIGHT, WIDTH = 6, 8


def write_set(root: Path, layout: Layout) -> list[str]:
    """Writes three pictures and what belongs to them; returns their stems in natural order.

    Suffixes are .jpg, .JPG and .png where the layout allows; one mask has 16 bits, one a palette,
    one is a JPEG. Files that operating systems leave behind lie around.
    """
    stems = _stems(layout)
    for kind, folder in layout.folders.items():
        for number, stem in enumerate(stems):
            suffix = _suffix(kind, folder, number)
            path = root / _place(folder, stem + folder.ending + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_encoded(kind == "mask", number, suffix.lower()))
        (path.parent / f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (path.parent / "Thumbs.db").write_bytes(b"\xd0\xcf")
    if layout.points:
        # A point a picture, in the order in which the pictures are read.
        points = [[(number, 1)] for number in range(len(stems))]
        if Path(layout.points).name == "pascalFix.mat":
            write_pascal(root / layout.points, points)
        else:
            write_osie(root / layout.points, [[one] for one in points])
    for path in layout.lists:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("\n".join([*stems, ""]))
    return stems


def _stems(layout: Layout) -> list[str]:
    starred = any("*" in folder.path for folder in layout.folders.values())
    if starred or "JPEGImages" in layout.folders["image"].path:
        return [f"{VIDEOS[0]}/{stem}" for stem in STEMS] + [f"{VIDEOS[1]}/{STEMS[0]}"]
    return list(STEMS)


def _suffix(kind: str, folder: Folder, number: int) -> str:
    wanted = {"mask": (".png", ".PNG", ".jpg")}.get(kind, (".jpg", ".JPG", ".png"))
    allowed = [suffix for suffix in wanted if suffix.lower() in folder.suffixes]
    return allowed[number % len(allowed)]


def _place(folder: Folder, name: str) -> Path:
    if "*" not in folder.path:
        return Path(folder.path) / name
    video, _, frame = name.partition("/")
    return Path(folder.path.replace("*", video)) / frame


@cache
def _encoded(is_mask: bool, number: int, suffix: str) -> bytes:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[1:4, 2:6] = 255
    image = Image.fromarray(mask)
    if not is_mask:
        image = Image.fromarray(np.full((HEIGHT, WIDTH, 3), 40 * number, np.uint8))
    elif number == 0:
        image = Image.fromarray(mask.astype(np.uint16) * 257)
    elif number == 1:
        image = Image.fromarray((mask > 0).astype(np.uint8))
        image.putpalette([0, 0, 0, 128, 0, 0])
    buffer = io.BytesIO()
    image.save(buffer, "PNG" if suffix == ".png" else "JPEG")
    return buffer.getvalue()
