"""Tests of patching and packing detectron2, on small made-up source trees."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def patches() -> ModuleType:
    sys.path.insert(0, str(TOOLS))
    import detectron2_patches

    return detectron2_patches


@pytest.fixture(scope="module")
def wheels(patches: ModuleType) -> ModuleType:
    import detectron2_wheel

    return detectron2_wheel


def make_source(patches: ModuleType, version: str = "0.5", *, is_main: bool = False) -> dict:
    """A tree in which every row of the patch table hits exactly as often as it should."""
    files = {
        "detectron2/__init__.py": f'__version__ = "{version}"\n',
        "detectron2/model_zoo/configs/a/b.yaml": "X: 1\n",
        "projects/PointRend/point_rend/__init__.py": "point = 1\n",
        "projects/PointRend/train_net.py": "left out\n",
        "projects/Panoptic-DeepLab/panoptic_deeplab/__init__.py": "",
        "detectron2/native.cpp": "left out\n",
        "tools/train_net.py": "left out\n",
        "LICENSE": "the licence\n",
    }
    if is_main:
        files["detectron2/modeling/backbone/vit.py"] = ""
    for row in patches.table_for(version, is_main=is_main):
        path = "detectron2/" + row.file
        text = files.get(path, "")
        files[path] = text + "\n" + (row.old + "\n") * (row.times - text.count(row.old))
    return {path: text.encode() for path, text in files.items()}


def make_sdist(source: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        folder = tarfile.TarInfo("detectron2_cdo-0.5/detectron2")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for path, data in source.items():
            member = tarfile.TarInfo(f"detectron2_cdo-0.5/{path}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def write_tree(source: dict[str, bytes], folder: Path) -> Path:
    for path, data in source.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


# ------------------------------------------------------------------------------------- reading


def test_sdist_with_another_hash_is_refused(patches: ModuleType, wheels: ModuleType) -> None:
    archive = make_sdist(make_source(patches))
    with pytest.raises(wheels.BuildError, match="sha256.*nothing was installed"):
        wheels.read_sdist(archive)
    with pytest.raises(wheels.BuildError, match="sha256"):
        wheels.read_sdist(b"")


def test_sdist_and_folder_give_the_same_package(
    patches: ModuleType, wheels: ModuleType, tmp_path: Path
) -> None:
    source = make_source(patches)
    archive = make_sdist(source)
    read = wheels.read_sdist(archive, sha256=hashlib.sha256(archive).hexdigest())
    assert read == source
    folder = write_tree(source, tmp_path)
    assert wheels.pure_package(wheels.read_folder(folder)) == wheels.pure_package(source)


def test_a_folder_without_detectron2_is_refused(wheels: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(wheels.BuildError, match="no detectron2 source folder"):
        wheels.read_folder(tmp_path)


def test_package_files(wheels: ModuleType) -> None:
    source = {
        "detectron2/a.py": b"1",
        "detectron2/a.cpp": b"2",
        "configs/x/y.yaml": b"3",
        "configs/x/z.py": b"4",
        "projects/DeepLab/deeplab/m.py": b"5",
        "projects/DeepLab/train.py": b"6",
        "projects/ViTDet/m.py": b"7",
        "setup.py": b"8",
    }
    assert wheels.package_files({}) == {}
    assert wheels.package_files(source) == {
        "detectron2/a.py": b"1",
        "detectron2/model_zoo/configs/x/y.yaml": b"3",
        "detectron2/model_zoo/configs/x/z.py": b"4",
        "detectron2/projects/deeplab/m.py": b"5",
    }


# ------------------------------------------------------------------------------------ patching


@pytest.mark.parametrize(
    ("text", "count", "problem"),
    [
        ("old old", 2, None),
        ("old old", 1, "occurs 2 times, expected 1"),
        ("old", 2, "occurs 1 times, expected 2"),
        ("", 1, "occurs 0 times, expected 1"),
        (None, 1, "is missing"),
    ],
)
def test_counts_must_match_exactly(
    patches: ModuleType, wheels: ModuleType, text: str | None, count: int, problem: str | None
) -> None:
    files = {"detectron2/b.py": b"old\n"}
    if text is not None:
        files["detectron2/a.py"] = text.encode()
    row = patches.Patch("a.py", "old", "new", count, "because")
    if problem:
        with pytest.raises(wheels.BuildError, match=f"detectron2/a.py.*{problem}"):
            wheels.apply_patches(files, [row])
        return
    after = wheels.apply_patches(files, [row])
    assert after["detectron2/a.py"].startswith(b"new new")
    assert b"PATCHES.txt" in after["detectron2/a.py"]  # the licence asks for a mark
    assert after["detectron2/b.py"] == b"old\n"
    assert files["detectron2/a.py"] == b"old old"  # the input is left alone


def test_no_patches_change_nothing(wheels: ModuleType) -> None:
    assert wheels.apply_patches({"detectron2/a.py": b"x"}, []) == {"detectron2/a.py": b"x"}


def test_rows_of_one_file_work_on_top_of_each_other(
    patches: ModuleType, wheels: ModuleType
) -> None:
    rows = [patches.Patch("a.py", "a", "b", 1, ""), patches.Patch("a.py", "b", "c", 2, "")]
    after = wheels.apply_patches({"detectron2/a.py": b"a b\n"}, rows)
    assert after["detectron2/a.py"].splitlines()[0] == b"c c"


@pytest.mark.parametrize(("version", "is_main"), [("0.5", False), ("0.6", False), ("0.6", True)])
def test_known_versions(
    patches: ModuleType, wheels: ModuleType, version: str, is_main: bool
) -> None:
    name, files = wheels.pure_package(make_source(patches, version, is_main=is_main))
    assert name == f"{version}+pure.{patches.PATCH_LEVEL}"
    assert ("detectron2/_C.py" in files) == (not is_main)  # main wants it missing
    zoo = files["detectron2/model_zoo/model_zoo.py"]
    assert b"pkg_resources" not in zoo and b"os.path.abspath(__file__)" in zoo
    notes = files["detectron2/PATCHES.txt"].decode()
    assert "-import pkg_resources\n" in notes
    assert ("Image.LINEAR" in notes) == (not is_main)


def test_one_row_off_stops_the_build(patches: ModuleType, wheels: ModuleType) -> None:
    source = make_source(patches)
    source["detectron2/engine/hooks.py"] += b"torch.optim.lr_scheduler._LRScheduler\n"
    with pytest.raises(wheels.BuildError, match="hooks.py.*occurs 3 times, expected 2"):
        wheels.pure_package(source)


def test_an_unknown_version_is_refused(patches: ModuleType, wheels: ModuleType) -> None:
    source = make_source(patches)
    source["detectron2/__init__.py"] = b'__version__ = "0.7"\n'
    with pytest.raises(wheels.BuildError, match="no patch table for detectron2 0.7"):
        wheels.pure_package(source)
    source["detectron2/__init__.py"] = b""
    with pytest.raises(wheels.BuildError, match="no __version__"):
        wheels.pure_package(source)


def test_every_row_of_the_table_changes_something(patches: ModuleType) -> None:
    assert len(patches.TABLE) == 32
    for row in patches.TABLE:
        assert row.old != row.new and row.times > 0 and row.why


def test_the_stand_in_for_compiled_code(patches: ModuleType) -> None:
    stub = ModuleType("_C")
    exec(patches.C_STUB, stub.__dict__)
    assert stub.IS_STUB and not stub.has_cuda()
    assert stub.get_compiler_version() == stub.get_cuda_version() != ""
    assert not hasattr(stub, "__wrapped__")  # inspection must get an AttributeError
    with pytest.raises(NotImplementedError, match="box_iou_rotated.*compiled.*[oO]fficial"):
        stub.box_iou_rotated  # noqa: B018


# ------------------------------------------------------------------------------------- packing


@pytest.fixture
def wheel(patches: ModuleType, wheels: ModuleType, tmp_path: Path) -> Path:
    return wheels.write_wheel(make_source(patches), tmp_path)


def test_wheel_name_and_contents(wheel: Path) -> None:
    assert wheel.name == "detectron2-0.5+pure.1-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    info = "detectron2-0.5+pure.1.dist-info"
    for name in ("LICENSE", "METADATA", "WHEEL", "RECORD", "top_level.txt"):
        assert f"{info}/{name}" in names
    for name in ("_C.py", "PATCHES.txt", "model_zoo/configs/a/b.yaml", "projects/point_rend"):
        assert any(path.startswith(f"detectron2/{name}") for path in names), name
    assert not any("train_net" in name or name.endswith(".cpp") for name in names)


def test_record_is_right(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        record = next(name for name in archive.namelist() if name.endswith("RECORD"))
        rows = list(csv.reader(archive.read(record).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(archive.namelist())
        for name, digest, size in rows:
            if name == record:
                assert (digest, size) == ("", "")
                continue
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
            assert digest == "sha256=" + expected.rstrip("=")
            assert int(size) == len(data)


def test_metadata_names_licence_and_requirements(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = "detectron2-0.5+pure.1.dist-info"
        metadata = archive.read(f"{info}/METADATA").decode()
        assert archive.read(f"{info}/LICENSE") == b"the licence\n"
    assert "\nVersion: 0.5+pure.1\n" in metadata
    assert "\nLicense: Apache-2.0\n" in metadata
    assert "Requires-Dist: iopath>=0.1.7\n" in metadata
    assert "torch" not in metadata


def test_wheel_is_reproducible(patches: ModuleType, wheels: ModuleType, tmp_path: Path) -> None:
    source = make_source(patches)
    backwards = dict(reversed(list(source.items())))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first = wheels.write_wheel(source, tmp_path / "a")
    second = wheels.write_wheel(backwards, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_pip_accepts_the_wheel(wheel: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target"]
    done = subprocess.run(
        [*command, str(tmp_path / "site"), str(wheel)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "detectron2" / "_C.py").is_file()
    assert (tmp_path / "site" / "detectron2-0.5+pure.1.dist-info" / "METADATA").is_file()
