"""One picture and a wish -> a picture to look at, a table, and files to keep.

Everything is drawn and written by what the command line uses (:mod:`sor_ppa.showing`), so the page
gives the same files as ``sor-ppa``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.structures import Instances

from sor_ppa.data.image_io import write_image
from sor_ppa.data.writers import atomic_path
from sor_ppa.density import to_density
from sor_ppa.errors import SaliencyError
from sor_ppa.evaluation.results_io import has_objects
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.rank_renderer import RankRenderer
from sor_ppa.showing.results import OutputOptions, ResultsFolder
from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
from sor_ppa.showing.saliency_renderer import SaliencyRenderer
from sor_ppa.visualization.cutouts import check_saliency, grey_map
from sor_ppa.visualization.heat_maps import heat_map, heat_overlay
from sor_ppa.visualization.output_types import parse_type
from sor_ppa.webapp.limits import Limits, read_limited, without_folder
from sor_ppa.webapp.models import Model, Shelf

TABLE_HEAD = ("rank", "score", "left, top, width, height", "share of the picture")
SALIENCY_VIEWS = ("map", "overlay")
# Characters of up to four bytes each, and file systems end at 255 bytes.
_LONGEST_STEM = 50
FIXATION_VIEWS = ("heat over the picture", "heat map", "grey map")


@dataclass(frozen=True)
class Answer:
    """What a picture became.

    Attributes:
        picture: the file to show; one of ``files``.
        files: everything to download.
        note: one line: what was found, by which model, in which time.
        table: of ranked objects, most salient first: a row for :data:`TABLE_HEAD` each.
    """

    picture: Path
    files: tuple[Path, ...]
    note: str
    table: tuple[tuple[Any, ...], ...] = ()


@dataclass
class Studio:
    """Makes answers; any thread may ask.

    Args:
        shelf: the networks.
        limits: larger pictures are refused.
    """

    shelf: Shelf
    limits: Limits = field(default_factory=Limits)
    _pen: threading.Lock = field(default_factory=threading.Lock)  # matplotlib draws in one thread

    def rank(
        self, path: str | Path, folder: Path, *, model: str = "", show_unranked: bool = False
    ) -> Answer:
        """The order in which the objects of a picture draw attention.

        Files: ``<name>_ranked.jpg``, ``<name>_rank_map.png`` (255 = most salient) and
        ``<name>_results.json``, as ``sor-ppa rank`` writes them.

        Args:
            path: the picture.
            folder: where the files go; it exists, and is this answer's own.
            model: a ranking model; "" = the first.
            show_unranked: outline objects without a rank, too.

        Raises:
            SaliencyError: no such model, or no such picture; all methods raise these.
        """

        def make(image: np.ndarray, outputs: dict[str, Any], chosen: Model) -> Answer:
            options = OutputOptions(show_unranked=show_unranked)
            info = {"config": chosen.name, "weights": chosen.weights}
            num_ranks = chosen.cfg.MODEL.SOR.NUM_RANKS
            results = ResultsFolder(folder, info=info, num_ranks=num_ranks, options=options)
            found = RankRenderer(results).take(outputs, image.shape[:2])
            source = _source(path)
            with self._pen:
                results.add(source, image, found)
            results.save()
            drawn = results.path("overlays", source, ".jpg")
            files = {
                "_ranked.jpg": drawn,
                "_rank_map.png": results.path("rank_maps", source, ".png"),
                "_results.json": results.json_path,
            }
            kept = [file.rename(folder / (source.name + end)) for end, file in files.items()]
            table = ranking_table(found)
            return Answer(kept[0], tuple(kept), _ranked_note(table, found), table)

        return self._answer(path, "rank", model, make)

    def saliency(
        self, path: str | Path, folder: Path, *, model: str = "", view: str = "map"
    ) -> Answer:
        """How salient every pixel is.

        Files: ``<name>_map.png`` (grey), ``<name>_overlay.*`` and ``<name>_map.npy`` (float32
        (H, W) in 0 ... 1).

        Args:
            path: the picture.
            folder: where the files go.
            model: a saliency model; "" = the first.
            view: which of :data:`SALIENCY_VIEWS` to show.
        """
        _check_choice("view", view, SALIENCY_VIEWS)

        def make(image: np.ndarray, outputs: dict[str, Any], chosen: Model) -> Answer:
            options = CutoutOptions(types=tuple(map(parse_type, SALIENCY_VIEWS)))
            files, saliency = _drawn(path, folder, image, outputs, options)
            table = _write_array(folder / f"{_source(path).name}_map.npy", saliency)
            share = f"{float((saliency > 0.5).mean()):.1%} of the picture stand out"
            return Answer(files[SALIENCY_VIEWS.index(view)], (*files, table), share)

        return self._answer(path, "saliency", model, make)

    def cut_out(
        self,
        path: str | Path,
        folder: Path,
        *,
        model: str = "",
        background: str = "transparent",
        trim: bool = False,
        reverse: bool = False,
    ) -> Answer:
        """The salient objects on another background.

        Files: ``<name>_rgba.png`` (or ``_blur``, ``_255-0-0`` ...) and ``<name>_map.png``, the soft
        mask.

        Args:
            path: the picture.
            folder: where the files go.
            model: a saliency model; "" = the first.
            background: "transparent", "blur", "white", "green" or a colour such as "255,0,0".
            trim: cut to the box of what shows.
            reverse: keep the background, drop the objects.
        """
        kind = parse_type("rgba" if background == "transparent" else background)
        if kind.kind not in ("rgba", "blur", "colour"):
            raise SaliencyError(f"background {background!r}: choose transparent, blur or a colour")

        def make(image: np.ndarray, outputs: dict[str, Any], chosen: Model) -> Answer:
            types = (kind, parse_type("map"))
            options = CutoutOptions(types=types, trim=trim, reverse=reverse)
            files, saliency = _drawn(path, folder, image, outputs, options)
            empty = not (saliency > 0.5).any()
            return Answer(files[0], files, "Nothing stands out." if empty else "Cut out")

        return self._answer(path, "saliency", model, make)

    def fixation(
        self, path: str | Path, folder: Path, *, model: str = "", view: str = FIXATION_VIEWS[0]
    ) -> Answer:
        """Where people look.

        Files: ``<name>_heat_overlay.jpg``, ``<name>_heat_map.png``, ``<name>_fixation.png`` (grey)
        and ``<name>_density.npy`` (float32 (H, W), sum 1).

        Args:
            path: the picture.
            folder: where the files go.
            model: a fixation model; "" = the first.
            view: which of :data:`FIXATION_VIEWS` to show.
        """
        _check_choice("view", view, FIXATION_VIEWS)

        def make(image: np.ndarray, outputs: dict[str, Any], chosen: Model) -> Answer:
            fixation = _map_of(outputs, "fixation", image)
            density = to_density(fixation)
            stem = folder / _source(path).name
            pictures = {
                f"{stem}_heat_overlay.jpg": heat_overlay(image, fixation),
                f"{stem}_heat_map.png": heat_map(fixation),
                f"{stem}_fixation.png": grey_map(fixation),
            }
            for name, drawn in pictures.items():
                write_image(name, drawn)
            files = [Path(name) for name in pictures]
            array = _write_array(Path(f"{stem}_density.npy"), density.astype(np.float32))
            y, x = np.unravel_index(int(density.argmax()), density.shape)
            note = f"Most looked at: x {x}, y {y}"
            return Answer(files[FIXATION_VIEWS.index(view)], (*files, array), note)

        return self._answer(path, "fixation", model, make)

    def _answer(
        self,
        path: str | Path,
        kind: str,
        name: str,
        make: Callable[[np.ndarray, dict[str, Any], Model], Answer],
    ) -> Answer:
        """Reads, predicts, draws; the note tells model, size and time, and what went not quite."""
        chosen = self.shelf.model(kind, name)
        image, warnings = read_limited(path, self.limits)
        predictor = self.shelf.predictor(chosen)
        started = time.perf_counter()
        try:
            answer = make(image, predictor(image), chosen)
        except SaliencyError as error:
            raise SaliencyError(without_folder(str(error), path)) from error
        seconds = time.perf_counter() - started
        height, width = image.shape[:2]
        about = [answer.note, f"{width} x {height} pixels", chosen.name, f"{seconds:.1f} s"]
        note = " · ".join(about) + "".join(f" · {text}" for text in warnings)
        return Answer(answer.picture, answer.files, note, answer.table)


def ranking_table(found: Instances) -> tuple[tuple[int, float, str, str], ...]:
    """Rows for :data:`TABLE_HEAD`, most salient first, of the objects that have a rank.

    Args:
        found: R objects with ``pred_ranks``, ``scores``, ``pred_boxes`` and ``pred_masks``, on the
            CPU.
    """
    if not has_objects(found, where="this picture"):
        return ()
    rows = []
    shares = found.pred_masks.flatten(1).float().mean(1).tolist()
    columns = (found.pred_ranks.tolist(), found.scores.tolist(), found.pred_boxes.tensor.tolist())
    for rank, score, (x0, y0, x1, y1), share in zip(*columns, shares, strict=True):
        if rank > 0:
            box = f"{x0:.0f}, {y0:.0f}, {x1 - x0:.0f}, {y1 - y0:.0f}"
            rows.append((rank, round(score, 3), box, f"{share:.1%}"))
    return tuple(sorted(rows))


def _ranked_note(table: tuple[Any, ...], found: Instances) -> str:
    if not table:
        return "No ranked object was found"
    more = len(found) - len(table)
    ranked = f"{len(table)} ranked object" + ("s" if len(table) > 1 else "")
    return f"{ranked}, {more} without a rank" if more else ranked


def _source(path: str | Path) -> Source:
    path = Path(path)
    stem = path.stem[:_LONGEST_STEM]
    return Source("picture", str(path), name=stem, label=path.name, stem=stem)


def _drawn(
    path: str | Path,
    folder: Path,
    image: np.ndarray,
    outputs: dict[str, Any],
    options: CutoutOptions,
) -> tuple[tuple[Path, ...], np.ndarray]:
    """Files of dense saliency in the order of ``options.types``, and the map they show."""
    source = _source(path)
    renderer = SaliencyRenderer(SaliencyFolder(folder, options=options), workers=1)
    taken = renderer.take(outputs, (image.shape[0], image.shape[1]))
    return renderer.add(source, image, taken), taken.saliency


def _map_of(outputs: dict[str, Any], key: str, image: np.ndarray) -> np.ndarray:
    """The network's map of that key, float32 (H, W), checked.

    Raises:
        SaliencyError: there is none, or it cannot be one of this picture.
    """
    if key not in outputs:
        raise SaliencyError(f"this network gives {', '.join(outputs) or 'nothing'}, not {key}")
    values = outputs[key].detach().float().cpu().numpy()
    return check_saliency(values, (image.shape[0], image.shape[1]))


def _write_array(path: Path, array: np.ndarray) -> Path:
    with atomic_path(path) as temporary:
        np.save(temporary, array)
    return path


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise SaliencyError(f"{what} {value!r}: choose one of {', '.join(choices)}")
