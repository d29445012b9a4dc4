"""Precision-recall and F curves as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sor_ppa.data.image_io import atomic_path
from sor_ppa.data.writers import PathLike
from sor_ppa.errors import SaliencyError
from sor_ppa.evaluation.dense_report import DenseRun

_SIZE_INCHES, _DPI = (6.0, 4.5), 150


def plot_curves(folder: PathLike, runs: Sequence[DenseRun]) -> list[Path]:
    """Writes ``pr_<protocol>.png`` and ``f_<protocol>.png``, one line a method.

    Args:
        folder: is made if need be.
        runs: methods, all scored under the same protocols.

    Returns:
        The files written; none for what was not computed.

    Raises:
        SaliencyError: matplotlib is not installed.
    """
    written = []
    for place, protocol in enumerate(runs[0].tally.plan.protocols):
        curves = {run.method: run.tally.curves()[place] for run in runs}
        for kind, key, draw in (("pr", "precision", _draw_pr), ("f", "fm_curve", _draw_f)):
            if any(key in curve for curve in curves.values()):
                path = Path(folder).expanduser() / f"{kind}_{protocol.name}.png"
                _plot(path, curves, draw, f"{protocol.name} protocol")
                written.append(path)
    return written


def _plot(path: Path, curves: dict[str, dict[str, Any]], draw: Any, title: str) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SaliencyError(
            "curves are drawn with matplotlib: pip install 'sor_ppa[plots]', or use --no-plots"
        ) from error
    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for method, curve in curves.items():
        draw(axes, curve, method or "map")
    axes.set(ylim=(0, 1.02), title=title)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    with atomic_path(path) as temporary:
        canvas.print_png(str(temporary))


def _draw_pr(axes: Any, curve: dict[str, Any], label: str) -> None:
    # The first thresholds may select nothing: no precision to speak of.
    chosen = curve["recall"] > 0
    axes.plot(curve["recall"][chosen], curve["precision"][chosen], label=label)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1))


def _draw_f(axes: Any, curve: dict[str, Any], label: str) -> None:
    values = curve["fm_curve"]
    thresholds = np.arange(len(values))[::-1]
    best = int(values.argmax())
    axes.plot(thresholds, values, label=f"{label} (max {values[best]:.3f})")
    axes.set(xlabel="threshold", ylabel="F-measure", xlim=(0, 255))
