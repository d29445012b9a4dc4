"""MATLAB files of fixations as the sets publish them, in the small."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat

Points = Sequence[Sequence[float]]


def write_osie(path: Path, pictures: Sequence[Sequence[Points]]) -> None:
    """A cell a picture: a struct with a cell of subjects, each with fix_x and fix_y."""
    cells = np.empty((len(pictures), 1), dtype=object)
    for index, subjects in enumerate(pictures):
        looks = np.empty((len(subjects), 1), dtype=object)
        for place, points in enumerate(subjects):
            xy = np.array(points, dtype=float).reshape(-1, 2)
            looks[place, 0] = {"fix_x": xy[:, :1].T, "fix_y": xy[:, 1:].T}
        cells[index, 0] = {"img": f"{index}.jpg", "subjects": looks}
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"fixations": cells})


def write_pascal(path: Path, pictures: Sequence[Points]) -> None:
    """MATLAB 7.3: references to a matrix a picture, (row, column, ...) from 1, transposed."""
    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        references = np.empty((1, len(pictures)), dtype=h5py.ref_dtype)
        for index, points in enumerate(pictures):
            if len(points):
                xy = np.array(points, dtype=float)
                data = np.stack([xy[:, 1] + 1, xy[:, 0] + 1, np.arange(len(xy))])
            else:
                data = np.zeros(2, dtype=np.uint64)
            references[0, index] = file.create_dataset(f"#refs#/{index}", data=data).ref
        file.create_dataset("fixCell", data=references, dtype=h5py.ref_dtype)


def write_salicon(path: Path, observers: Sequence[Points]) -> None:
    """A struct an observer, x and y from 1."""
    gaze = np.empty((len(observers), 1), dtype=[("fixations", object), ("timestamp", object)])
    for index, points in enumerate(observers):
        xy = np.array(points, dtype=float).reshape(-1, 2) + 1
        gaze[index, 0] = (xy, np.arange(len(xy), dtype=float))
    savemat(path, {"gaze": gaze, "image": path.stem, "resolution": np.array([[480, 640]])})


def write_cat2000(path: Path, points: Points, size_hw: tuple[int, int]) -> None:
    """A map that is 1 where a fixation is."""
    locations = np.zeros(size_hw, np.uint8)
    for x, y in points:
        locations[int(y), int(x)] = 1
    savemat(path, {"fixLocs": locations})


def write_dut_omron(path: Path, points: Points, size_hw: tuple[int, int]) -> None:
    """Rows of x, y and a key that is least for the row with width and height."""
    rows = [(x, y, key) for key, (x, y) in enumerate(points, start=1)]
    height, width = size_hw
    savemat(path, {"s": np.array([*rows[::-1], (width, height, 0)], dtype=float)})
