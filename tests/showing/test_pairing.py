from __future__ import annotations

import logging
from pathlib import Path

import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.showing.inputs import NoInputError, Source, expand_inputs
from sor_ppa.showing.pairing import find_beside, folders_inside, pair_sources, with_own_motion


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [
        "rgb/a/x.jpg", "rgb/b/x.jpg", "rgb/b/y.jpg", "rgb/z.png", "rgb/clip.mp4",
        "depth/a/x.png", "depth/b/x.png", "depth/b/y.PNG", "depth/z.tif", "depth/clip.avi",
        "rgb2/x.jpg", "depth2/x.png", "part/b/y.png", "part/b/odd.png", "part/z.png",
        "part/z.webp", "one.jpg", "other_name.png", "frames/f10.jpg", "frames/f2.jpg",
        "frames/f9.jpg", "nest/p.jpg", "nest/q.jpg", "nest/depth/p.png", "nest/depth/q.png",
    ]:  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inside(path: str) -> str:
    return Path(path).relative_to(Path.cwd()).as_posix()


def pairs(inputs: list[str], others: list[str], kind: str = "depth") -> tuple[dict, list[str]]:
    """Input -> its partner (None = missing), both below the folder; the lines of what is over."""
    found = pair_sources(expand_inputs(inputs), expand_inputs(others), kind)
    partner = {
        inside(s.path): inside(s.beside.paths[0]) if s.beside and s.beside.paths else None
        for s in found.sources
    }
    return partner, found.unused


WHOLE = {
    "rgb/clip.mp4": "depth/clip.avi", "rgb/z.png": "depth/z.tif", "rgb/a/x.jpg": "depth/a/x.png",
    "rgb/b/x.jpg": "depth/b/x.png", "rgb/b/y.jpg": "depth/b/y.PNG",
}  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "others", "wanted"),
    [
        (["rgb"], ["depth"], WHOLE),
        (["rgb/"], ["./depth"], WHOLE),
        (["rgb/*/*.jpg"], ["depth"], {k: v for k, v in WHOLE.items() if "jpg" in k}),
        (["rgb/b/y.jpg"], ["depth/b"], {"rgb/b/y.jpg": "depth/b/y.PNG"}),
        (["rgb/b/y.jpg", "rgb/z.png"], ["depth/z.tif", "depth/b/y.PNG"],
         {"rgb/b/y.jpg": "depth/b/y.PNG", "rgb/z.png": "depth/z.tif"}),
        (["one.jpg"], ["other_name.png"], {"one.jpg": "other_name.png"}),
        (["rgb/a"], ["depth2"], {"rgb/a/x.jpg": "depth2/x.png"}),
        # As many folders on both sides: the first with the first.
        (["rgb/a", "rgb2"], ["depth/a", "depth2"],
         {"rgb/a/x.jpg": "depth/a/x.png", "rgb2/x.jpg": "depth2/x.png"}),
        (["rgb2", "rgb/a"], ["depth/a", "depth2"],
         {"rgb2/x.jpg": "depth/a/x.png", "rgb/a/x.jpg": "depth2/x.png"}),
    ],
)  # fmt: skip
def test_pairs(inputs: list[str], others: list[str], wanted: dict) -> None:
    found, unused = pairs(inputs, others)
    assert found == wanted
    assert unused == [] or "rgb/*/*.jpg" in inputs or "rgb/b/y.jpg" in inputs


def test_nothing() -> None:
    assert pair_sources([], [], "depth") == ([], [])
    found, unused = pair_sources([], expand_inputs(["depth2"]), "depth")
    assert found == [] and len(unused) == 1
    found, unused = pair_sources(expand_inputs(["rgb2"]), [], "depth")
    assert unused == [] and "no depth map" in found[0].beside.missing
    assert with_own_motion([]) == []


def test_every_file_without_partner_is_named() -> None:
    sources, unused = pair_sources(expand_inputs(["rgb"]), expand_inputs(["part"]), "thermal")
    missing = {inside(s.path): s.beside.missing for s in sources if s.beside.missing}
    assert set(missing) == {"rgb/clip.mp4", "rgb/a/x.jpg", "rgb/b/x.jpg"}
    assert "rgb/a/x.jpg: no thermal picture of the same stem (a/x)" in missing["rgb/a/x.jpg"]
    assert "needs a video" in missing["rgb/clip.mp4"]
    assert len(unused) == 2
    assert "part/z.webp: same stem as z.png, which is used" in unused[0]
    assert "part/b/odd.png: no picture of the same stem (b/odd) in --input" in unused[1]


def test_one_partner_for_two_inputs_is_no_partner() -> None:
    sources, unused = pair_sources(
        expand_inputs(["rgb/a", "rgb/b", "rgb2"]), expand_inputs(["depth2"]), "depth"
    )
    first, second, third, fourth = (source.beside for source in sources)
    assert first.paths and unused == []
    assert "same stem (x) as" in second.missing and "in pairs" in second.missing
    assert "(y)" in third.missing and "same stem (x) as" in fourth.missing


@pytest.mark.parametrize(
    ("source", "others", "kind", "said"),
    [
        (Source("webcam", "0"), ["depth"], "depth", "webcam has no depth map"),
        (Source("webcam", "0"), ["depth"], "flow", ""),
        (Source("video", "/v.mp4", stem="v"), ["depth2"], "flow", ""),
        (Source("video", "/v.mp4", stem="v"), ["depth2"], "thermal", "a video needs a video"),
        (Source("video", "/v.mp4", stem="v"), ["depth"], "flow", "no optical flow of the same"),
        (Source("picture", "/v.jpg", stem="v"), ["depth2", "one.jpg"], "flow", "no optical flow"),
    ],
)
def test_what_is_computed_and_what_is_missing(
    source: Source, others: list[str], kind: str, said: str
) -> None:
    (found,) = pair_sources([source], expand_inputs(others), kind).sources
    assert found.beside.kind == kind and found.beside.paths == ()
    assert (said in found.beside.missing) if said else not found.beside.missing


def test_results_name_the_file_below_what_both_sides_share() -> None:
    sources, _ = pair_sources(expand_inputs(["rgb2"]), expand_inputs(["depth2"]), "depth")
    assert [source.beside.label for source in sources] == ["depth2/x.png"]


@pytest.mark.parametrize(
    ("inner", "outer", "found"),
    [
        ([], [], []),
        (["nest/depth"], ["nest"], ["nest/depth"]),
        (["nest/depth/"], ["./nest/"], ["nest/depth"]),
        (["nest"], ["nest"], []),
        (["nest"], ["nest/depth"], []),
        (["depth2"], ["depth"], []),
        (["nest/depth/p.png"], ["nest"], []),
    ],
)
def test_folders_inside(inner: list[str], outer: list[str], found: list[str]) -> None:
    assert [inside(path) for path in folders_inside(inner, outer)] == found


def test_finding_leaves_inputs_out() -> None:
    found = find_beside(["nest/depth"], ["nest"], ())
    assert [inside(s.path) for s in found] == ["nest/depth/p.png", "nest/depth/q.png"]
    found = find_beside(["nest"], ["nest/depth"], [str(Path("nest/q.jpg").absolute())])
    assert [inside(s.path) for s in found] == ["nest/p.jpg"]
    with pytest.raises(NoInputError, match="no --modality-input matched 'gone'"):
        find_beside(["gone"], ["nest"], ())
    with pytest.raises(ConfigError, match="webcam"):
        find_beside(["webcam"], ["nest"], ())


def test_frames_of_a_folder(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sources = with_own_motion(
            [*expand_inputs(["frames", "rgb/clip.mp4", "one.jpg"]), Source("webcam", "0")]
        )
    beside = {Path(s.path).name: tuple(Path(p).name for p in s.beside.paths) for s in sources}
    assert beside == {
        "f2.jpg": ("f2.jpg", "f9.jpg"),
        "f9.jpg": ("f9.jpg", "f10.jpg"),
        "f10.jpg": ("f9.jpg", "f10.jpg"),  # the last: from the one before
        "clip.mp4": (),
        "one.jpg": ("one.jpg", "one.jpg"),
        "0": (),
    }
    assert "one.jpg: the only frame" in caplog.text and caplog.text.count("only frame") == 1
    assert [Path(s.path).name for s in sources][0] == "f10.jpg"  # the order of the inputs stays
