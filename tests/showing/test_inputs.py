from __future__ import annotations

import os
from pathlib import Path

import pytest

from sor_ppa.showing.inputs import (
    NoInputError,
    Source,
    expand_inputs,
    name_sources,
    sample_pictures,
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [
        "in/a/x.jpg", "in/b/x.jpg", "in/b/x.png", "in/b/deep/y.JPG", "in/b/notes.txt",
        "in/clip.mp4", "in/.hidden.jpg", "other/z.webp", "alone.bin", "[odd] $name ü.png",
        "-dash.png", "out/overlays/old.jpg", "out/overview.png", "out/mine.png",
    ]:  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(sources: list[Source]) -> list[str]:
    return [source.name for source in sources]


def labels(sources: list[Source]) -> list[str]:
    return [source.label for source in sources]


@pytest.mark.parametrize(
    "specs", [[], ["missing.jpg"], ["*.xyz"], ["nowhere/"], ["empty"], ["a.jpg", "b/*.png"]]
)
def test_nothing_matches(tree: Path, specs: list[str]) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(NoInputError, match="no input matched") as caught:
        expand_inputs(specs)
    assert all(repr(spec) in str(caught.value) for spec in specs)


def test_folder_is_searched_in_order(tree: Path) -> None:
    sources = expand_inputs(["in"])
    assert labels(sources) == ["clip.mp4", "a/x.jpg", "b/x.jpg", "b/x.png", "b/deep/y.JPG"]
    assert names(sources) == ["clip", "a/x", "b/x_jpg", "b/x_png", "b/deep/y"]
    assert [source.kind for source in sources] == ["video"] + ["picture"] * 4
    assert all(os.path.isabs(source.path) for source in sources)


@pytest.mark.parametrize(
    ("specs", "found"),
    [
        (["in/a/x.jpg"], ["x"]),
        (["alone.bin"], ["alone"]),  # named: read whatever its suffix
        (["in/a/x.jpg", "in/b/x.jpg"], ["a/x", "b/x"]),
        (["in/a/x.jpg", "other/z.webp"], ["in/a/x", "other/z"]),
        (["in/a", "in/a/x.jpg", "in/*/x.jpg", "in/a/../a/x.jpg"], ["a/x", "b/x"]),
        (["in/b/*"], ["deep/y", "x_jpg", "x_png"]),
        (["in/**"], ["a/x", "b/deep/y", "b/x_jpg", "b/x_png", "clip"]),
        (["in/**/*.jpg"], ["a/x", "b/x"]),
        (["[[]odd*"], ["[odd] $name ü"]),
        (["[odd] $name ü.png"], ["[odd] $name ü"]),  # a file of that very name comes first
        (["-dash.png"], ["-dash"]),
        (["webcam"], ["webcam0"]),
        (["webcam:2", "other"], ["webcam2", "z"]),
    ],
)
def test_names(tree: Path, specs: list[str], found: list[str]) -> None:
    assert sorted(names(expand_inputs(specs))) == sorted(found)


def test_missing_among_others_is_kept_to_be_reported(tree: Path) -> None:
    sources = expand_inputs(["in/a/x.jpg", "in/a/gone.jpg"])
    assert labels(sources) == ["x.jpg", "gone.jpg"]


def test_results_of_an_earlier_run_are_passed_over(tree: Path) -> None:
    own = ["out/overlays", "out/overview.png"]
    assert labels(expand_inputs(["out"], exclude=own)) == ["mine.png"]
    assert labels(expand_inputs(["out/*", "out/**"], exclude=own)) == ["mine.png"]
    # Whoever names one of them gets it.
    assert labels(expand_inputs(["out/overview.png"], exclude=own)) == ["overview.png"]


def test_loops_of_links_end(tree: Path) -> None:
    (tree / "in/a/loop").symlink_to(tree / "in", target_is_directory=True)
    assert len(expand_inputs(["in"])) == 5


def test_names_never_leave_the_folder(tree: Path) -> None:
    for source in expand_inputs(["in/a/../../other/z.webp", str(tree / "in/a/x.jpg"), "/dev/null"]):
        assert not os.path.isabs(source.name)
        assert ".." not in source.name.split("/")


def test_names_are_unique_without_case() -> None:
    paths = ["/p/a.jpg", "/p/A.JPG", "/p/a.png", "/p/a_jpg.png", "/p/b.jpg"]
    named = name_sources([Source("picture", path) for path in paths])
    assert len({source.name.lower() for source in named}) == 5
    assert named[4].name == "b"
    assert [source.label for source in named] == ["a.jpg", "A.JPG", "a.png", "a_jpg.png", "b.jpg"]
    assert name_sources([]) == []


def test_samples_are_files_that_ship_with_scikit_image() -> None:
    pytest.importorskip("skimage")
    paths = sample_pictures()
    assert len(paths) >= 4
    assert all(Path(path).stat().st_size > 10_000 for path in paths)


def test_samples_without_scikit_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NoInputError, match="pip install scikit-image"):
        sample_pictures()
