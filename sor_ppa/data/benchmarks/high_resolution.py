"""RGB saliency sets of high resolution."""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Layout, Split, archive, rgb_toolkits

_HRSOD = "https://github.com/yi94code/HRSOD"
_PGNET = "https://github.com/iCVTEAM/PGNet"


def _hrsod(part: str, spelling: str) -> tuple[Layout, ...]:
    at = f"HRSOD_release/HRSOD_{part}"
    return (archive(image=at, mask=f"{at}_mask"), *rgb_toolkits(spelling))


def _uhrsd(part: str) -> tuple[Layout, ...]:
    ours = [
        archive(image=f"{name}/image", mask=f"{name}/mask")
        for name in (f"UHRSD_{part}", f"UHRSD_{part}_2K")
    ]
    return (*ours, *rgb_toolkits(f"UHRSD-{part}"))


def _dis(part: str, count: int) -> Split:
    at = f"DIS5K/{part}"
    layouts = (archive(image=f"{at}/im", mask=f"{at}/gt"), *rgb_toolkits(part))
    return Split(count, layouts=layouts, spellings=(part,), is_stated=False)


HIGH_RESOLUTION: tuple[Benchmark, ...] = (
    Benchmark(
        name="davis_s",
        task="sod",
        title="DAVIS-S",
        splits={
            "": Split(
                92,
                layouts=(
                    *rgb_toolkits("DAVIS-S", "DAVIS_S"),
                    archive(image="DAVIS-S/image", mask="DAVIS-S/gt"),
                    archive(image="DAVIS-S/Imgs", mask="DAVIS-S/Mask"),
                ),
                spellings=("DAVIS-S",),
                is_stated=False,
            )
        },
        size="1920 x 1080",
        paper="Zeng et al., ICCV 2019, from DAVIS 2016",
        homepage=_HRSOD,
        licence="of DAVIS (CC BY-NC 4.0, unconfirmed)",
    ),
    Benchmark(
        name="hrsod",
        task="sod",
        title="HRSOD",
        splits={
            "train": Split(1610, layouts=_hrsod("train", "HRSOD-TR"), spellings=("HRSOD-TR",)),
            "test": Split(400, layouts=_hrsod("test", "HRSOD-TE"), spellings=("HRSOD-TE", "HRSOD")),
            "train_lr": Split(
                1610, layouts=rgb_toolkits("HRSOD-TR-LR"), spellings=("HRSOD-TR-LR",)
            ),
        },
        size="shorter side >= 1200; train_lr: 384 x 384",
        paper="Zeng et al., ICCV 2019",
        homepage=_HRSOD,
        licence="Flickr pictures under Creative Commons",
    ),
    Benchmark(
        name="uhrsd",
        task="sod",
        title="UHRSD",
        splits={
            "train": Split(4932, layouts=_uhrsd("TR"), spellings=("UHRSD-TR",)),
            "test": Split(988, layouts=_uhrsd("TE"), spellings=("UHRSD-TE", "UHRSD")),
            "train_lr": Split(
                4932, layouts=rgb_toolkits("UHRSD-TR-LR"), spellings=("UHRSD-TR-LR",)
            ),
        },
        size="4K to 8K, or the 2K copy; train_lr: 384 x 384",
        paper="Xie et al., CVPR 2022",
        homepage=_PGNET,
        licence="pictures from free-copyright sites; terms unstated",
    ),
    Benchmark(
        name="dis5k",
        task="sod",
        title="DIS5K",
        splits={
            "train": _dis("DIS-TR", 3000),
            "val": _dis("DIS-VD", 470),
            "te1": _dis("DIS-TE1", 500),
            "te2": _dis("DIS-TE2", 500),
            "te3": _dis("DIS-TE3", 500),
            "te4": _dis("DIS-TE4", 500),
        },
        size="2K to 6K",
        paper="Qin et al., ECCV 2022",
        homepage="https://xuebinqin.github.io/dis/index.html",
        licence="its own terms, non-commercial (unconfirmed)",
    ),
)
