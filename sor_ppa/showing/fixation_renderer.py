"""What fixation maps become: heat maps, overlays, contours, densities, films."""

from __future__ import annotations

from typing import Any

import numpy as np

from sor_ppa.errors import SaliencyError
from sor_ppa.showing.saliency_folder import SaliencyFolder
from sor_ppa.showing.saliency_renderer import SaliencyRenderer, Taken
from sor_ppa.visualization.cutouts import check_saliency
from sor_ppa.visualization.fixation_types import draw_fixation
from sor_ppa.visualization.heat_maps import heat_map
from sor_ppa.visualization.output_types import OutputType


class FixationRenderer(SaliencyRenderer):
    """Renderer of fixation maps: the folder and films of saliency maps, other pictures.

    Args:
        folder: where the results go, with the options.
        opacity: of the colours over a picture.
        more: further arguments of :class:`~sor_ppa.showing.saliency_renderer.SaliencyRenderer`.
    """

    def __init__(self, folder: SaliencyFolder, *, opacity: float = 0.65, **more: Any) -> None:
        super().__init__(folder, **more)
        self.opacity = opacity

    def take(self, outputs: dict[str, Any], size_hw: tuple[int, int]) -> Taken:
        """The map on the CPU, checked.

        Raises:
            SaliencyError: there is no map, or it cannot be one of this picture.
        """
        if "fixation" not in outputs:
            raise SaliencyError(
                f"this network gives {', '.join(outputs) or 'nothing'} and no fixation map; use a "
                "fixation config such as msinet/tiny.yaml"
            )
        fixation = outputs["fixation"].detach().float().cpu().numpy()
        return Taken(check_saliency(fixation, size_hw), {})

    def _drawn(self, kind: OutputType, image: np.ndarray, taken: Taken) -> np.ndarray:
        bits = self.options.bits
        return draw_fixation(kind.kind, image, taken.saliency, opacity=self.opacity, bits=bits)

    def _shown(self, kind: OutputType, drawn: np.ndarray) -> np.ndarray:
        """A density is shown in colours."""
        if kind.kind != "density":
            return super()._shown(kind, drawn)
        return heat_map(drawn / drawn.max())
