"""Builds a pure-Python detectron2 wheel from a source archive or folder, in memory.

Used by ``install_detectron2.py``. A file tree is a ``dict`` from path (with forward slashes) to
contents. Nothing of the archive's own set-up code is run.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import io
import re
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from detectron2_patches import C_STUB, PATCH_LEVEL, Patch, table_for

Files = dict[str, bytes]

SDIST_SHA256 = "53c9e79e9cc943e80419c588ea44b5479507a8628ed14a4e06bd093e29311b18"

# Where a file of the source tree goes in the wheel; files that match no row are left out.
_ROOMS = (
    ("detectron2/", "detectron2/"),
    ("configs/", "detectron2/model_zoo/configs/"),  # a git clone keeps them outside the package
    ("projects/PointRend/point_rend/", "detectron2/projects/point_rend/"),
    ("projects/DeepLab/deeplab/", "detectron2/projects/deeplab/"),
    ("projects/Panoptic-DeepLab/panoptic_deeplab/", "detectron2/projects/panoptic_deeplab/"),
)
_SUFFIXES = (".py", ".yaml")

_REQUIREMENTS = (
    "Pillow>=7.1",
    "matplotlib",
    "pycocotools>=2.0.2",
    "termcolor>=1.1",
    "yacs>=0.1.8",
    "tabulate",
    "cloudpickle",
    "tqdm>4.29.0",
    "tensorboard",
    "fvcore>=0.1.5,<0.1.6",
    "iopath>=0.1.7",
    "omegaconf>=2.1,<2.4",
    "hydra-core>=1.1",
    "black",
    "packaging",
)
_NOTICE = b"# Changed from the original: see detectron2/PATCHES.txt.\n"
_PATCHES_HEAD = """detectron2 {version}, packed without its compiled operators.

The files below differ from the published ones as shown; a file detectron2/_C.py, where there is
one, was added in place of the compiled module of that name. Everything else is as published by its
authors under the Apache License 2.0 (see LICENSE in the dist-info folder).

"""


class BuildError(Exception):
    """The wheel cannot be made; the text says why and what to do."""


def read_sdist(archive: bytes, *, sha256: str = SDIST_SHA256) -> Files:
    """The files of a ``.tar.gz`` without their common top folder.

    Raises:
        BuildError: the archive is not the one that ``sha256`` names.
    """
    found = hashlib.sha256(archive).hexdigest()
    if found != sha256:
        raise BuildError(
            f"The source archive has sha256 {found}, expected {sha256}. It is not the file this "
            "script was written for (a damaged download?); nothing was installed."
        )
    files: Files = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is not None:
                files[member.name.partition("/")[2]] = stream.read()
    return files


def read_folder(folder: Path) -> Files:
    """The files of a source folder (a git clone) that a wheel may need.

    Raises:
        BuildError: the folder holds no detectron2 source.
    """
    if not (folder / "detectron2" / "__init__.py").is_file():
        raise BuildError(f"{folder} is no detectron2 source folder: no detectron2/__init__.py.")
    paths = [folder / "LICENSE"]
    for room, _ in _ROOMS:
        paths += (path for path in (folder / room).rglob("*") if path.suffix in _SUFFIXES)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in paths if p.is_file()}


def package_files(source: Files) -> Files:
    """Those files of a source tree that belong in the wheel, at their places there."""
    files: Files = {}
    for path, data in source.items():
        for room, target in _ROOMS:
            if path.startswith(room) and path.endswith(_SUFFIXES):
                files[target + path[len(room) :]] = data
    return files


def apply_patches(files: Files, patches: Sequence[Patch]) -> Files:
    """A copy of ``files`` with every row of ``patches`` applied.

    Raises:
        BuildError: a row's file is missing, or its text is not there the expected number of times.
    """
    patched = dict(files)
    for row in patches:
        path = "detectron2/" + row.file
        if path not in patched:
            raise BuildError(f"{path} is missing in the detectron2 source; nothing was installed.")
        text = patched[path].decode("utf-8")
        found = text.count(row.old)
        if found != row.times:
            raise BuildError(
                f"{path}: {row.old!r} occurs {found} times, expected {row.times}. This source is "
                "not one that the patch table was written for; nothing was installed."
            )
        patched[path] = text.replace(row.old, row.new).encode("utf-8")
    changed = [path for path in files if patched[path] != files[path]]
    return {path: data + _NOTICE * (path in changed) for path, data in patched.items()}


def describe_changes(before: Files, after: Files, patches: Sequence[Patch], version: str) -> str:
    """The text of PATCHES.txt: the reasons, then one unified diff per changed file."""
    reasons = [f"{row.file}: {row.why}\n" for row in patches]
    parts = [_PATCHES_HEAD.format(version=version), *dict.fromkeys(reasons), "\n"]
    for path in sorted(before):
        old, new = (tree[path].decode("utf-8").splitlines(True) for tree in (before, after))
        parts += difflib.unified_diff(old, new, f"original/{path}", path, n=0)
    return "".join(parts)


def source_version(files: Files) -> str:
    """``__version__`` as written in ``detectron2/__init__.py``."""
    found = re.search(rb'^__version__ = "([^"]+)"', files["detectron2/__init__.py"], re.M)
    if not found:
        raise BuildError("detectron2/__init__.py names no __version__.")
    return found.group(1).decode()


def pure_package(source: Files) -> tuple[str, Files]:
    """``(version, files)`` of the patched package made from a source tree.

    Raises:
        BuildError: the tree is not one that the patch table knows.
    """
    before = package_files(source)
    upstream = source_version(before)
    is_main = "detectron2/modeling/backbone/vit.py" in before  # came after the tag v0.6
    try:
        patches = table_for(upstream, is_main=is_main)
    except KeyError:
        message = f"There is no patch table for detectron2 {upstream}; 0.5, 0.6 and main have one."
        raise BuildError(message) from None
    after = apply_patches(before, patches)
    if not is_main:  # main copes with a missing _C by itself, and a stub would mislead it
        after["detectron2/_C.py"] = C_STUB.encode("utf-8")
    after["detectron2/PATCHES.txt"] = describe_changes(before, after, patches, upstream).encode()
    return f"{upstream}+pure.{PATCH_LEVEL}", after


def _metadata(version: str) -> str:
    head = (
        "Metadata-Version: 2.1\nName: detectron2\n"
        f"Version: {version}\n"
        "Summary: detectron2 without its compiled operators, patched for current libraries.\n"
        "Home-page: https://github.com/facebookresearch/detectron2\n"
        "Author: FAIR\nLicense: Apache-2.0\nRequires-Python: >=3.8\n"
    )
    return head + "".join(f"Requires-Dist: {line}\n" for line in _REQUIREMENTS)


def _record(files: Files, path: str) -> bytes:
    lines = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{path},,\n"]).encode()


def write_wheel(source: Files, folder: Path) -> Path:
    """Writes the wheel of a source tree into ``folder`` and returns its path.

    Two wheels of the same tree are the same byte for byte: names are sorted and times are fixed.
    """
    version, files = pure_package(source)
    info = f"detectron2-{version}.dist-info"
    files = dict(sorted(files.items()))
    files[f"{info}/LICENSE"] = source.get("LICENSE", b"Apache License 2.0\n")
    files[f"{info}/METADATA"] = _metadata(version).encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: install_detectron2\n"
        b"Root-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files[f"{info}/top_level.txt"] = b"detectron2\n"
    files[f"{info}/RECORD"] = _record(files, f"{info}/RECORD")
    path = folder / f"detectron2-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # Unix, rw-r--r--
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED, 9)
    return path
