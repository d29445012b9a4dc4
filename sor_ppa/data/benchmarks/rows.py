"""What a row of the table of benchmarks is made of, and the folder layouts that recur in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sor_ppa.data.files import PICTURE_SUFFIXES
from sor_ppa.data.pairs import Folder

Loader = Callable[[str, str], "list[dict[str, Any]]"]

_NOT_PNG = tuple(suffix for suffix in PICTURE_SUFFIXES if suffix != ".png")


@dataclass(frozen=True)
class Layout:
    """One way in which a split may lie on disk.

    Attributes:
        family: of the layouts of this kind, e.g. "inspyrenet"; "archive" = as its authors pack it.
        folders: by kind ("image", "mask", "depth" ...), relative to the root of all sets.
        optional: kinds that may be missing, wholly or for some pictures.
        lists: files, relative to the root, with the names of the split, one a line.
        points: file, relative to the root, with the fixations of all pictures of the set.
    """

    family: str
    folders: Mapping[str, Folder]
    optional: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    points: str = ""


@dataclass(frozen=True)
class Part:
    """A share of a set that has no official split, drawn with a seed.

    Attributes:
        first: how many pictures of each group are for training.
        train: whether this split is for training; the rest of each group is for validation.
        group: pictures in a group (one permutation serves all of them); 0 = the whole set.
    """

    first: int
    train: bool
    group: int = 0


@dataclass(frozen=True)
class Split:
    """One split of a benchmark.

    Attributes:
        count: number of pictures; None = unknown. Another number is warned of.
        layouts: the first one whose folders are there is used.
        paths: metadata that are paths, relative to the root of all sets (ranking sets).
        spellings: names that toolkits and papers use for exactly this split.
        is_stated: whether ``count`` was seen at its source; False = what is commonly said.
        lead: kind of file that says which pictures there are; "" = all kinds must agree.
        order: "natural", or "path" where published splits depend on plain sorting.
        part: the share of the files that is this split; None = all.
        mask_mode: what its masks are meant for (:func:`sor_ppa.data.read_mask`).
        sigma: spread in pixels of the Gaussian that makes maps of its fixations, where none are
            released; 0 = they are.
    """

    count: int | None
    paths: Mapping[str, str] = field(default_factory=dict)
    layouts: tuple[Layout, ...] = ()
    spellings: tuple[str, ...] = ()
    is_stated: bool = True
    lead: str = ""
    order: str = "natural"
    part: Part | None = None
    mask_mode: str = "soft"
    sigma: float = 0.0

    @property
    def is_video(self) -> bool:
        """Whether its pictures are frames; of them only those with masks count."""
        return self.lead == "mask"


@dataclass(frozen=True)
class Benchmark:
    """One row of the table. A split is registered as ``<name>_<split>``, "" as ``<name>``.

    Attributes:
        name: lower snake case.
        task: "ranking", "sod" or "fixation".
        splits: by name.
        paper: authors and venue.
        homepage: where the set is to be had.
        licence: terms as stated by its authors.
        folder: of ranking sets, below the root of all sets.
        loader: of ranking sets: (folder, split) -> dataset dicts.
        title: as its authors write it.
        size: of its pictures, in words.
        note: what one must know of it.
    """

    name: str
    task: str
    splits: Mapping[str, Split]
    paper: str
    homepage: str
    licence: str
    folder: str = ""
    loader: Loader | None = None
    title: str = ""
    size: str = ""
    note: str = ""

    def registered(self) -> dict[str, Split]:
        """The splits by the names under which they are registered."""
        return {f"{self.name}_{key}" if key else self.name: s for key, s in self.splits.items()}


def folders_layout(family: str, **paths: str) -> Layout:
    """A layout of one flat folder a kind: ``image="DUTS-TR/DUTS-TR-Image", mask=...``."""
    return Layout(family, {kind: Folder(path, recursive=False) for kind, path in paths.items()})


def archive(**paths: str) -> Layout:
    """As the authors' download unpacks."""
    return folders_layout("archive", **paths)


def same_folder(
    family: str, path: str, *, recursive: bool = False, lists: tuple[str, ...] = ()
) -> Layout:
    """Masks are the .png files of a folder, pictures the others."""
    image = Folder(path, _NOT_PNG, recursive=recursive)
    mask = Folder(path, (".png",), recursive=recursive)
    return Layout(family, {"image": image, "mask": mask}, lists=lists)


def rgb_toolkits(*spellings: str) -> tuple[Layout, ...]:
    """Folders as in the toolkits for RGB sets, each spelling below each of their usual roots."""
    found = []
    for name in spellings:
        for top in ("", "Train_Dataset/", "Test_Dataset/"):
            at = f"{top}{name}"
            found.append(folders_layout("inspyrenet", image=f"{at}/images", mask=f"{at}/masks"))
        at = f"{name}/segmentations"
        found.append(folders_layout("a2s-rgb", image=f"{name}/images", mask=at))
        found.append(folders_layout("pgnet", image=f"{name}/image", mask=f"{name}/mask"))
    return tuple(found)


def rgbd_toolkits(*spellings: str, train: bool = False) -> tuple[Layout, ...]:
    """Folders as in the toolkits for RGB-D sets; ``train``: the training folder of all sets."""
    found = []
    for name in spellings:
        found.append(_rgbd("a2s-rgbd", f"RGBD/{name}", "image", "mask", "depth"))
        found.append(_rgbd("caver", name, "Image", "Mask", "Depth"))
        if not train:
            found.append(_rgbd("bbs-rgbd", f"RGBD_for_test/{name}", "RGB", "GT", "depth"))
    if train:
        found.append(_rgbd("bbs-rgbd", "RGBD_for_train", "RGB", "GT", "depth"))
    return tuple(found)


def rgbd_archive(at: str, depth: str = "depth") -> Layout:
    """``RGB``, ``GT`` and depth folders as in an authors' archive."""
    return _rgbd("archive", at, "RGB", "GT", depth)


def _rgbd(family: str, at: str, image: str, mask: str, depth: str) -> Layout:
    paths = {"image": f"{at}/{image}", "mask": f"{at}/{mask}", "depth": f"{at}/{depth}"}
    return folders_layout(family, **paths)


def rgbt(family: str, at: str, thermal: str = "T") -> Layout:
    """``RGB``, ``GT`` and thermal folders."""
    paths = {"image": f"{at}/RGB", "mask": f"{at}/GT", "thermal": f"{at}/{thermal}"}
    return folders_layout(family, **paths)


def video(name: str) -> Layout:
    """Folders as in the toolkit for video sets; each holds one folder a video."""
    paths = {"image": "JPEGImages", "mask": "Annotations", "flow": "optical"}
    folders = {kind: Folder(f"vsod/{name}/{path}") for kind, path in paths.items()}
    return Layout("a2s-video", folders, optional=("flow",))


def video_archive(
    image: str, mask: str, flow: str, *, lists: tuple[str, ...] = (), several: bool = False
) -> Layout:
    """As the authors' download unpacks; ``*`` in a path stands for the folder of any video.

    ``flow`` is no part of the archive: there ``datasets/prepare_flow.py`` writes.
    """
    folders = {
        "image": Folder(image),
        "mask": Folder(mask, several=several),
        "flow": Folder(flow),
    }
    return Layout("archive", folders, optional=("flow",), lists=lists)


def fixation(
    family: str,
    image: str,
    *,
    saliency: str = "",
    fixation: str = "",
    points: str = "",
    mark: str = "",
) -> Layout:
    """Folders of a fixation set, relative to the root of all sets.

    Args:
        family: of the layout.
        image: the pictures.
        saliency: blurred maps; "" = none are released.
        fixation: points, pictures or .mat files; "" = there are none a picture. Beside maps they
            may be missing.
        points: file with the points of all pictures.
        mark: "x" if the names of maps end in _xMap and those of points in _xPts; "" = they do not.
    """
    folders = {"image": Folder(image)}
    if saliency:
        folders["saliency"] = Folder(saliency, ending=f"_{mark}Map" if mark else "")
    if fixation:
        ending = f"_{mark}Pts" if mark else ""
        folders["fixation"] = Folder(fixation, (*PICTURE_SUFFIXES, ".mat"), ending=ending)
    optional = ("fixation",) if saliency else ()
    return Layout(family, folders, optional=optional, points=points)
