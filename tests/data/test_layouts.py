"""Every layout of every benchmark, in the small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.benchmarks import BENCHMARKS, Benchmark, Layout, Part, Split
from sor_ppa.data.benchmarks.rows import folders_layout, same_folder, video_archive
from sor_ppa.data.dense.folders import FIELDS
from sor_ppa.data.layouts import drawn_part, find_layout, split_dicts
from sor_ppa.data.mask_io import read_mask
from sor_ppa.errors import DataError
from tests.data.benchmark_sets import HEIGHT, STEMS, WIDTH, write_set

ROWS = [(row, name) for row in BENCHMARKS for name in row.registered() if not row.loader]


@pytest.mark.parametrize(("row", "name"), ROWS, ids=[name for _, name in ROWS])
def test_every_layout_is_found_and_read(tmp_path: Path, row: Benchmark, name: str) -> None:
    split = row.registered()[name]
    assert split.layouts
    for number, layout in enumerate(split.layouts):
        root = tmp_path / str(number)
        stems = write_set(root, layout)
        found = find_layout(split, str(root))
        assert found is not None and found.family == layout.family
        for kind, folder in layout.folders.items():
            assert found.folders[kind].path == str(root / folder.path)
        dicts, _ = split_dicts(row, name, str(root))
        if split.part is None:
            wanted = stems if split.order == "natural" else sorted(stems)
            assert [item["image_id"] for item in dicts] == wanted
        _check_dicts(dicts, layout, split)


def _check_dicts(dicts: list[dict], layout: Layout, split: Split) -> None:
    keys = {"file_name", "image_id", *(FIELDS[kind] for kind in layout.folders if kind in FIELDS)}
    if split.lead == "mask":
        keys |= {"video_id", "frame_index"}
    files = keys - {"image_id", "video_id", "frame_index"}
    keys |= {"fixations"} if layout.points else set()
    keys |= {"fixation_sigma"} if split.sigma else set()
    for item in dicts:
        assert set(item) == keys
        for key in files:
            assert Path(item[key]).is_file()
        if "sem_seg_file_name" in item:
            mask = read_mask(item["sem_seg_file_name"], (HEIGHT, WIDTH), "threshold")
            assert mask.sum() == 12 and mask[1:4, 2:6].all()


def row_of(*layouts: Layout, count: int | None = None, **options: object) -> Benchmark:
    split = Split(count, layouts=layouts, **options)
    return Benchmark("made_up", "sod", {"": split}, "none", "https://example.org/set", "free")


PLAIN = folders_layout("plain", image="A/images", mask="A/masks")
OTHER = folders_layout("other", image="A/images", mask="A/segmentations")


def test_nothing_there_names_every_folder_and_the_homepage(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        split_dicts(row_of(PLAIN, same_folder("flat", "B")), "made_up", str(tmp_path))
    text = str(caught.value)
    for part in (str(tmp_path), "A/images, B", "https://example.org/set", "DETECTRON2_DATASETS"):
        assert part in text


def test_of_two_layouts_the_whole_one_is_taken(tmp_path: Path) -> None:
    write_set(tmp_path, OTHER)
    dicts, layout = split_dicts(row_of(PLAIN, OTHER), "made_up", str(tmp_path))
    assert layout.family == "other" and len(dicts) == 3


def test_missing_masks_are_named(tmp_path: Path) -> None:
    write_set(tmp_path, PLAIN)
    for path in (tmp_path / "A/masks").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no picture in .*A/images has files of the same stem"):
        split_dicts(row_of(PLAIN), "made_up", str(tmp_path))
    (tmp_path / "A/masks").rmdir()
    with pytest.raises(DataError, match=r"A/masks: no such folder \(mask\)"):
        split_dicts(row_of(PLAIN), "made_up", str(tmp_path))


def test_all_faults_are_listed_at_once(tmp_path: Path) -> None:
    write_set(tmp_path, PLAIN)
    (tmp_path / "A/masks/img2.png").unlink()
    (tmp_path / "A/images/imh.png").unlink()
    (tmp_path / "A/images/img10.v1.final.webp").write_bytes(b"")
    with pytest.raises(DataError) as caught:
        split_dicts(row_of(PLAIN), "made_up", str(tmp_path))
    assert len(caught.value.problems) == 3
    for part in ("img2.jpg: no file", "imh.jpg: no file", "img10.v1.final.webp: same stem as"):
        assert part in str(caught.value)


LISTED = same_folder("flat", "A", lists=("A/train.txt", "A/val.txt"))


@pytest.mark.parametrize(
    ("train", "val", "wanted"),
    [
        ("", "imh.jpg", ["imh"]),
        ("imh\n# not this\n\nimg2.png\n", "img2", ["imh", "img2"]),
        ("A/img10.v1.final.jpg", "", ["img10.v1.final"]),
    ],
)
def test_list_files_choose_and_order(
    tmp_path: Path, train: str, val: str, wanted: list[str]
) -> None:
    write_set(tmp_path, LISTED)
    (tmp_path / "A/train.txt").write_text(train)
    (tmp_path / "A/val.txt").write_text(val)
    dicts, _ = split_dicts(row_of(LISTED), "made_up", str(tmp_path))
    assert [item["image_id"] for item in dicts] == wanted


def test_faulty_list_files(tmp_path: Path) -> None:
    write_set(tmp_path, LISTED)
    (tmp_path / "A/val.txt").write_text("img2\ngone\n")
    with pytest.raises(DataError, match="gone: no file of the same stem"):
        split_dicts(row_of(LISTED), "made_up", str(tmp_path))
    (tmp_path / "A/val.txt").unlink()
    with pytest.raises(DataError, match="A/val.txt: cannot be read.*one a line"):
        split_dicts(row_of(LISTED), "made_up", str(tmp_path))


VIDEO = video_archive(
    *(f"V/{kind}/480p" for kind in ("JPEGImages", "Annotations", "optical")), lists=("V/list.txt",)
)


@pytest.mark.parametrize(
    "text",
    [
        "cow\n",
        "/JPEGImages/480p/cow/00.jpg /Annotations/480p/cow/00.png\n"
        "/JPEGImages/480p/cow/01.jpg /Annotations/480p/cow/01.png\n",
    ],
)
def test_video_lists(tmp_path: Path, text: str) -> None:
    for place in ("JPEGImages/480p/{}.jpg", "Annotations/480p/{}.png"):
        for stem in ("bear/00", "cow/00", "cow/01"):
            path = tmp_path / "V" / place.format(stem)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"")
    (tmp_path / "V/list.txt").write_text(text)
    dicts, _ = split_dicts(row_of(VIDEO, lead="mask"), "made_up", str(tmp_path))
    assert [(i["image_id"], i["video_id"], i["frame_index"]) for i in dicts] == [
        ("cow/00", "cow", 0),
        ("cow/01", "cow", 1),
    ]


def test_masks_say_which_frames_count(tmp_path: Path) -> None:
    layout = folders_layout("v", image="V/i", mask="V/m", flow="V/f")
    layout = replace(layout, optional=("flow",))
    for name in ("i/1.jpg", "i/2.jpg", "i/3.jpg", "m/1.png", "m/3.png", "f/1.jpg"):
        (tmp_path / "V" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "V" / name).write_bytes(b"")
    dicts, _ = split_dicts(row_of(layout, lead="mask"), "made_up", str(tmp_path))
    assert [(item["image_id"], item["frame_index"]) for item in dicts] == [("1", 0), ("3", 1)]
    assert ["flow_file_name" in item for item in dicts] == [True, False]
    # The flow of the third frame, the last one, is that from the second, which has no mask.
    neighbours = [(item.get("next_file_name"), item.get("previous_file_name")) for item in dicts]
    assert neighbours == [(None, None), (None, str(tmp_path / "V/i/2.jpg"))]
    (tmp_path / "V/i/3.jpg").unlink()
    with pytest.raises(DataError, match="m/3.png: no file of the same stem in .*V/i"):
        split_dicts(row_of(layout, lead="mask"), "made_up", str(tmp_path))


def test_masks_of_several_objects_are_united(tmp_path: Path) -> None:
    from PIL import Image

    layout = video_archive("S/images", "S/truth", "S/optical", several=True)
    for place, at in (
        ("truth/one/00.png", 0),
        ("truth/two/1/00.png", 0),
        ("truth/two/2/00.png", 3),
    ):
        mask = np.zeros((4, 4), np.uint8)
        mask[at] = 255
        (tmp_path / "S" / place).parent.mkdir(parents=True)
        Image.fromarray(mask).save(tmp_path / "S" / place)
    for video in ("one", "two"):
        (tmp_path / "S/images" / video).mkdir(parents=True)
        (tmp_path / "S/images" / video / "00.jpg").write_bytes(b"")
    dicts, _ = split_dicts(row_of(layout, lead="mask"), "made_up", str(tmp_path))
    assert [item["image_id"] for item in dicts] == ["one/00", "two/00"]
    masks = [read_mask(item["sem_seg_file_name"]) for item in dicts]
    assert [mask.sum(axis=1).tolist() for mask in masks] == [[4, 0, 0, 0], [4, 0, 0, 4]]


VIDEO_ROWS = [(row, name) for row, name in ROWS if row.registered()[name].is_video]


@pytest.mark.parametrize(("row", "name"), VIDEO_ROWS, ids=[name for _, name in VIDEO_ROWS])
def test_video_sets_without_flow_pictures_load(tmp_path: Path, row: Benchmark, name: str) -> None:
    for number, layout in enumerate(row.registered()[name].layouts):
        root = tmp_path / str(number)
        assert "flow" in layout.optional
        without = {kind: folder for kind, folder in layout.folders.items() if kind != "flow"}
        write_set(root, replace(layout, folders=without))
        dicts, _ = split_dicts(row, name, str(root))
        *bear, only = dicts
        assert [item["video_id"] for item in dicts] == ["bear"] * 3 + ["select_1"]
        assert [item.get("next_file_name") for item in bear] == [
            *(item["file_name"] for item in bear[1:]),
            None,
        ]
        assert bear[2]["previous_file_name"] == bear[1]["file_name"]
        assert not only.keys() & {"next_file_name", "previous_file_name", "flow_file_name"}


@pytest.mark.parametrize(
    ("count", "train", "first"),
    [
        (1003, 803, [626, 629, 847, 514, 365]),
        (5168, 4168, [1564, 2916, 3414, 3159, 1397]),
        (850, 650, [512, 357, 110, 684, 39]),
        (700, 500, [158, 500, 396, 155, 321]),
        (149, 99, [73, 18, 117, 78, 76]),
    ],
)
def test_drawn_splits_are_the_published_ones(count: int, train: int, first: list[int]) -> None:
    ours = drawn_part(count, Part(train, train=True))
    assert ours[:5] == first and len(ours) == train
    assert sorted(ours + drawn_part(count, Part(train, train=False))) == list(range(count))


def test_drawn_split_of_groups() -> None:
    train = drawn_part(2000, Part(80, train=True, group=100))
    assert train[:5] == [83, 53, 70, 45, 44] and len(train) == 1600
    assert train[80:85] == [183, 153, 170, 145, 144]
    val = drawn_part(2000, Part(80, train=False, group=100))
    assert sorted(train + val) == list(range(2000))


def test_drawn_parts_of_nothing() -> None:
    assert drawn_part(0, None) == drawn_part(0, Part(5, train=True)) == []
    assert drawn_part(3, None) == [0, 1, 2]


def test_sets_that_are_drawn_count_what_is_drawn() -> None:
    for row in BENCHMARKS:
        drawn = [split for split in row.splits.values() if split.part]
        if drawn:
            assert sum(split.count or 0 for split in drawn) in (1003, 2000, 5168, 850, 700, 149)
            assert all(split.order == "path" for split in drawn)


def test_stray_points_file_of_mit1003_is_passed_over(tmp_path: Path) -> None:
    row = next(row for row in BENCHMARKS if row.name == "mit1003")
    layout = row.splits["train"].layouts[0]
    write_set(tmp_path, layout)
    (tmp_path / layout.folders["fixation"].path / "img2fixPts.jpg").write_bytes(b"")
    dicts, _ = split_dicts(row, "mit1003_train", str(tmp_path))
    assert sorted(item["image_id"] for item in dicts) == sorted(STEMS)
