"""Fixations in MATLAB files, of a picture or of a set, told apart by what is in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.io import loadmat

from sor_ppa.data.problems import PathLike
from sor_ppa.errors import ConfigError, DataError

__all__ = ["read_mat_points", "read_mat_set"]

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_mat_points(path: PathLike) -> np.ndarray:
    """The fixations of one picture.

    Three published forms: CAT2000's ``fixLocs``, a map that is not 0 where a fixation is;
    DUT-OMRON's ``s``, rows of x, y and a key, of which (sorted by the key) the first holds width
    and height; SALICON's ``gaze``, a struct an observer with ``fixations`` (K, 2), x and y counted
    from 1.

    Returns:
        float64 (K, 2), x and y in pixels from 0.

    Raises:
        DataError: the file cannot be read, or has none of these variables.
    """
    content = _loaded(path)
    for variable, reader in _READERS.items():
        if variable in content:
            try:
                return reader(content[variable])
            except (ValueError, IndexError, KeyError, TypeError) as error:
                text = f"{path}: its variable {variable!r} is not as published: {error}"
                raise DataError([text], what=str(path)) from error
    names = ", ".join(sorted(name for name in content if not name.startswith("__"))) or "nothing"
    known = ", ".join(_READERS)
    raise DataError([f"{path}: has {names}, and none of {known}"], what=str(path))


def read_mat_set(path: PathLike) -> list[np.ndarray]:
    """The fixations of all pictures of a set, in the order of its pictures.

    OSIE's ``fixations`` (a cell a picture with ``subjects``, each with ``fix_x`` and ``fix_y``,
    used as they are) and PASCAL-S's ``fixCell`` (row and column counted from 1; an HDF5 file).

    Returns:
        float64 (K, 2), x and y in pixels from 0, for every picture.

    Raises:
        DataError: the file cannot be read, or has neither.
        ConfigError: it is an HDF5 file, and h5py is missing.
    """
    if _is_hdf5(path):
        return _pascal(path)
    content = _loaded(path)
    if "fixations" not in content:
        raise DataError([f"{path}: has no variable 'fixations'"], what=str(path))
    try:
        return [_osie_picture(cell) for cell in np.ravel(content["fixations"])]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        text = f"{path}: its variable 'fixations' is not as published: {error}"
        raise DataError([text], what=str(path)) from error


def _loaded(path: PathLike) -> dict[str, Any]:
    try:
        return loadmat(str(path))
    except NotImplementedError as error:
        text = f"{path}: is a MATLAB 7.3 file, which holds no single picture's fixations"
        raise DataError([text], what=str(path)) from error
    except Exception as error:  # scipy raises whatever its parsing raises
        text = f"{path}: cannot be read as a MATLAB file: {error}"
        raise DataError([text], what=str(path)) from error


def _cat2000(locations: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(np.atleast_2d(locations))
    return np.stack([columns, rows], 1).astype(np.float64)


def _dut_omron(rows: np.ndarray) -> np.ndarray:
    rows = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if rows.shape[1] < 3:
        raise ValueError(f"expected columns x, y and key, got {rows.shape[1]} columns")
    by_key = rows[np.argsort(rows[:, 2], kind="stable")]
    return by_key[1:, :2]


def _salicon(gaze: np.ndarray) -> np.ndarray:
    points = [np.asarray(one["fixations"], dtype=np.float64) for one in np.ravel(gaze)]
    found = [np.reshape(each, (-1, 2)) for each in points if each.size]
    return np.concatenate(found) - 1 if found else np.zeros((0, 2))


_READERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "fixLocs": _cat2000,
    "s": _dut_omron,
    "gaze": _salicon,
}


def _osie_picture(cell: np.ndarray) -> np.ndarray:
    subjects = np.ravel(_only(_only(cell)["subjects"]))
    found = []
    for subject in subjects:
        looks = _only(subject)
        x, y = (np.ravel(_numbers(looks[name])) for name in ("fix_x", "fix_y"))
        found.append(np.stack([x, y], 1))
    return np.concatenate(found) if found else np.zeros((0, 2))


def _only(value: Any) -> Any:  # noqa: ANN401 - cells in cells, as MATLAB nests them
    """What is inside cells and structs of one element."""
    while isinstance(value, np.ndarray) and value.size == 1:
        if value.dtype.names:
            return value.reshape(-1)[0]
        if value.dtype != object:
            break
        value = value.reshape(-1)[0]
    return value


def _numbers(value: Any) -> np.ndarray:  # noqa: ANN401
    return np.asarray(_only(value), dtype=np.float64)


def _is_hdf5(path: PathLike) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(520)
    except OSError as error:
        raise DataError([f"{path}: cannot be read: {error}"], what=str(path)) from error
    return head.startswith(_HDF5_MAGIC) or head[512:] == _HDF5_MAGIC  # MATLAB's text comes first


def _pascal(path: PathLike) -> list[np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise ConfigError(
            f"{path} is a MATLAB 7.3 file, and reading it needs h5py: pip install 'sor_ppa[hdf5]'"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            cells = [np.asarray(file[one], dtype=np.float64) for one in np.ravel(file["fixCell"])]
    except (OSError, KeyError, ValueError, TypeError) as error:
        text = f"{path}: has no 'fixCell' as published: {error}"
        raise DataError([text], what=str(path)) from error
    # HDF5 holds MATLAB's arrays transposed; an empty one is stored as its two sizes.
    return [cell[:2].T[:, ::-1] - 1 if cell.ndim == 2 else np.zeros((0, 2)) for cell in cells]
