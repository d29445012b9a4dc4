"""The folder that a run leaves: overlays, rank maps, cut-outs, one JSON, one overview picture."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.structures import Instances

from sor_ppa.data.image_io import read_grey, read_image, write_image
from sor_ppa.evaluation.results_io import instances_to_records, read_results, write_results
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.output_folder import refuse_other_settings, refuse_overwriting
from sor_ppa.visualization.contact_sheet import Tile, contact_sheet
from sor_ppa.visualization.overlay import draw_ranked_instances, ranked_objects
from sor_ppa.visualization.rank_maps import paint_rank_map

_SAVE_EVERY_SECONDS = 30.0
_LARGEST_OVERVIEW = 12


@dataclass(frozen=True)
class OutputOptions:
    """What is written for each picture besides its entry in the JSON.

    Attributes:
        overlays: the picture with its ranked objects drawn over it (JPEG).
        rank_maps: the grey map (PNG), 255 = most salient.
        crops: cut-outs (PNG with transparency) of the objects of rank 1 ... ``crops``.
        show_unranked: objects without a rank get a thin outline in the overlay.
    """

    overlays: bool = True
    rank_maps: bool = True
    crops: int = 0
    show_unranked: bool = False


@dataclass(frozen=True)
class Ranking:
    """The result for one picture in short: ``ranked`` holds (rank, score), most salient first."""

    objects: int
    ranked: tuple[tuple[int, float], ...]


class ResultsFolder:
    """Writes results as they come, mirrored by the inputs' folders::

        overlays/<name>.jpg   rank_maps/<name>.png   crops/<name>_rank1.png
        results.json          overview.png

    Every file is written aside and moved into place, so none is ever half there; the JSON is
    also saved every 30 seconds.

    Args:
        folder: made when missing.
        sources: the pictures and videos of this run; none of them is ever overwritten.
        info: what made the results (config, weights ...), kept in the JSON.
        num_ranks: ranks that the model gives.
        options: which files to write.
        resume: keep the results already there, see :meth:`has`.

    Raises:
        SaliencyError: an output would overwrite an input.
        ConfigError: the results to resume were made with other settings.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        sources: Iterable[Source] = (),
        info: dict[str, Any] | None = None,
        num_ranks: int = 5,
        options: OutputOptions | None = None,
        resume: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.options = options or OutputOptions()
        self.num_ranks = num_ranks
        self.info = {**(info or {}), "num_ranks": num_ranks}
        self._images: list[dict[str, Any]] = []
        self._records: list[dict[str, Any]] = []
        self._refuse_overwriting(list(sources))
        if resume and self.json_path.is_file():
            self._take_over()
        self._done = {image["file_name"] for image in self._images}
        self._saved_at = time.monotonic()

    @staticmethod
    def own_paths(folder: str | os.PathLike[str]) -> tuple[str, ...]:
        """Everything a run writes into ``folder``: what a search for inputs should pass over."""
        names = ("overlays", "rank_maps", "crops", "videos", "overview.png")
        return tuple(os.path.join(folder, name) for name in names)

    @property
    def json_path(self) -> Path:
        """The JSON of the run: ``results.json``, readable by ``tools/evaluate.py``."""
        return self.folder / "results.json"

    def path(self, kind: str, source: Source, end: str) -> Path:
        """Where a result of ``source`` goes, e.g. ``path("overlays", source, ".jpg")``."""
        return self.folder / kind / f"{source.name}{end}"

    def has(self, source: Source) -> bool:
        """Whether a resumed run holds this picture already, with all files wanted."""
        return source.label in self._done and all(p.is_file() for p in self._files(source))

    def add(self, source: Source, image: np.ndarray, instances: Instances) -> Ranking:
        """Writes the files of one picture and keeps its entry for the JSON.

        Args:
            source: where it came from.
            image: uint8 (H, W, 3), blue first.
            instances: the model's output for it, on any device.
        """
        instances = instances.to("cpu")
        if self.options.overlays:
            self._write_overlay(source, image, instances)
        if self.options.rank_maps:
            self._write_rank_map(source, image, instances)
        if self.options.crops:
            self._write_crops(source, image, instances)
        self._keep(source, image, instances)
        if time.monotonic() - self._saved_at > _SAVE_EVERY_SECONDS:
            self.save()
        return ranking_of(instances)

    def save(self) -> None:
        """Writes the JSON with everything so far."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_results(self.json_path, self._images, self._records, self.info)
        self._saved_at = time.monotonic()

    def write_overview(self, sources: Iterable[Source]) -> Path | None:
        """One picture with all overlays and rank maps side by side, for 1 to 12 pictures."""
        shown = [s for s in sources if s.label in self._done and s.kind == "picture"]
        wanted = self.options.overlays and 0 < len(shown) <= _LARGEST_OVERVIEW
        if not wanted:
            return None
        path = self.folder / "overview.png"
        write_image(path, contact_sheet([self._tile(s) for s in shown], num_ranks=self.num_ranks))
        return path

    def places(self) -> list[tuple[Path, str]]:
        """What lies in the folder, the thing to look at first in front, each with its meaning."""
        meanings = (
            ("overview.png", "all pictures side by side"),
            ("overlays", "outline, rank and score over each picture"),
            ("rank_maps", "grey maps, 255 = most salient"),
            ("crops", "cut-outs of the top objects"),
            ("videos", "overlay videos, and one line of JSON a frame"),
            ("results.json", "masks, boxes, scores and ranks"),
        )
        there = [(self.folder / name, meaning) for name, meaning in meanings]
        return [(path, meaning) for path, meaning in there if path.exists()]

    def _tile(self, source: Source) -> Tile:
        images = [read_image(self.path("overlays", source, ".jpg"), max_pixels=2**62)]
        if self.options.rank_maps:
            images.append(read_grey(self.path("rank_maps", source, ".png")))
        return Tile(source.label, tuple(images))

    def _files(self, source: Source) -> list[Path]:
        files = []
        if self.options.overlays:
            files.append(self.path("overlays", source, ".jpg"))
        if self.options.rank_maps:
            files.append(self.path("rank_maps", source, ".png"))
        return files

    def _write_overlay(self, source: Source, image: np.ndarray, instances: Instances) -> None:
        drawn = draw_ranked_instances(
            image,
            instances,
            show_unranked=self.options.show_unranked,
            num_ranks=self.num_ranks,
        )
        write_image(self.path("overlays", source, ".jpg"), drawn)

    def _write_rank_map(self, source: Source, image: np.ndarray, instances: Instances) -> None:
        objects = ranked_objects(instances)
        grey = paint_rank_map(
            np.array([item.mask for item in objects]),
            [item.rank for item in objects],
            size_hw=image.shape[:2],
            num_ranks=self.num_ranks,
        )
        write_image(self.path("rank_maps", source, ".png"), grey)

    def _write_crops(self, source: Source, image: np.ndarray, instances: Instances) -> None:
        for item in ranked_objects(instances):
            if item.rank > self.options.crops:
                continue
            path = self.path("crops", source, f"_rank{item.rank}.png")
            write_image(path, cut_out(image, item.mask))

    def _keep(self, source: Source, image: np.ndarray, instances: Instances) -> None:
        if source.label in self._done:  # its files had been lost: the new entry counts
            old = next(i["id"] for i in self._images if i["file_name"] == source.label)
            self._images = [i for i in self._images if i["id"] != old]
            self._records = [r for r in self._records if r["image_id"] != old]
        image_id = max((i["id"] for i in self._images), default=0) + 1
        height, width = image.shape[:2]
        entry = {"id": image_id, "file_name": source.label, "height": height, "width": width}
        self._images.append(entry)
        self._records += instances_to_records(instances, image_id)
        self._done.add(source.label)

    def _take_over(self) -> None:
        old = read_results(self.json_path)
        refuse_other_settings(self.json_path, old.info, self.info)
        self._images, self._records = list((old.images or {}).values()), old.records

    def _refuse_overwriting(self, sources: list[Source]) -> None:
        outputs = [self.json_path, self.folder / "overview.png"]
        for source in sources:
            outputs += self._files(source)
        refuse_overwriting(outputs, sources)


def ranking_of(instances: Instances) -> Ranking:
    """The ranking of one output in short."""
    count = len(instances.pred_masks) if instances.has("pred_masks") else 0
    ranks = instances.pred_ranks.tolist() if instances.has("pred_ranks") else [0] * count
    scores = instances.scores.tolist() if instances.has("scores") else [1.0] * count
    pairs = sorted((int(r), float(s)) for r, s in zip(ranks, scores, strict=True) if r > 0)
    return Ranking(objects=count, ranked=tuple(pairs))


def cut_out(bgr: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One object as BGRA uint8 (h, w, 4), cropped to its mask, transparent around it.

    Args:
        bgr: uint8 (H, W, 3), blue first.
        mask: bool (H, W), not empty.
    """
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = np.s_[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    alpha = mask[window].astype(np.uint8) * 255
    return np.dstack([bgr[window], alpha])
