"""Rankings by gaze: the order of objects is that of the looks they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Instances

from sor_ppa.data.derived.ranks import map_shares, rank_by_map
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.evaluation.results_io import GAZE_SHARE
from sor_ppa.showing.given_objects import GivenObjects
from sor_ppa.showing.inputs import Source
from sor_ppa.showing.rank_renderer import RankFilm, RankRenderer
from sor_ppa.showing.results import Ranking, ResultsFolder
from sor_ppa.showing.video import VideoInfo
from sor_ppa.visualization.cutouts import check_saliency


@dataclass(frozen=True)
class Looked:
    """Objects of a picture (None = they come from a file), and where people look: (H, W)."""

    instances: Instances | None
    fixation: np.ndarray


class GazeRankRenderer(RankRenderer):
    """Ranks the objects of a network, or of a file, by a fixation map.

    Args:
        results: the folder of the run.
        statistic: of the map inside an object: "sum", "mean" or "max".
        objects: rank these instead of the network's.
    """

    def __init__(
        self, results: ResultsFolder, *, statistic: str = "sum", objects: GivenObjects | None = None
    ) -> None:
        super().__init__(results)
        self.statistic = statistic
        self.objects = objects

    def take(self, outputs: dict[str, Any], size_hw: tuple[int, int]) -> Any:  # noqa: ANN401
        """Instances in their order, or what is needed for it once the picture's name is known.

        Raises:
            SaliencyError: a network gives no fixation map, or no instances.
        """
        if "fixation" not in outputs:
            raise SaliencyError(
                f"--fixation-config: its network gives {', '.join(outputs) or 'nothing'} and no "
                "fixation map; use msinet/tiny.yaml or the like"
            )
        fixation = check_saliency(outputs["fixation"].detach().float().cpu().numpy(), size_hw)
        if self.objects is not None:
            return Looked(None, fixation)
        return self._ranked(super().take(outputs, size_hw), fixation)

    def add(self, source: Source, image: np.ndarray, taken: Any) -> Ranking:  # noqa: ANN401
        """Writes the files of one picture."""
        if isinstance(taken, Looked) and self.objects is not None:
            given = self.objects.of(source, image.shape[:2])
            taken = self._ranked(given, taken.fixation)
        return super().add(source, image, taken)

    def film(self, source: Source, info: VideoInfo, size_hw: tuple[int, int]) -> RankFilm:
        """The files of one video.

        Raises:
            ConfigError: the objects come from a file, which knows none of frames.
        """
        if self.objects is not None:
            raise ConfigError(
                "--objects is for pictures: a file has no objects of a video's frames"
            )
        return super().film(source, info, size_hw)

    def _ranked(self, instances: Instances, fixation: np.ndarray) -> Instances:
        """The instances with ``pred_ranks`` by the map, and the share of it that each holds."""
        masks = instances.pred_masks.numpy().astype(bool) if instances.has("pred_masks") else []
        top = self.results.num_ranks
        ranks = rank_by_map(fixation, masks, top=top, statistic=self.statistic)
        shares = map_shares(fixation, masks)
        instances.pred_ranks = torch.from_numpy(ranks)
        instances.set(GAZE_SHARE, torch.from_numpy(shares))
        return instances
