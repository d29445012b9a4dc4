"""RGB-T saliency sets: a colour and a thermal picture of the same scene."""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Split, rgbt

_HOME = "https://github.com/lz118/RGBT-Salient-Object-Detection"
_NONE = "none stated"
_JPEG = "masks of the original copy are .jpg: they must be thresholded"


def _vt5000(part: str, folder: str) -> Split:
    layouts = (rgbt("a2s-rgbt", f"RGBT/VT5000-{part}"), rgbt("archive", f"VT5000/{folder}"))
    return Split(2500, layouts=layouts, spellings=(f"VT5000-{part}",))


RGBT: tuple[Benchmark, ...] = (
    Benchmark(
        name="vt821",
        task="sod",
        title="VT821",
        splits={
            "": Split(
                821,
                layouts=(
                    rgbt("a2s-rgbt", "RGBT/VT821"),
                    rgbt("archive", "VT821"),
                    rgbt("archive", "VT821", thermal="thermal"),
                ),
                spellings=("VT821",),
                mask_mode="threshold",
            )
        },
        paper="Wang et al., 2018",
        homepage=_HOME,
        licence=_NONE,
        note=f"black borders from registration; {_JPEG}",
    ),
    Benchmark(
        name="vt1000",
        task="sod",
        title="VT1000",
        splits={
            "": Split(
                1000,
                layouts=(rgbt("a2s-rgbt", "RGBT/VT1000"), rgbt("archive", "VT1000")),
                spellings=("VT1000",),
                mask_mode="threshold",
            )
        },
        paper="Tu et al., TMM 2019",
        homepage=_HOME,
        licence=_NONE,
        note=_JPEG,
    ),
    Benchmark(
        name="vt5000",
        task="sod",
        title="VT5000",
        splits={"train": _vt5000("TR", "Train"), "test": _vt5000("TE", "Test")},
        size="640 x 480",
        paper="Tu et al., TMM 2022",
        homepage=_HOME,
        licence=_NONE,
    ),
)
