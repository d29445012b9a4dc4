"""Tests of the detectron2 installer's decisions; the one with a real download is slow."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SCRIPT = TOOLS / "install_detectron2.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))  # as `python tools/install_detectron2.py` does
    spec = importlib.util.spec_from_file_location("install_detectron2_under_test", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(**changes: object) -> argparse.Namespace:
    defaults = {"force": False, "sdist": None, "source": None, "wheel_only": None}
    return argparse.Namespace(**{**defaults, **changes})


@pytest.fixture
def calls(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces every step with an effect by a note of what was called, on an empty machine."""
    seen: list[str] = []

    def build(folder: Path, **origin: object) -> Path:
        seen.append("build")
        return folder / "detectron2.whl"

    def install(wheel: Path, *, replace: bool) -> None:
        seen.append(f"install {wheel.name} {replace}")

    monkeypatch.setattr(script, "check_torch", lambda: None)
    monkeypatch.setattr(script, "probe", lambda: _INSTALLED if seen else _MISSING)
    monkeypatch.setattr(script, "build_wheel", build)
    monkeypatch.setattr(script, "install", install)
    monkeypatch.setattr(script, "self_check", lambda: seen.append("check"))
    return seen


_MISSING = {"missing": "detectron2", "error": "No module named 'detectron2'"}
_BROKEN = {"missing": "yacs", "error": "No module named 'yacs'"}
_INSTALLED = {"version": "0.6", "file": "/site/detectron2/__init__.py", "compiled": True}


def test_builds_when_nothing_is_installed(
    script: ModuleType, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    script.run(arguments())
    assert calls == ["build", "install detectron2.whl False", "check"]
    assert "because none was installed" in capsys.readouterr().out


@pytest.mark.parametrize("compiled", [True, False])
def test_keeps_what_is_installed_and_says_which(
    script: ModuleType,
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    compiled: bool,
) -> None:
    monkeypatch.setattr(script, "probe", lambda: {**_INSTALLED, "compiled": compiled})
    script.run(arguments())
    assert calls == []
    text = capsys.readouterr().out
    assert "installed detectron2 0.6" in text and "/site/detectron2" in text
    assert ("without compiled" in text) == (not compiled)


@pytest.mark.parametrize("found", [_INSTALLED, _BROKEN])
def test_force_replaces_it(
    script: ModuleType, calls: list[str], monkeypatch: pytest.MonkeyPatch, found: dict
) -> None:
    monkeypatch.setattr(script, "probe", lambda: _INSTALLED if calls else found)
    script.run(arguments(force=True))
    assert calls == ["build", "install detectron2.whl True", "check"]


def test_a_broken_installation_is_not_overwritten(
    script: ModuleType, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "probe", lambda: _BROKEN)
    with pytest.raises(script.BuildError, match="does not import: No module named 'yacs'"):
        script.run(arguments())
    assert calls == []


def test_wheel_only_needs_no_torch_and_installs_nothing(
    script: ModuleType, calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(script, "check_torch")
    script.run(arguments(wheel_only=tmp_path / "new" / "folder"))
    assert calls == ["build"]
    assert (tmp_path / "new" / "folder").is_dir()


@pytest.mark.parametrize("missing", [("torch",), ("torchvision",), ("torch", "torchvision")])
def test_missing_torch_is_told_with_the_pinned_pair(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    monkeypatch.setattr(script.util, "find_spec", lambda name: None if name in missing else name)
    with pytest.raises(script.BuildError) as caught:
        script.check_torch()
    first, *rest = str(caught.value).splitlines()
    assert first.startswith(" and ".join(missing) + " must be installed")
    lines = (TOOLS.parent / "requirements.txt").read_text().splitlines()
    pins = " ".join(line for line in lines if line.startswith("torch"))
    assert pins.count("==") == 2
    assert any(line.endswith(f"pip install {pins}") for line in rest)


@pytest.mark.parametrize(
    ("version", "accepted"),
    [("1.13.1", False), ("2.2.2+cu121", False), ("2.3.0", True), ("2.15.0+cpu", True)],
)
def test_torch_must_not_be_older_than_the_patches(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, version: str, accepted: bool
) -> None:
    monkeypatch.setattr(script.util, "find_spec", lambda name: name)
    monkeypatch.setattr(script.metadata, "version", lambda name: version)
    if accepted:
        script.check_torch()
        return
    with pytest.raises(script.BuildError, match="2.3 or later"):
        script.check_torch()


def test_a_failed_download_says_what_to_try(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> Path:
        raise subprocess.CalledProcessError(1, "pip", output="no route to host")

    monkeypatch.setattr(script, "_old_pip", fail)
    with pytest.raises(script.BuildError) as caught:
        script.download_sdist()
    for hint in ("no route to host", "--sdist", "--source", "git+https", "PIP_INDEX_URL"):
        assert hint in str(caught.value)


def test_a_failed_installation_shows_what_pip_said(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(python: Path, arguments: list[str]) -> str:
        raise subprocess.CalledProcessError(1, "pip", output="No module named pip")

    monkeypatch.setattr(script, "_pip", fail)
    with pytest.raises(script.BuildError, match="(?s)x.whl.*No module named pip.*--wheel-only"):
        script.install(tmp_path / "x.whl", replace=False)


def test_pip_is_run_with_the_users_settings_and_the_stub(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download command: hash mode, an absolute PYTHONPATH, the environment passed through."""
    seen: dict[str, object] = {}

    def run(command: list[str], *, env: dict[str, str], **_: object) -> object:
        seen.update(command=command, env=env)
        stub = Path(env["PYTHONPATH"])
        seen["stub"] = stub.is_absolute() and (stub / "torch/utils/cpp_extension.py").is_file()
        seen["pin"] = Path(command[command.index("-r") + 1]).read_text()
        target = Path(command[command.index("-d") + 1])
        target.mkdir()
        (target / "detectron2_cdo-0.5.tar.gz").write_bytes(b"archive")
        return argparse.Namespace(stdout="")

    monkeypatch.setenv("PIP_INDEX_URL", "https://example.org/simple")
    monkeypatch.setattr(script, "_old_pip", lambda folder: folder / "python")
    monkeypatch.setattr(script.subprocess, "run", run)
    assert script.download_sdist() == b"archive"
    assert seen["stub"] is True
    assert seen["pin"] == f"detectron2-cdo==0.5 --hash=sha256:{script.SDIST_SHA256}\n"
    assert {"--require-hashes", "--no-deps", "--no-build-isolation"} <= set(seen["command"])  # type: ignore[call-overload]
    assert seen["env"]["PIP_INDEX_URL"] == "https://example.org/simple"  # type: ignore[index]


@pytest.mark.parametrize(
    ("have", "renewed"),
    [
        ({"pip": "23.2.1", "setuptools": "65.5", "wheel": "0.40"}, False),
        ({"pip": "25.3", "setuptools": "81.0", "wheel": "0.46"}, False),
        ({"pip": "26.3", "setuptools": "81.0", "wheel": "0.46"}, True),
        ({"pip": "23.2.1", "setuptools": "82.0", "wheel": "0.46"}, True),
        ({"pip": "23.2.1", "setuptools": "65.5"}, True),
        ({"pip": "25.0"}, True),
    ],
)
def test_the_throw_away_pip_is_renewed_only_where_needed(
    script: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    have: dict[str, str],
    renewed: bool,
) -> None:
    commands: list[list[str]] = []

    def pip(python: Path, arguments: list[str]) -> str:
        commands.append(arguments)
        return script.json.dumps([{"name": n, "version": v} for n, v in have.items()])

    monkeypatch.setattr(script.venv, "create", lambda folder, with_pip: None)
    monkeypatch.setattr(script, "_pip", pip)
    assert tmp_path in script._old_pip(tmp_path).parents
    assert [c for c in commands if "pip<26" in c] == commands[1:]
    assert bool(commands[1:]) == renewed


def test_probe_reports_this_environment(script: ModuleType) -> None:
    import detectron2

    found = script.probe()
    assert found["version"] == detectron2.__version__
    assert found["file"] == detectron2.__file__


def test_probe_ignores_a_folder_of_that_name_beside_us(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "detectron2").mkdir()
    (tmp_path / "detectron2" / "__init__.py").write_text("__version__ = 'wrong'\n")
    monkeypatch.chdir(tmp_path)
    assert script.probe()["version"] != "wrong"


def test_a_wrong_file_ends_with_status_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"something else")
    for origin in (["--sdist", "x.tar.gz"], ["--sdist", "none.tar.gz"], ["--source", "."]):
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *origin, "--wheel-only", "out"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("install_detectron2: ")
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_the_real_download_installs_and_works(tmp_path: Path) -> None:
    """Needs the network: downloads, patches, packs; then imports the result from a new folder."""
    command = [sys.executable, str(SCRIPT), "--wheel-only", str(tmp_path)]
    subprocess.run(command, check=True)
    wheel = next(tmp_path.glob("*.whl"))
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import detectron2; print(detectron2.__file__)\n"
        "from detectron2 import _C, model_zoo\n"
        "from detectron2.modeling import build_model\n"
        "cfg = model_zoo.get_config('COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml')\n"
        "cfg.MODEL.DEVICE = 'cpu'\n"
        "build_model(cfg)\n"
        "print(_C.IS_STUB)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    place, stub = done.stdout.split()
    assert place.startswith(str(tmp_path / "site")) and stub == "True"
