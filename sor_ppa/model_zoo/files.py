"""Where the configs and the bundled weights lie, in a checkout and in an installed wheel."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from sor_ppa.errors import ConfigError

PREFIX = "sor_ppa://"
# How the names of configs begin that describe no model.
_NO_MODEL = ("Base", "unsupervised")
_PACKAGE = Path(__file__).resolve().parent


def configs_folder() -> Path:
    """The folder of configs: inside the package when installed, the checkout's ``configs/`` else.

    Raises:
        ConfigError: neither exists.
    """
    for folder in (_PACKAGE / "configs", _PACKAGE.parents[1] / "configs"):
        if folder.is_dir():
            return folder
    raise ConfigError(
        f"No configs beside {_PACKAGE}: this installation of sor_ppa is incomplete. "
        "Install it again with pip, or run from a checkout."
    )


def weights_folder() -> Path:
    """The folder of the bundled weights (it need not exist)."""
    return _PACKAGE / "weights"


def _all_names() -> tuple[str, ...]:
    folder = configs_folder()
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")))


def available() -> tuple[str, ...]:
    """The names of all configs that describe a model, sorted.

    ``Base-*`` files, which others build on, and ``unsupervised-*``, which name the configs of a run
    of several stages, are left out.
    """
    return tuple(name for name in _all_names() if not name.split("/")[-1].startswith(_NO_MODEL))


def get_config_file(name: str) -> str:
    """The path on disk of the config ``name``, e.g. ``"sor/ppa.yaml"``.

    Raises:
        ConfigError: there is no such config; the message lists the nearest names.
    """
    if name not in _all_names():
        known = available()
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known
        raise ConfigError(
            f"No config {name!r}. Did you mean {', '.join(near)}? "
            "Names are paths below configs/, e.g. 'sor/ppa.yaml'; model_zoo.available() lists all."
        )
    return str(configs_folder() / name)


def trained_by(path: str) -> str:
    """The config whose training writes the weights ``path``; "" if none does.

    Args:
        path: as configs give it, e.g. ``"output/msinet/salicon/model_best.pth"``.
    """
    folder = str(Path(path).parent)
    for name in _all_names():
        text = (configs_folder() / name).read_text(encoding="utf-8")
        found = re.search(r'^OUTPUT_DIR:\s*"([^"]+)"', text, re.M)
        if found and found[1] == folder:
            return name
    return ""


def _weights_file(name: str) -> Path:
    return weights_folder() / Path(name).with_suffix(".safetensors")


def has_weights(name: str) -> bool:
    """Whether trained weights for the config ``name`` come with the package.

    Raises:
        ConfigError: there is no such config.
    """
    get_config_file(name)
    return _weights_file(name).is_file()


def weights_url(name: str) -> str:
    """The address of the bundled weights of ``name``, for ``cfg.MODEL.WEIGHTS``.

    Raises:
        ConfigError: there is no such config, or no weights come with it.
    """
    if not has_weights(name):
        trained = ", ".join(other for other in available() if has_weights(other)) or "none"
        raise ConfigError(
            f"No trained weights come with {name!r} (configs that have some: {trained}). "
            "Use trained=False and set cfg.MODEL.WEIGHTS to a file of yours."
        )
    return f"{PREFIX}weights/{_weights_file(name).relative_to(weights_folder()).as_posix()}"


def resolve(address: str) -> Path:
    """The file or folder that ``sor_ppa://configs/...`` or ``sor_ppa://weights/...`` stands for.

    Raises:
        ConfigError: the address names another room, or leads out of it.
    """
    room, _, rest = address.removeprefix(PREFIX).partition("/")
    if room not in ("configs", "weights") or ".." in rest.split("/"):
        raise ConfigError(f"{address!r} is not {PREFIX}configs/... or {PREFIX}weights/...")
    return (configs_folder() if room == "configs" else weights_folder()) / rest.lstrip("/")
