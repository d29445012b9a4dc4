"""Tests of config and weight names, on a made-up package."""

from __future__ import annotations

from pathlib import Path

import pytest

from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo import files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with four configs and weights for one; returns its package folder."""
    for name in (
        "sor/ppa",
        "sor/tiny",
        "sor/Base-FCOS",
        "other/deep/net",
        "other/unsupervised-rgb",
    ):
        path = tmp_path / "configs" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("VERSION: 2\n")
    (tmp_path / "configs" / "sor" / "README.md").write_text("notes\n")
    package = tmp_path / "sor_ppa" / "model_zoo"
    (package / "weights" / "sor").mkdir(parents=True)
    (package / "weights" / "sor" / "tiny.safetensors").write_bytes(b"x")
    monkeypatch.setattr(files, "_PACKAGE", package)
    return package


def test_nothing_installed_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PACKAGE", tmp_path / "sor_ppa" / "model_zoo")
    with pytest.raises(ConfigError, match="incomplete"):
        files.available()


def test_available_leaves_out_shared_parts_and_notes(package: Path) -> None:
    assert files.available() == ("other/deep/net.yaml", "sor/ppa.yaml", "sor/tiny.yaml")


def test_configs_in_the_package_win_over_the_checkout(package: Path) -> None:
    (package / "configs" / "sor").mkdir(parents=True)
    (package / "configs" / "sor" / "only.yaml").touch()
    assert files.available() == ("sor/only.yaml",)
    assert files.get_config_file("sor/only.yaml") == str(package / "configs/sor/only.yaml")


@pytest.mark.parametrize("name", ["sor/ppa.yaml", "sor/Base-FCOS.yaml", "other/deep/net.yaml"])
def test_get_config_file(package: Path, name: str) -> None:
    assert files.get_config_file(name) == str(package.parents[1] / "configs" / name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("", "sor/tiny.yaml"),
        ("sor/ppa", "sor/ppa.yaml"),
        ("sor/pp.yaml", "sor/ppa.yaml"),
        ("ppa.yaml", "sor/ppa.yaml"),
        ("sor/README.md", "sor/"),
        ("../setup.py", "available"),
        ("/etc/passwd", "available"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(package: Path, name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        files.get_config_file(name)
    assert repr(name) in str(caught.value)
    assert hint in str(caught.value)


def test_has_weights(package: Path) -> None:
    assert files.has_weights("sor/tiny.yaml")
    assert not files.has_weights("sor/ppa.yaml")
    with pytest.raises(ConfigError):
        files.has_weights("sor/none.yaml")


def test_weights_url(package: Path) -> None:
    url = files.weights_url("sor/tiny.yaml")
    assert url == "sor_ppa://weights/sor/tiny.safetensors"
    assert files.resolve(url) == package / "weights" / "sor" / "tiny.safetensors"


def test_missing_weights_name_the_configs_that_have_some(package: Path) -> None:
    with pytest.raises(ConfigError, match=r"ppa.yaml.*have some: sor/tiny.yaml\)"):
        files.weights_url("sor/ppa.yaml")
    (package / "weights" / "sor" / "tiny.safetensors").unlink()
    with pytest.raises(ConfigError, match="have some: none"):
        files.weights_url("sor/ppa.yaml")


@pytest.mark.parametrize(
    "address", ["sor_ppa://", "sor_ppa://setup.py", "sor_ppa://configs/../setup.py", "configs2/x"]
)
def test_resolve_stays_in_its_two_rooms(package: Path, address: str) -> None:
    with pytest.raises(ConfigError):
        files.resolve(address)


def test_resolve_an_absolute_tail_stays_inside(package: Path) -> None:
    assert files.resolve("sor_ppa://weights//etc/passwd") == package / "weights" / "etc" / "passwd"
