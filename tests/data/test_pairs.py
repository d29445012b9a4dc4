"""Files that belong together."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sor_ppa.data.pairs import Folder, files_of_kind, pair_by_stem
from sor_ppa.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def folders(root: Path, **options: object) -> dict[str, Folder]:
    return {kind: Folder(str(root / kind), **options) for kind in ("image", "mask")}


def stems(*arguments: object, **options: object) -> list[str]:
    return [pair.stem for pair in pair_by_stem(*arguments, **options)[0]]


def test_orders(tmp_path: Path) -> None:
    names = ["a2", "a10", "B1", "a.1"]
    random.Random(0).shuffle(names)
    touch(tmp_path, *(f"image/{n}.jpg" for n in names), *(f"mask/{n}.png" for n in names))
    assert stems(folders(tmp_path)) == ["a2", "a10", "a.1", "B1"]
    assert stems(folders(tmp_path), order="path") == sorted(names)


def test_order_is_that_of_file_names_with_their_suffixes(tmp_path: Path) -> None:
    # As published lists, which sort files: "a-1.jpg" < "a.jpg", though "a" < "a-1".
    touch(tmp_path, "image/a.jpg", "image/a-1.jpg", "mask/a.png", "mask/a-1.png")
    for order in ("natural", "path"):
        assert stems(folders(tmp_path), order=order) == ["a-1", "a"]


def test_kinds_keep_their_places(tmp_path: Path) -> None:
    touch(tmp_path, "image/1.jpg", "mask/1.png", "mask/2.png")
    pairs, problems = pair_by_stem(folders(tmp_path))
    assert list(pairs[0].paths) == ["image", "mask"]
    assert problems == [
        f"{tmp_path}/mask/2.png: no file of the same stem in {tmp_path}/image (image)"
    ]


def test_a_leading_kind_says_what_counts(tmp_path: Path) -> None:
    touch(tmp_path, "image/1.jpg", "image/2.jpg", "mask/2.png")
    assert pair_by_stem(folders(tmp_path), lead="mask")[1] == []
    pairs, problems = pair_by_stem(folders(tmp_path), lead="image")
    assert [pair.stem for pair in pairs] == ["2"]
    assert len(problems) == 1 and "1.jpg" in problems[0]


def test_wanted_stems_keep_their_order(tmp_path: Path) -> None:
    names = ["1", "2", "v/10", "v/9"]
    touch(tmp_path, *(f"image/{n}.jpg" for n in names), *(f"mask/{n}.png" for n in names))
    assert stems(folders(tmp_path), only=["2", "v", "1"]) == ["2", "v/9", "v/10", "1"]
    pairs, problems = pair_by_stem(folders(tmp_path), only=["2", "w"])
    assert [pair.stem for pair in pairs] == ["2"] and problems[0].startswith("w: no file")
    with pytest.raises(DataError, match="no picture in"):
        pair_by_stem(folders(tmp_path), only=[])


def test_optional_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "image/1.jpg", "image/2.jpg")
    assert stems(folders(tmp_path), optional=["mask"]) == ["1", "2"]
    touch(tmp_path, "mask/2.png", "mask/3.png")
    pairs, problems = pair_by_stem(folders(tmp_path), optional=["mask"])
    assert [list(pair.paths) for pair in pairs] == [["image"], ["image", "mask"]]
    assert problems == []


def test_endings_are_no_part_of_a_stem(tmp_path: Path) -> None:
    touch(tmp_path, "image/a.jpg", "image/b_map.jpg")
    touch(tmp_path, "mask/a_map.png", "mask/b_map_map.png", "mask/a.png", "mask/stray.png")
    mask = Folder(str(tmp_path / "mask"), ending="_map")
    pairs, problems = pair_by_stem({"image": Folder(str(tmp_path / "image")), "mask": mask})
    assert [(p.stem, Path(str(p.paths["mask"])).name) for p in pairs] == [
        ("a", "a_map.png"),
        ("b_map", "b_map_map.png"),
    ]
    assert problems == []


def test_folders_of_videos(tmp_path: Path) -> None:
    touch(tmp_path, "v/x/Imgs/1.png", "v/y/Imgs/1.png", "v/y/Imgs/deep/2.png", "v/list.txt")
    touch(tmp_path, "v/x/GT/1.png", "v/y/GT/1.png", "v/1.png")
    kinds = {kind: Folder(f"{tmp_path}/v/*/{kind}") for kind in ("Imgs", "GT")}
    pairs, problems = pair_by_stem(kinds)
    assert [pair.stem for pair in pairs] == ["x/1", "y/1"] and problems == []
    last = {"image": Folder(f"{tmp_path}/v/*"), "mask": Folder(f"{tmp_path}/v/*/GT")}
    with pytest.raises(DataError):
        pair_by_stem(last)


def test_a_missing_folder_of_videos_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none/\*/GT: no such folder"):
        pair_by_stem({"image": Folder(str(tmp_path)), "mask": Folder(f"{tmp_path}/none/*/GT")})


def test_each_stem_says_what_it_lacks(tmp_path: Path) -> None:
    touch(tmp_path, "image/1.jpg", "image/2.jpg", "depth/1.png", "depth/3.png", "mask/1.png")
    kinds = {kind: Folder(str(tmp_path / kind)) for kind in ("image", "mask", "depth")}
    pairs, problems = pair_by_stem(kinds)
    assert [pair.stem for pair in pairs] == ["1"]
    at = str(tmp_path)
    assert problems == [
        f"{at}/image/2.jpg: no file of the same stem in {at}/mask (mask) and in {at}/depth (depth)",
        f"{at}/depth/3.png: no file of the same stem in {at}/image (image) and in {at}/mask (mask)",
    ]


def test_files_of_one_kind(tmp_path: Path) -> None:
    kinds = {"image": Folder(str(tmp_path)), "mask": Folder(str(tmp_path / "masks"))}
    assert files_of_kind(kinds, "image") == {}
    touch(tmp_path, "a10.jpg", "a9.jpg", "v/1.jpg", "masks/a9.png")
    assert list(files_of_kind(kinds, "image").items()) == [
        (stem, str(tmp_path / f"{stem}.jpg")) for stem in ("a9", "a10", "v/1")
    ]


def test_a_named_video_has_the_frames_that_lead(tmp_path: Path) -> None:
    touch(tmp_path, "image/v/1.jpg", "image/v/2.jpg", "image/w/1.jpg", "mask/v/2.png")
    kinds = folders(tmp_path)
    pairs, problems = pair_by_stem(kinds, only=["v"], lead="mask")
    assert [pair.stem for pair in pairs] == ["v/2"] and problems == []
    # A frame that is named must be there.
    assert "v/1" in pair_by_stem(kinds, only=["v", "v/1"], lead="mask")[1][0]
