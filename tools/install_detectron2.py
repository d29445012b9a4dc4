"""Makes detectron2 importable: keeps the one that is installed, else builds a pure-Python 0.5.

detectron2 is not on PyPI. What is there is ``detectron2-cdo``, a source archive of version 0.5
without its C++ files. This script takes exactly that file (pinned by sha256), changes the few lines
that today's torch, NumPy, Pillow and setuptools no longer run, and installs the result as
``detectron2 0.5+pure.N``. It needs no compiler and no git; torch and torchvision must be there.

What such a build lacks: rotated boxes, deformable convolution on CUDA and the fast COCO evaluator.
sor_ppa uses none of them.

Usage::

    python tools/install_detectron2.py                    # use what is installed, else build 0.5
    python tools/install_detectron2.py --force            # build even so
    python tools/install_detectron2.py --sdist FILE       # from a file you have downloaded
    python tools/install_detectron2.py --source CLONE     # from a git clone (v0.5, v0.6 or main)
    python tools/install_detectron2.py --wheel-only DIR   # only write the wheel

pip's own configuration (index, proxy, certificates, ``PIP_*``) is used for everything.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from importlib import metadata, util
from pathlib import Path

from detectron2_wheel import SDIST_SHA256, BuildError, read_folder, read_sdist, write_wheel

_SDIST = "detectron2-cdo==0.5"
_MIN_TORCH = (2, 3)

_NO_TORCH = """{names} must be installed before detectron2, and the two must fit each other.
Take the pair that sor_ppa was tested with:
    {python} -m pip install {pins}
(CPU only, or another CUDA: see https://pytorch.org/get-started/locally/)"""

_NO_DOWNLOAD = """The download of {sdist} failed; pip said:

{output}

What you can do:
  * try again, with pip's settings for your network (PIP_INDEX_URL, PIP_PROXY, PIP_CERT);
  * fetch detectron2_cdo-0.5.tar.gz from PyPI by other means, then
        python tools/install_detectron2.py --sdist detectron2_cdo-0.5.tar.gz
  * build the official version, which needs git and a C++ compiler:
        pip install "setuptools<82" wheel ninja
        pip install --no-build-isolation "git+https://github.com/facebookresearch/detectron2"
    (with FORCE_CUDA=0 in front for CPU only)
  * clone that repository and pack it without a compiler:
        python tools/install_detectron2.py --source path/to/detectron2"""

# pip runs the archive's setup.py to learn its metadata, and that imports torch. This is enough.
_TORCH_STUB = {
    "torch/__init__.py": (
        '__version__ = "2.0.0"\n\n\n'
        "class cuda:\n    is_available = staticmethod(lambda: False)\n\n\n"
        "class version:\n    hip = None\n"
    ),
    "torch/utils/__init__.py": "",
    "torch/utils/cpp_extension.py": (
        "from setuptools import Extension as CppExtension, Extension as CUDAExtension\n"
        "from setuptools.command.build_ext import build_ext as BuildExtension\n\n"
        "CUDA_HOME = ROCM_HOME = None\n"
    ),
}

# Each runs in a fresh process outside the current folder and prints one line of JSON.
_PROBE = """
import json
try:
    import detectron2
except ModuleNotFoundError as error:
    print(json.dumps({"missing": error.name, "error": str(error)}))
except Exception as error:
    print(json.dumps({"missing": None, "error": f"{type(error).__name__}: {error}"}))
else:
    try:
        from detectron2 import _C
        compiled = not getattr(_C, "IS_STUB", False)
    except ImportError as error:
        compiled = False
    print(json.dumps({"version": getattr(detectron2, "__version__", "unknown"),
                      "file": getattr(detectron2, "__file__", None), "compiled": compiled}))
"""
_SELF_CHECK = """
import json, warnings
warnings.simplefilter("ignore")
from detectron2 import model_zoo
from detectron2.engine import DefaultTrainer
from detectron2.modeling import build_model
cfg = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml")
cfg.MODEL.DEVICE = "cpu"
model = build_model(cfg)
print(json.dumps({"parameters": sum(p.numel() for p in model.parameters())}))
"""


def _run_code(code: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:  # so that no folder beside us is imported
        return subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
        )


def probe() -> dict[str, object]:
    """What ``import detectron2`` gives in a fresh process: version, file, compiled; or an error."""
    done = _run_code(_PROBE)
    if done.returncode:
        return {"missing": None, "error": done.stderr.strip()[-2000:]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def self_check() -> None:
    """Builds a Mask R-CNN on the CPU with the installed detectron2.

    Raises:
        BuildError: it does not work; the text ends with the traceback.
    """
    done = _run_code(_SELF_CHECK)
    if done.returncode:
        raise BuildError(f"detectron2 was installed but does not work:\n{done.stderr[-4000:]}")


def check_torch() -> None:
    """Refuses to go on without torch and torchvision.

    Raises:
        BuildError: one is missing, or torch is older than the patched code needs.
    """
    missing = [name for name in ("torch", "torchvision") if util.find_spec(name) is None]
    if missing:
        pins = " ".join(_pinned("torch", "torchvision"))
        names = " and ".join(missing)
        raise BuildError(_NO_TORCH.format(names=names, python=sys.executable, pins=pins))
    version = metadata.version("torch")
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < _MIN_TORCH:
        raise BuildError(f"torch {version} is installed; the patched detectron2 needs 2.3 or later")


def _pinned(*names: str) -> list[str]:
    """The lines of requirements.txt for ``names``, or the bare names without that file."""
    path = Path(__file__).resolve().parent.parent / "requirements.txt"
    lines = path.read_text(encoding="utf-8").split() if path.is_file() else []
    pins = {line.partition("==")[0]: line for line in lines if "==" in line}
    return [pins.get(name, name) for name in names]


def _pip(python: Path, arguments: Sequence[str], **env: str) -> str:
    """Runs pip and returns what it said; raises ``CalledProcessError`` with it in ``output``."""
    command = [str(python), "-m", "pip", *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout


def _old_pip(folder: Path) -> Path:
    """The Python of a throw-away environment in ``folder`` whose pip accepts the archive.

    pip 26.3 refuses it because its metadata names a URL dependency; pip before 26 does not mind.
    """
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    listing = json.loads(_pip(python, ["--disable-pip-version-check", "list", "--format=json"]))
    have = {row["name"]: int(row["version"].split(".")[0]) for row in listing}
    fits = have.get("pip", 99) < 26 and have.get("setuptools", 99) < 82 and "wheel" in have
    if not fits:
        _pip(python, ["install", "--quiet", "pip<26", "setuptools<82", "wheel"])
    return python


def download_sdist() -> bytes:
    """The pinned source archive, fetched by pip (which checks the hash as well).

    Raises:
        BuildError: pip failed; the text tells what else can be done.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for path, text in _TORCH_STUB.items():
            (folder / "stub" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "stub" / path).write_text(text, encoding="utf-8")
        pin = folder / "pin.txt"
        pin.write_text(f"{_SDIST} --hash=sha256:{SDIST_SHA256}\n", encoding="utf-8")
        options = ["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
        command = ["download", *options, "-r", str(pin), "-d", str(folder / "got")]
        try:
            _pip(_old_pip(folder / "venv"), command, PYTHONPATH=str(folder / "stub"))
        except subprocess.CalledProcessError as error:
            output = str(error.output or error)[-3000:]
            raise BuildError(_NO_DOWNLOAD.format(sdist=_SDIST, output=output)) from None
        return next((folder / "got").iterdir()).read_bytes()


def build_wheel(folder: Path, *, sdist: Path | None = None, source: Path | None = None) -> Path:
    """Writes the wheel into ``folder`` from an archive, a source folder or (neither) a download."""
    if source is not None:
        return write_wheel(read_folder(source), folder)
    archive = sdist.read_bytes() if sdist is not None else download_sdist()
    return write_wheel(read_sdist(archive), folder)


def install(wheel: Path, *, replace: bool) -> None:
    """Installs ``wheel`` and what it needs into the environment of this Python.

    Raises:
        BuildError: pip failed.
    """
    python = Path(sys.executable)
    try:
        if replace:
            _pip(python, ["install", "--force-reinstall", "--no-deps", str(wheel)])
        _pip(python, ["install", str(wheel)])
    except subprocess.CalledProcessError as error:
        raise BuildError(
            f"pip could not install {wheel.name}:\n{error.output[-3000:]}\n"
            "With an installer of your own (uv, conda, ...): write the wheel by --wheel-only DIR, "
            "then for instance `uv pip install DIR/*.whl`."
        ) from None


def _describe(found: dict[str, object]) -> str:
    kind = "with" if found["compiled"] else "without"
    return f"detectron2 {found['version']} ({kind} compiled operators) at {found['file']}"


def run(args: argparse.Namespace) -> None:
    """Does what the command line asks for.

    Raises:
        BuildError: with a text for the user.
    """
    if args.wheel_only:
        args.wheel_only.mkdir(parents=True, exist_ok=True)
        print(build_wheel(args.wheel_only, sdist=args.sdist, source=args.source))
        return
    check_torch()
    found = probe()
    if "version" in found and not args.force:
        print(f"Using the installed {_describe(found)}. (--force replaces it.)")
        return
    if "error" in found and found["missing"] != "detectron2" and not args.force:
        raise BuildError(
            f"detectron2 is installed but does not import: {found['error']}\n"
            "Repair it, or replace it by the pure-Python build with --force."
        )
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder), sdist=args.sdist, source=args.source)
        install(wheel, replace=args.force)
        self_check()
    why = "as asked" if args.force else "because none was installed"
    print(f"Installed {wheel.name} ({why}): {_describe(probe())}; a Mask R-CNN builds with it.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--force", action="store_true", help="replace an installed detectron2")
    origin = parser.add_mutually_exclusive_group()
    origin.add_argument("--sdist", type=Path, metavar="FILE", help="detectron2_cdo-0.5.tar.gz")
    origin.add_argument("--source", type=Path, metavar="DIR", help="a clone of detectron2")
    parser.add_argument("--wheel-only", type=Path, metavar="DIR", help="write the wheel, stop")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status (2 for an error the user can cure)."""
    try:
        run(_parser().parse_args(argv))
    except (BuildError, OSError) as error:
        print(f"install_detectron2: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
