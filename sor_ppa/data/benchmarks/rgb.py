"""RGB saliency sets of low resolution."""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import (
    Benchmark,
    Layout,
    Split,
    archive,
    folders_layout,
    rgb_toolkits,
    same_folder,
)

_NONE = "none stated"


def _duts(part: str) -> tuple[Layout, ...]:
    at = f"DUTS-{part}/DUTS-{part}"
    return (archive(image=f"{at}-Image", mask=f"{at}-Mask"), *rgb_toolkits(f"DUTS-{part}"))


def _msra_b(*parts: str, toolkit: str = "") -> tuple[Layout, ...]:
    lists = tuple(f"MSRA-B/{part}.txt" for part in parts)
    return (*rgb_toolkits(*filter(None, [toolkit])), same_folder("flat", "MSRA-B", lists=lists))


def _hq(masks: str) -> tuple[Layout, ...]:
    return tuple(
        folders_layout("hq", image=f"DUTS-HQ{at}", mask=f"DUTS-HQ/{masks}")
        for at in ("/images", "")
    )


RGB: tuple[Benchmark, ...] = (
    Benchmark(
        name="duts",
        task="sod",
        title="DUTS",
        splits={
            "train": Split(10553, layouts=_duts("TR"), spellings=("DUTS-TR", "DUTS-Train")),
            "test": Split(5019, layouts=_duts("TE"), spellings=("DUTS-TE", "DUTS-Test")),
        },
        size="longest side 400",
        paper="Wang et al., CVPR 2017",
        homepage="http://saliencydetection.net/duts/",
        licence="none stated; pictures from ImageNet DET (train/val for TR, test for TE) and SUN",
    ),
    Benchmark(
        name="dut_omron",
        task="sod",
        title="DUT-OMRON",
        splits={
            "": Split(
                5168,
                layouts=(
                    archive(
                        image="DUT-OMRON/DUT-OMRON-image", mask="DUT-OMRON/pixelwiseGT-new-PNG"
                    ),
                    *rgb_toolkits("DUT-OMRON", "DUTOMRON", "DUT_OMRON"),
                    archive(image="DUT-OMRON-image", mask="pixelwiseGT-new-PNG"),
                ),
                spellings=("DUT-OMRON", "DUTOMRON", "OMRON", "DUT-O"),
            )
        },
        size="longest side 400",
        paper="Yang et al., CVPR 2013",
        homepage="http://saliencydetection.net/dut-omron/",
        licence=_NONE,
    ),
    Benchmark(
        name="ecssd",
        task="sod",
        title="ECSSD",
        splits={
            "": Split(
                1000,
                layouts=(
                    archive(image="ECSSD/images", mask="ECSSD/ground_truth_mask"),
                    *rgb_toolkits("ECSSD"),
                    archive(image="images", mask="ground_truth_mask"),
                ),
                spellings=("ECSSD",),
            )
        },
        size="about 400 x 300",
        paper="Yan et al., CVPR 2013; Shi et al., TPAMI 2016",
        homepage="https://www.cse.cuhk.edu.hk/leojia/projects/hsaliency/",
        licence=_NONE,
    ),
    Benchmark(
        name="hku_is",
        task="sod",
        title="HKU-IS",
        splits={
            "": Split(
                4447,
                layouts=(
                    archive(image="HKU-IS/imgs", mask="HKU-IS/gt"),
                    *rgb_toolkits("HKU-IS", "HKUIS"),
                ),
                spellings=("HKU-IS", "HKUIS"),
            )
        },
        size="about 400 x 300",
        paper="Li and Yu, CVPR 2015",
        homepage="https://i.cs.hku.hk/~gbli/deep_saliency.html",
        licence=_NONE,
        note="pictures are .png as well; usually all are used for testing",
    ),
    Benchmark(
        name="pascal_s",
        task="sod",
        title="PASCAL-S",
        splits={
            "": Split(
                850,
                layouts=(
                    archive(
                        image="salObj/datasets/imgs/pascal", mask="salObj/datasets/masks/pascal"
                    ),
                    *rgb_toolkits("PASCAL-S", "PASCALS", "PASCAL"),
                ),
                spellings=("PASCAL-S", "PASCALS"),
                mask_mode="threshold",
            )
        },
        size="longest side 500",
        paper="Li et al., CVPR 2014",
        homepage="http://cbi.gatech.edu/salobj/",
        licence="none stated; PASCAL VOC pictures",
        note="grey masks = share of 12 people, cut at one half",
    ),
    Benchmark(
        name="msra_b",
        task="sod",
        title="MSRA-B",
        splits={
            "train": Split(2500, layouts=_msra_b("train"), is_stated=False),
            "val": Split(500, layouts=_msra_b("val"), is_stated=False),
            "test": Split(
                2000,
                layouts=_msra_b("test", toolkit="MSB-TE"),
                spellings=("MSB-TE", "MSRA-B-TE"),
                is_stated=False,
            ),
        },
        size="about 400 x 300",
        paper="Liu et al., CVPR 2007 / TPAMI 2011; Jiang et al., CVPR 2013",
        homepage="https://mmcheng.net/",
        licence=_NONE,
        note="the split's names in MSRA-B/{train,val,test}.txt, one a line (from the DRFI code)",
    ),
    Benchmark(
        name="msb",
        task="sod",
        title="MSRA-B, training and validation",
        splits={
            "train": Split(
                3000,
                layouts=_msra_b("train", "val", toolkit="MSB-TR"),
                spellings=("MSB-TR", "MSRA-B-TR"),
                is_stated=False,
            )
        },
        size="about 400 x 300",
        paper="as MSRA-B",
        homepage="https://mmcheng.net/",
        licence=_NONE,
    ),
    Benchmark(
        name="msra10k",
        task="sod",
        title="MSRA-10K",
        splits={
            "": Split(
                10000,
                layouts=(
                    same_folder("flat", "MSRA10K_Imgs_GT/Imgs"),
                    *rgb_toolkits("MSRA-10K", "MSRA10K"),
                    same_folder("flat", "MSRA-10K"),
                    same_folder("flat", "MSRA_10K"),
                ),
                spellings=("MSRA-10K",),
            )
        },
        size="about 400 x 300",
        paper="Cheng et al., TPAMI 2015",
        homepage="https://mmcheng.net/msra10k/",
        licence="none stated; cite",
        note="contains much of MSRA-B",
    ),
    Benchmark(
        name="fss1000",
        task="sod",
        title="FSS-1000",
        splits={
            "": Split(
                10000,
                layouts=(
                    same_folder("flat", "fewshot_data", recursive=True),
                    *rgb_toolkits("FSS-1000", "FSS1000"),
                    same_folder("flat", "FSS-1000", recursive=True),
                    same_folder("flat", "FSS", recursive=True),
                ),
                spellings=("FSS-1000", "FSS"),
            )
        },
        size="224 x 224",
        paper="Li et al., CVPR 2020",
        homepage="https://github.com/HKUSTCV/FSS-1000",
        licence="the repository's terms; check",
    ),
    Benchmark(
        name="sod",
        task="sod",
        title="SOD",
        splits={"": Split(300, layouts=rgb_toolkits("SOD"))},
        size="481 x 321",
        paper="Movahedi and Elder, 2010",
        homepage="http://elderlab.yorku.ca/SOD/",
        licence=_NONE,
        note="the authors' files are outlines (.mat); take the masks of a toolkit's bundle",
    ),
    Benchmark(
        name="duts_hq",
        task="sod",
        title="DUTS-HQ",
        splits={
            "train": Split(10553, layouts=(*_hq("hq-masks"), *_hq("masks")), spellings=("DUTS-HQ",))
        },
        size="1600 x 1600",
        paper="made from DUTS-TR",
        homepage="https://github.com/dbpprt/duts-hq",
        licence="as DUTS, SwinIR and CascadePSP",
        note="hq-masks were refined by a network that was trained on test sets of others",
    ),
)
