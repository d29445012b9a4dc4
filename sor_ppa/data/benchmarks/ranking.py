"""Sets of pictures with ranked objects."""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Split
from sor_ppa.data.ranking.assr import load_assr
from sor_ppa.data.ranking.irsr import load_irsr


def _assr(split: str, count: int) -> Split:
    paths = {"image_root": f"ASSR/images/{split}", "gt_root": f"ASSR/gt/{split}"}
    return Split(count, paths, spellings=(f"ASSR-{split}",), is_stated=False)


def _irsr(split: str, count: int) -> Split:
    at = f"IRSR/Images/{split}"
    paths = {"image_root": f"{at}/rgb", "gt_root": f"{at}/gt"}
    return Split(count, paths, spellings=(f"IRSR-{split}",), is_stated=False)


RANKING: tuple[Benchmark, ...] = (
    Benchmark(
        name="assr",
        task="ranking",
        title="ASSR",
        folder="ASSR",
        loader=load_assr,
        splits={
            "train": _assr("train", 7646),
            "val": _assr("val", 1436),
            "test": _assr("test", 2418),
        },
        paper="Siris et al., Inferring Attention Shift Ranks of Objects, CVPR 2020",
        homepage="https://github.com/SirisAvishek/Attention_Shift_Ranks",
        licence="none stated; pictures and outlines from COCO, attention from SALICON",
    ),
    Benchmark(
        name="irsr",
        task="ranking",
        title="IRSR",
        folder="IRSR",
        loader=load_irsr,
        splits={"train": _irsr("train", 6059), "test": _irsr("test", 2929)},
        paper="Liu et al., Instance-Level Relative Saliency Ranking, TPAMI 2021",
        homepage="https://github.com/dragonlee258079/Saliency-Ranking",
        licence="none stated; pictures and outlines from COCO",
    ),
)
