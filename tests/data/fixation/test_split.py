from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.data.fixation.split import drawn_split, split_stems
from sor_ppa.errors import DataError

# The first five of NumPy's legacy permutation of seed 42, which published splits are drawn by.
FIRST = {
    1003: [626, 629, 847, 514, 365],
    5168: [1564, 2916, 3414, 3159, 1397],
    850: [512, 357, 110, 684, 39],
    700: [158, 500, 396, 155, 321],
    149: [73, 18, 117, 78, 76],
    100: [83, 53, 70, 45, 44],
}


@pytest.mark.parametrize("count", FIRST)
def test_the_published_permutations(count: int) -> None:
    stems = [f"{index:04d}" for index in range(count)]
    parts = drawn_split(stems[::-1], 90)
    assert [int(stem) for stem in parts["train"][:5]] == FIRST[count]
    assert len(parts["train"]) == 90 and sorted(parts["train"] + parts["val"]) == stems


@pytest.mark.parametrize(("count", "train"), [(0, None), (1, None), (5, 5), (5, -1)])
def test_nothing_left_for_one_part(count: int, train: int | None) -> None:
    with pytest.raises(DataError, match="cannot be split"):
        drawn_split([str(index) for index in range(count)], train)


def test_written_once_and_read_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, stems = str(tmp_path / "split.json"), list("abcdefghij")
    train = split_stems(path, "train", stems, 7)
    val = split_stems(path, "val", stems, 3)  # drawn already: the count has no say any more
    assert (len(train), len(val)) == (7, 3)
    content = json.loads(Path(path).read_text())
    assert content["seed"] == 42 and content["train_count"] == 7 and content["val"] == val
    before = Path(path).read_bytes()
    assert split_stems(path, "train", [*stems, "new"]) == train
    assert "1 pictures came after the split was drawn" in caplog.text
    assert Path(path).read_bytes() == before


def test_pictures_that_are_gone(tmp_path: Path) -> None:
    path = str(tmp_path / "split.json")
    split_stems(path, "train", list("abcde"))
    with pytest.raises(DataError, match="picture 'b' of the split is not there"):
        split_stems(path, "train", list("acde"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[]", "expected an object"),
        ('{"train": ["a"]}', "expected an object"),
        ('{"train": ["a"], "val": [1]}', "expected an object"),
        ('{"train": ["a", "b"], "val": ["b"]}', "1 pictures are in both parts, e.g. b"),
        ("{", "not valid JSON"),
    ],
)
def test_files_that_are_no_split(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=words):
        split_stems(str(tmp_path / "split.json"), "train", ["a", "b"])


def test_four_fifths_by_default() -> None:
    assert len(drawn_split(np.arange(50).astype(str).tolist())["train"]) == 40
