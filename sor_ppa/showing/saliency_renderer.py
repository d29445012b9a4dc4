"""What dense saliency makes of a network's outputs: cut-outs, maps, composites, films."""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sor_ppa.data.image_io import atomic_path, read_image, write_image
from sor_ppa.errors import ImageError, SaliencyError
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.saliency_folder import SaliencyFolder
from sor_ppa.showing.video import VideoInfo, fitted
from sor_ppa.showing.video_writers import FrameWriter, open_video_writer
from sor_ppa.visualization.contact_sheet import Tile, contact_sheets, thumbnail
from sor_ppa.visualization.cutouts import check_saliency, decided, object_box, on_checks
from sor_ppa.visualization.output_types import OutputType, draw
from sor_ppa.visualization.pyramid_sheet import pyramid_sheet

logger = logging.getLogger(__name__)

_LARGEST_SHEET = 12
_SHEET_HEIGHT = 220
_SHEET_WIDTH = 2000


@dataclass(frozen=True)
class Taken:
    """A network's output for one picture: ``saliency`` float32 (H, W), hardened or turned round
    as the options say; ``pyramid`` the maps it was made from, where wanted; ``modality`` what the
    network saw beside the picture, uint8 (H', W', 3), blue first.
    """

    saliency: np.ndarray
    pyramid: dict[str, np.ndarray]
    modality: np.ndarray | None = None


class SaliencyRenderer:
    """Renderer of saliency maps (see :class:`~sor_ppa.showing.show.Renderer`).

    Args:
        folder: where the results go, with the options.
        workers: threads that draw and encode; as many as there are cores (at most 4) when None.
        sheet: keep small copies for :meth:`write_sheet`.

    Raises:
        ImageError: a background picture cannot be read.
    """

    def __init__(
        self, folder: SaliencyFolder, *, workers: int | None = None, sheet: bool = False
    ) -> None:
        self.folder = folder
        self.options = folder.options
        self.workers = workers or min(4, os.cpu_count() or 1)
        types = self.options.types
        self._grounds = {t.name: read_image(t.background) for t in types if t.background}
        self._matting = self.options.matting and self.options.threshold is None
        self._sheet: dict[str, list[Tile]] | None = {} if sheet else None

    def has(self, source: Source) -> bool:
        """Whether a resumed run holds everything wanted of this source."""
        return self.folder.has(source)

    def take(self, outputs: dict[str, Any], size_hw: tuple[int, int]) -> Taken:
        """The map on the CPU, checked, as the options want it.

        Raises:
            SaliencyError: there is no map, or it cannot be one of this picture.
        """
        if "saliency" not in outputs:
            raise SaliencyError(
                f"this network gives {', '.join(outputs) or 'nothing'} and no saliency map; use a "
                "dense config such as inspyrenet/tiny.yaml"
            )
        saliency = check_saliency(outputs["saliency"].detach().float().cpu().numpy(), size_hw)
        options = self.options
        final = decided(saliency, threshold=options.threshold, reverse=options.reverse)
        pyramid: dict[str, np.ndarray] = {}
        if any(kind.kind == "pyramid" for kind in options.types):
            maps = outputs.get("pyramid", {})
            pyramid = {key: maps[key].detach().float().cpu().numpy() for key in maps}
        return Taken(final, pyramid, outputs.get("modality"))

    def add(self, source: Source, image: np.ndarray, taken: Taken) -> tuple[Path, ...]:
        """Writes the files of one picture; gives back their paths."""
        box = object_box(taken.saliency) if self.options.trim else np.s_[:, :]
        written = []
        tiles = self._originals(source, image, taken)
        for kind in self.options.types:
            drawn = self._drawn(kind, image, taken)
            if kind.kind != "pyramid":
                drawn = np.ascontiguousarray(drawn[box])
            path = self.folder.path(source, kind)
            _write(path, drawn)
            written.append(path)
            if self._sheet is not None:
                shown = thumbnail(self._shown(kind, drawn), _SHEET_HEIGHT)
                tiles.append(Tile(kind.name, (shown,)))
        if self._sheet is not None and len(self._sheet) < _LARGEST_SHEET:
            self._sheet[source.label] = tiles
        self.folder.keep(source, written)
        return tuple(written)

    def film(self, source: Source, info: VideoInfo, size_hw: tuple[int, int]) -> SaliencyFilm:
        """The files of one video."""
        return SaliencyFilm(self, source, info, size_hw)

    def paths(self, source: Source) -> list[str]:
        """The files that a source becomes."""
        return self.folder.paths(source)

    def view(self, image: np.ndarray, taken: Taken) -> np.ndarray:
        """The first of the types, on a chequerboard if it is transparent."""
        kind = self.options.types[0]
        return self._shown(kind, self._drawn(kind, image, taken))

    def write_sheet(self, path: str | os.PathLike[str]) -> None:
        """Pictures and their results side by side, one row a picture, of at most 12 pictures.

        Raises:
            SaliencyError: no picture was done in this run, or ``sheet`` was off.
        """
        if not self._sheet:
            raise SaliencyError(f"{path}: no picture was done, so there is nothing for a sheet")
        rows = [self._sheet[label] for label in sorted(self._sheet)]
        write_image(Path(path), contact_sheets(rows, tile_height=_SHEET_HEIGHT, width=_SHEET_WIDTH))

    def _originals(self, source: Source, image: np.ndarray, taken: Taken) -> list[Tile]:
        """The picture for the sheet, and what was seen beside it unless it is a result anyway."""
        tiles = [Tile(source.label, (thumbnail(image, _SHEET_HEIGHT),))]
        wanted = {kind.kind for kind in self.options.types}
        if taken.modality is not None and "modality" not in wanted:
            seen = thumbnail(_modality(image, taken), _SHEET_HEIGHT)
            tiles.append(Tile(source.beside.kind if source.beside else "modality", (seen,)))
        return tiles

    def _shown(self, kind: OutputType, drawn: np.ndarray) -> np.ndarray:
        """A result as people see it: uint8 without transparency."""
        return _visible(drawn)

    def _drawn(self, kind: OutputType, image: np.ndarray, taken: Taken) -> np.ndarray:
        if kind.kind == "pyramid":
            return pyramid_sheet(taken.pyramid)
        if kind.kind == "modality":
            return _modality(image, taken)
        return draw(
            kind,
            image,
            taken.saliency,
            bits=self.options.bits,
            matting=self._matting,
            background=self._grounds.get(kind.name),
        )


class SaliencyFilm:
    """One video's results: a video or a folder of frames for each type."""

    def __init__(
        self, renderer: SaliencyRenderer, source: Source, info: VideoInfo, size_hw: tuple[int, int]
    ) -> None:
        self.renderer = renderer
        self.source = source
        self.info = info
        self.size_hw = size_hw
        self._open = contextlib.ExitStack()
        self._writers: list[tuple[OutputType, FrameWriter]] = []

    def __enter__(self) -> SaliencyFilm:
        folder = self.renderer.folder
        with contextlib.ExitStack() as stack:
            for kind in folder.options.types:
                writer = open_video_writer(
                    str(folder.path(self.source, kind)),
                    size_hw=self.size_hw,
                    fps=self.info.fps,
                    kind=folder.options.video_format(kind),
                    channels={"map": 1, "rgba": 4}.get(kind.kind, 3),
                    sound_of=self.source.path,
                )
                self._writers.append((kind, stack.enter_context(writer)))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)
        if error[0] is None:
            self.renderer.folder.keep(self.source, [w.path for _, w in self._writers])

    def render(self, index: int, frame: np.ndarray, taken: Taken) -> list[Any]:
        """The frame for each of the writers."""
        return [
            writer.encode(index, self.renderer._drawn(kind, frame, taken))
            for kind, writer in self._writers
        ]

    def write(self, rendered: list[Any]) -> None:
        """Appends it to each of them."""
        for (_, writer), encoded in zip(self._writers, rendered, strict=True):
            writer.write(encoded)


def _modality(image: np.ndarray, taken: Taken) -> np.ndarray:
    """What was seen beside a picture, brought to the picture's size as it was for the network."""
    if taken.modality is None:
        raise SaliencyError(
            "output type 'modality': the network saw nothing beside the picture; leave the type "
            "out, or use a config that sees depth, flow or thermal pictures"
        )
    return fitted(taken.modality, (image.shape[0], image.shape[1]))


def _write(path: Path, drawn: np.ndarray) -> None:
    """Writes a picture, or an array where the name says so; at once or not at all.

    Raises:
        ImageError: the disk is full or read-only.
    """
    if path.suffix != ".npy":
        write_image(path, drawn)
        return
    try:
        with atomic_path(path) as temporary:
            np.save(temporary, drawn)
    except OSError as error:
        raise ImageError(f"{path}: cannot be written: {error}") from error


def _visible(drawn: np.ndarray) -> np.ndarray:
    """A result as uint8 without transparency."""
    if drawn.dtype == np.uint16:
        drawn = (drawn >> 8).astype(np.uint8)
    return on_checks(drawn) if drawn.ndim == 3 and drawn.shape[2] == 4 else drawn
