"""What is in the files that belong to one picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.file_facts import Facts, facts_of
from sor_ppa.data.image_io import write_image
from sor_ppa.data.pairs import Pair

NOISE = np.random.default_rng(0).integers(1, 255, (6, 8, 3), dtype=np.uint8)
BLACK = np.zeros((6, 8), np.uint8)


def facts(folder: Path, **arrays: np.ndarray) -> Facts:
    paths: dict[str, str | list[str]] = {}
    for kind, array in {"image": NOISE, **arrays}.items():
        paths[kind] = str(folder / f"{kind}.png")
        write_image(folder / f"{kind}.png", array)
    return facts_of(Pair("a", paths))


def test_a_picture_alone(tmp_path: Path) -> None:
    assert facts_of(Pair("a", {})) == Facts()
    assert facts(tmp_path) == Facts(size=(6, 8))


def test_modalities_of_all_forms(tmp_path: Path) -> None:
    depth = np.array([[0, 257 * 40]], np.uint16).repeat(24).reshape(6, 8)
    found = facts(tmp_path, depth=depth, thermal=NOISE[:, :, 0], flow=NOISE)
    assert found.modalities["thermal"] == "L" and found.modalities["flow"] == "RGB"
    assert found.brightest_of_16_bits == {"depth": 40}
    assert (found.errors, found.differing, found.empty) == ([], {}, {})


@pytest.mark.parametrize(
    ("kind", "value", "empty"),
    [("depth", 0, True), ("thermal", 7, True), ("flow", 0, True), ("flow", 255, False)],
)
def test_modalities_without_content(tmp_path: Path, kind: str, value: int, empty: bool) -> None:
    found = facts(tmp_path, **{kind: BLACK + np.uint8(value)})
    assert found.empty == ({kind: [str(tmp_path / f"{kind}.png")]} if empty else {})


def test_other_sizes_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    found = facts(tmp_path, mask=BLACK[:5], depth=NOISE[:, :7], thermal=NOISE)
    assert found.differing == {k: [str(tmp_path / f"{k}.png")] for k in ("mask", "depth")}
    whole = (tmp_path / "thermal.png").read_bytes()
    (tmp_path / "thermal.png").write_bytes(whole[:60])  # the header is sound
    paths: dict[str, str | list[str]] = {
        kind: str(tmp_path / f"{kind}.png") for kind in ("image", "thermal", "depth")
    }
    found = facts_of(Pair("a", paths))
    assert len(found.errors) == 1 and "thermal.png" in found.errors[0]
    assert found.modalities == {"depth": "RGB"}
