from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.showing import saliency_folder
from sor_ppa.showing.inputs import Source, expand_inputs, name_sources
from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
from sor_ppa.visualization.output_types import OutputType, parse_type


def options(*types: str, **others: Any) -> CutoutOptions:
    return CutoutOptions(types=tuple(parse_type(kind) for kind in types), **others)


def pictures(*paths: str | Path) -> list[Source]:
    return name_sources([Source("picture", str(path)) for path in paths])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"types": ()}, "at least one"),
        ({"bits": 12}, "8 or 16"),
        ({"threshold": 1.5}, "0 ... 1"),
        ({"threshold": -1.0}, "0 ... 1"),
        ({"format": "webp"}, "png, jpg, mp4, mov, webm"),
    ],
)
def test_options_that_cannot_work(values: dict, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CutoutOptions(**values)


@pytest.mark.parametrize(
    ("kind", "source", "values", "name"),
    [
        ("rgba", "a.jpg", {}, "a_rgba.png"),
        ("rgba", "a.jpg", {"format": "jpg"}, "a_rgba.png"),
        ("map", "a.jpg", {}, "a_map.png"),
        ("map", "a.jpg", {"format": "jpg"}, "a_map.jpg"),
        ("map", "a.jpg", {"format": "jpg", "bits": 16}, "a_map.png"),
        ("pyramid", "a.jpg", {"format": "jpg"}, "a_pyramid.png"),
        ("blur", "a.JPG", {}, "a_blur.jpg"),
        ("blur", "a.jpeg", {}, "a_blur.jpeg"),
        ("blur", "a.webp", {}, "a_blur.png"),
        ("blur", "a.jpg", {"format": "png"}, "a_blur.png"),
        ("blur", "a.jpg", {"format": "mp4"}, "a_blur.jpg"),
        ("255,0,0", "a.png", {}, "a_255-0-0.png"),
        ("green", "a.png", {"reverse": True}, "a_green_reverse.png"),
        ("white", "with space ü.png", {}, "with space ü_white.png"),
    ],
)
def test_names_of_pictures(tmp_path: Path, kind: str, source: str, values: dict, name: str) -> None:
    folder = SaliencyFolder(tmp_path, options=options(kind, **values))
    (named,) = pictures(f"/in/{source}")
    assert folder.paths(named) == [str(tmp_path / name)]


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        ("rgba", {}, "clip_rgba"),  # a folder of frames
        ("rgba", {"format": "mov"}, "clip_rgba.mov"),
        ("rgba", {"format": "webm"}, "clip_rgba.webm"),
        ("rgba", {"format": "png"}, "clip_rgba"),
        ("rgba", {"format": "jpg"}, "clip_rgba"),  # said of the pictures of the same run
        ("map", {}, "clip_map.mp4"),
        ("map", {"bits": 16, "format": "png"}, "clip_map"),
        ("blur", {"format": "webm", "reverse": True}, "clip_blur_reverse.webm"),
    ],
)
def test_names_of_videos(tmp_path: Path, kind: str, values: dict, name: str) -> None:
    folder = SaliencyFolder(tmp_path, options=options(kind, **values))
    (named,) = name_sources([Source("video", "/in/clip.avi")])
    assert folder.paths(named) == [str(tmp_path / name)]


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("rgba", {"format": "mp4"}, "no transparency"),
        ("pyramid", {}, "pictures"),
        ("blur", {"trim": True}, "--trim"),
        ("map", {"bits": 16}, "--format png"),
    ],
)
def test_what_no_video_can_be(tmp_path: Path, kind: str, values: dict, said: str) -> None:
    """Said before anything is loaded or written."""
    sources = name_sources([Source("video", "/in/clip.avi")])
    with pytest.raises(ConfigError, match=said):
        SaliencyFolder(tmp_path, sources=sources, options=options(kind, **values))


def test_same_names_in_two_folders_stay_apart(tmp_path: Path) -> None:
    sources = pictures("/in/a/x.jpg", "/in/b/x.jpg", "/in/b/x.png")
    folder = SaliencyFolder(tmp_path, sources=sources, options=options("rgba"))
    paths = [folder.paths(source)[0] for source in sources]
    wanted = ["a/x_rgba.png", "b/x_jpg_rgba.png", "b/x_png_rgba.png"]
    assert paths == [str(tmp_path / name) for name in wanted]


@pytest.mark.parametrize("stem", ["x" * 251, "ü" * 125, "漢" * 83])
def test_very_long_names(tmp_path: Path, stem: str) -> None:
    first, second = (Source("picture", f"/in/{stem}{k}", f"{stem}{k}", "x") for k in "ab")
    folder = SaliencyFolder(tmp_path, sources=[first, second], options=options("overlay"))
    paths = [Path(folder.paths(source)[0]) for source in (first, second)]
    for path in paths:
        path.with_name(path.stem + "_unfinished" + path.suffix).touch()  # the system takes it
    assert paths[0] != paths[1]
    assert paths[0].name.endswith("_overlay.png") and paths[0].name.startswith(stem[:20])


def test_two_results_of_one_name_are_refused(tmp_path: Path) -> None:
    clashing = (OutputType("picture", "y_map", background="y_map.jpg"), parse_type("map"))
    sources = pictures("/in/x.png", "/in/x_y.png")
    with pytest.raises(SaliencyError, match="x_y_map.png would be written twice"):
        SaliencyFolder(tmp_path, sources=sources, options=CutoutOptions(types=clashing))


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    for name in ("x.png", "x_rgba.png"):
        (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(SaliencyError, match="x_rgba.png is an input"):
        SaliencyFolder(tmp_path, sources=expand_inputs([str(tmp_path)]))
    link = tmp_path / "elsewhere"
    link.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(SaliencyError, match="is an input"):
        SaliencyFolder(link, sources=expand_inputs([str(tmp_path / "*.png")]))


@pytest.fixture
def done(tmp_path: Path) -> tuple[SaliencyFolder, list[Source]]:
    """A run that has finished one of two pictures."""
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"picture")
    sources = expand_inputs([str(tmp_path / "in")])
    folder = SaliencyFolder(tmp_path / "out", options=options("map"), info={"weights": "w"})
    (path,) = folder.paths(sources[0])
    Path(path).parent.mkdir()
    Path(path).touch()
    folder.keep(sources[0], [path])
    folder.save()
    return folder, sources


def again(folder: SaliencyFolder, **changes: Any) -> SaliencyFolder:
    values = {"options": folder.options, "info": {"weights": "w"}, "resume": True, **changes}
    return SaliencyFolder(folder.folder, **values)


def test_resume(done: tuple[SaliencyFolder, list[Source]]) -> None:
    folder, (a, b) = done
    assert [again(folder).has(source) for source in (a, b)] == [True, False]
    assert not again(folder, resume=False).has(a)
    assert not again(folder, options=options("map", "blur")).has(a)  # blur is not there
    stamp = os.stat(a.path)
    Path(a.path).write_bytes(b"another picture")
    assert not again(folder).has(a)
    Path(a.path).write_bytes(b"picture")
    os.utime(a.path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert again(folder).has(a)
    Path(folder.paths(a)[0]).unlink()
    assert not again(folder).has(a)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"info": {"weights": "v"}}, "weights = 'w', now it is 'v'"),
        ({"options": options("map", threshold=0.5)}, "threshold = None, now it is 0.5"),
        ({"options": options("map", trim=True)}, "trim"),
    ],
)
def test_resume_refuses_other_settings(
    done: tuple[SaliencyFolder, list[Source]], changes: dict, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        again(done[0], **changes)
    assert not again(done[0], resume=False, **changes).has(done[1][0])


def test_types_may_be_added_one_after_the_other(
    done: tuple[SaliencyFolder, list[Source]],
) -> None:
    folder, (a, _) = done
    more = again(folder, options=options("blur"))
    assert not more.has(a)
    (path,) = more.paths(a)
    Path(path).touch()
    more.keep(a, [path])
    more.save()
    assert again(folder, options=options("map", "blur")).has(a)


def test_own_results_are_known_for_good(done: tuple[SaliencyFolder, list[Source]]) -> None:
    folder, (a, _) = done
    assert SaliencyFolder.own_paths(folder.folder) == (str(folder.folder / "a_map.png"),)
    other = again(folder, options=options("blur"), resume=False)
    (path,) = other.paths(a)
    Path(path).touch()
    other.keep(a, [path])
    other.save()
    names = {os.path.basename(path) for path in SaliencyFolder.own_paths(folder.folder)}
    assert names == {"a_map.png", "a_blur.jpg"}


@pytest.mark.parametrize("text", ["", "{torn", "[]", '{"results": 3}', '{"format": 1}'])
def test_a_file_of_that_name_that_is_something_else(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "saliency.json").write_text(text)
    assert SaliencyFolder.own_paths(tmp_path) == ()
    assert "ignored" in caplog.text
    assert not SaliencyFolder(tmp_path, resume=True).has(pictures("/in/a.jpg")[0])


def test_nothing_done_writes_nothing(tmp_path: Path) -> None:
    SaliencyFolder(tmp_path / "out").save()
    assert not (tmp_path / "out").exists()


def test_the_list_is_saved_on_the_way(
    done: tuple[SaliencyFolder, list[Source]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, (_, b) = done
    folder.keep(b, folder.paths(b))
    assert len(json.loads(folder.json_path.read_text())["results"]) == 1
    monkeypatch.setattr(saliency_folder, "_SAVE_EVERY_SECONDS", -1.0)
    folder.keep(b, folder.paths(b))
    assert len(json.loads(folder.json_path.read_text())["results"]) == 2
