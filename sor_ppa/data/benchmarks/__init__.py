"""ONE table of all benchmarks, in plain rows; families of sets have a file each.

Adding a benchmark means adding a row. Nothing here touches the disk.
"""

from __future__ import annotations

from sor_ppa.data.benchmarks.fixation import FIXATION
from sor_ppa.data.benchmarks.high_resolution import HIGH_RESOLUTION
from sor_ppa.data.benchmarks.ranking import RANKING
from sor_ppa.data.benchmarks.rgb import RGB
from sor_ppa.data.benchmarks.rgbd import RGBD
from sor_ppa.data.benchmarks.rgbt import RGBT
from sor_ppa.data.benchmarks.rows import Benchmark, Layout, Part, Split
from sor_ppa.data.benchmarks.video import VIDEO

__all__ = ["BENCHMARKS", "FAMILIES", "Benchmark", "Layout", "Part", "Split"]

FAMILIES: dict[str, tuple[Benchmark, ...]] = {
    "Salient objects": RGB,
    "Salient objects, high resolution": HIGH_RESOLUTION,
    "Salient objects with depth (RGB-D)": RGBD,
    "Salient objects with thermal pictures (RGB-T)": RGBT,
    "Salient objects in video": VIDEO,
    "Fixations": FIXATION,
    "Ranked objects": RANKING,
}

BENCHMARKS: tuple[Benchmark, ...] = tuple(row for rows in FAMILIES.values() for row in rows)
