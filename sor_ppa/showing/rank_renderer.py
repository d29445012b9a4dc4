"""What the ranking task makes of a network's outputs: overlays, rank maps, one JSON."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np
from detectron2.structures import Instances
from tabulate import tabulate

from sor_ppa.errors import SaliencyError
from sor_ppa.evaluation.results_io import instances_to_records
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.results import Ranking, ResultsFolder, ranking_of
from sor_ppa.showing.show import Outcome
from sor_ppa.showing.video import VideoInfo
from sor_ppa.showing.video_writers import FrameWriter, open_video_writer
from sor_ppa.visualization.overlay import draw_ranked_instances


class RankRenderer:
    """Renderer of rankings (see :class:`~sor_ppa.showing.show.Renderer`).

    Args:
        results: the folder of the run; the caller saves its JSON at the end.
    """

    workers = 1  # the folder's JSON and matplotlib want one thread

    def __init__(self, results: ResultsFolder) -> None:
        self.results = results

    def has(self, source: Source) -> bool:
        """Whether a resumed run holds this picture already; videos are always made anew."""
        return source.kind == "picture" and self.results.has(source)

    def take(self, outputs: dict[str, Any], size_hw: tuple[int, int]) -> Instances:
        """The instances on the CPU.

        Raises:
            SaliencyError: the network gives no instances.
        """
        if "instances" not in outputs:
            raise SaliencyError(
                f"this network gives {', '.join(outputs) or 'nothing'} and no instances to rank; "
                "use a ranking config such as sor/tiny.yaml"
            )
        return outputs["instances"].to("cpu")

    def add(self, source: Source, image: np.ndarray, taken: Instances) -> Ranking:
        """Writes the files of one picture."""
        return self.results.add(source, image, taken)

    def film(self, source: Source, info: VideoInfo, size_hw: tuple[int, int]) -> RankFilm:
        """The files of one video."""
        return RankFilm(self, source, info, size_hw)

    def paths(self, source: Source) -> list[str]:
        """The files that a video could become."""
        stem = self.results.path("videos", source, "")
        return [f"{stem}{end}" for end in (".mp4", ".avi", ".jsonl")]

    def view(self, image: np.ndarray, taken: Instances) -> np.ndarray:
        """The picture with its ranking drawn over it."""
        return draw_ranked_instances(
            image,
            taken,
            show_unranked=self.results.options.show_unranked,
            num_ranks=self.results.num_ranks,
        )


class RankFilm:
    """One video's ranking: an overlay video and one line of JSON a frame.

    Files: ``videos/<name>.mp4`` (or ``.avi``) and ``videos/<name>.jsonl``, whose first line
    describes the video and each other one a frame:
    ``{"frame": 0, "seconds": 0.0, "results": [...]}`` with the records of the results JSON.
    """

    def __init__(
        self, renderer: RankRenderer, source: Source, info: VideoInfo, size_hw: tuple[int, int]
    ) -> None:
        self.renderer = renderer
        self.source = source
        self.info = info
        self.size_hw = size_hw
        self._open = contextlib.ExitStack()
        self._lines: TextIO
        self._video: FrameWriter | None = None

    def __enter__(self) -> RankFilm:
        stem = str(self.renderer.results.path("videos", self.source, ""))
        os.makedirs(os.path.dirname(stem), exist_ok=True)
        with contextlib.ExitStack() as stack:
            lines = stack.enter_context(open(f"{stem}.jsonl", "w", encoding="utf-8"))
            header = {"file_name": self.source.label, "fps": self.info.fps}
            lines.write(json.dumps({"video": {**header, "size": list(self.size_hw)}}) + "\n")
            if self.renderer.results.options.overlays:
                writer = open_video_writer(
                    stem, size_hw=self.size_hw, fps=self.info.fps, sound_of=self.source.path
                )
                self._video = stack.enter_context(writer)
            self._lines = lines
            self._open = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def render(self, index: int, frame: np.ndarray, taken: Instances) -> tuple[str, Any, Ranking]:
        """The frame's line of JSON, its overlay and its ranking in short."""
        records = instances_to_records(taken, index)
        line = {"frame": index, "seconds": round(index / self.info.fps, 3), "results": records}
        drawn = None
        if self._video is not None:
            drawn = self._video.encode(index, self.renderer.view(frame, taken))
        return json.dumps(line) + "\n", drawn, ranking_of(taken)

    def write(self, rendered: tuple[str, Any, Ranking]) -> Ranking:
        """Appends the frame to both files."""
        line, drawn, ranking = rendered
        self._lines.write(line)
        if self._video is not None:
            self._video.write(drawn)
        return ranking


def outcome_table(outcomes: Sequence[Outcome], *, longest: int = 40) -> str:
    """A table for the terminal: how many objects, and rank with score of those that have one."""
    done = [(outcome.source.label, outcome.result) for outcome in outcomes if outcome.result]
    rows = []
    for label, ranking in done[:longest]:
        ranks = "   ".join(f"{rank}: {score:.2f}" for rank, score in ranking.ranked)
        rows.append([label, ranking.objects, ranks or "none"])
    if not rows:
        return ""
    table = tabulate(rows, headers=["picture", "objects", "rank: score"], tablefmt="simple")
    return table + (f"\n... and {len(done) - longest} more" if len(done) > longest else "")
