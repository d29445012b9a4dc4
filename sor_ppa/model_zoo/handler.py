"""Makes ``sor_ppa://...`` readable wherever detectron2 opens a file (``cfg.MODEL.WEIGHTS``)."""

from __future__ import annotations

from typing import IO, Any

from detectron2.utils.file_io import PathManager
from iopath.common.file_io import PathHandler

from sor_ppa.errors import ConfigError
from sor_ppa.model_zoo.files import PREFIX, resolve


class SorPpaHandler(PathHandler):
    """Read-only view of the package's configs and weights for iopath's ``PathManager``."""

    def _get_supported_prefixes(self) -> list[str]:
        return [PREFIX]

    def _get_local_path(self, path: str, force: bool = False, **kwargs: Any) -> str:
        return str(resolve(path))

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: Any) -> IO[Any]:
        if set(mode) & set("wax+"):
            raise ConfigError(f"{path} comes with the package and cannot be written.")
        encoding = None if "b" in mode else "utf-8"
        return open(resolve(path), mode, buffering, encoding=encoding)

    def _exists(self, path: str, **kwargs: Any) -> bool:
        return resolve(path).exists()

    def _isfile(self, path: str, **kwargs: Any) -> bool:
        return resolve(path).is_file()

    def _isdir(self, path: str, **kwargs: Any) -> bool:
        return resolve(path).is_dir()

    def _ls(self, path: str, **kwargs: Any) -> list[str]:
        return sorted(child.name for child in resolve(path).iterdir())


def register_handler() -> None:
    """Registers the prefix with detectron2's ``PathManager``; calling it again is harmless."""
    PathManager.register_handler(SorPpaHandler(), allow_override=True)
