"""RGB-D saliency sets.

Depth maps are taken as they are stored: what is near is bright in some sets, dark in others.
"""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Split, rgbd_archive, rgbd_toolkits

_NONE = "none stated"

RGBD: tuple[Benchmark, ...] = (
    Benchmark(
        name="rgbd",
        task="sod",
        title="RGB-D training sets",
        splits={
            "train_2185": Split(
                2185,
                layouts=rgbd_toolkits("RGBD-TR", train=True),
                spellings=("RGBD-TR", "RGBD-TR-2185"),
            ),
            "train_2985": Split(
                2985,
                layouts=rgbd_toolkits("RGBD-TR-2985"),
                spellings=("RGBD-TR-2985",),
            ),
        },
        paper="parts of NJUD and NLPR, 2985 with DUT-RGBD as well",
        homepage="",
        licence=_NONE,
        note="2,185 = NJUD 1,485 + NLPR 700",
    ),
    Benchmark(
        name="dut_rgbd",
        task="sod",
        title="DUT-RGBD",
        splits={
            "test": Split(
                400,
                layouts=(
                    *rgbd_toolkits("DUT", "DUT-RGBD", "DUTLF-Depth"),
                    rgbd_archive("DUTLF-Depth/Test"),
                ),
                spellings=("DUT-RGBD", "DUTLF-Depth", "DUT-RGBD-TE"),
            ),
            "train": Split(
                800,
                layouts=(*rgbd_toolkits("DUT-RGBD-TR"), rgbd_archive("DUTLF-Depth/Train")),
                spellings=("DUT-RGBD-TR",),
            ),
        },
        size="Lytro camera",
        paper="Piao et al., ICCV 2019",
        homepage="https://github.com/jiwei0921/DMRA_RGBD-SOD",
        licence=_NONE,
    ),
    Benchmark(
        name="lfsd",
        task="sod",
        title="LFSD",
        splits={"": Split(100, layouts=rgbd_toolkits("LFSD"), spellings=("LFSD",))},
        size="360 x 360, light field camera",
        paper="Li et al., CVPR 2014 / TPAMI 2017",
        homepage="",
        licence=_NONE,
    ),
    Benchmark(
        name="njud",
        task="sod",
        title="NJUD (NJU2K)",
        splits={
            "test": Split(
                500,
                layouts=rgbd_toolkits("NJUD", "NJU2K"),
                spellings=("NJUD", "NJU2K", "NJUD-TE"),
                is_stated=False,
            ),
            "train": Split(
                1485,
                layouts=rgbd_toolkits("NJUD-TR", "NJU2K-TR"),
                spellings=("NJUD-TR",),
                is_stated=False,
            ),
        },
        paper="Ju et al., ICIP 2014 / SPIC 2015",
        homepage="http://mcg.nju.edu.cn/",
        licence=_NONE,
        note="some copies have 498 test pictures; the archive has left and right views: take left",
    ),
    Benchmark(
        name="nlpr",
        task="sod",
        title="NLPR",
        splits={
            "test": Split(
                300, layouts=rgbd_toolkits("NLPR"), spellings=("NLPR", "NLPR-TE"), is_stated=False
            ),
            "train": Split(
                700, layouts=rgbd_toolkits("NLPR-TR"), spellings=("NLPR-TR",), is_stated=False
            ),
        },
        size="640 x 480, Kinect",
        paper="Peng et al., ECCV 2014",
        homepage="https://sites.google.com/site/rgbdsaliency/",
        licence=_NONE,
    ),
    Benchmark(
        name="rgbd135",
        task="sod",
        title="RGBD135 (DES)",
        splits={
            "": Split(135, layouts=rgbd_toolkits("RGBD135", "DES"), spellings=("RGBD135", "DES"))
        },
        size="640 x 480, Kinect",
        paper="Cheng et al., ICIMCS 2014",
        homepage="https://github.com/HzFu/DES_code",
        licence=_NONE,
    ),
    Benchmark(
        name="sip",
        task="sod",
        title="SIP",
        splits={
            "": Split(
                929,
                layouts=(*rgbd_toolkits("SIP"), rgbd_archive("SIP", "Depth")),
                spellings=("SIP",),
                is_stated=False,
            )
        },
        size="992 x 744, phone",
        paper="Fan et al., TNNLS 2020",
        homepage="http://dpfan.net/d3netbenchmark/",
        licence=_NONE,
    ),
    Benchmark(
        name="ssd",
        task="sod",
        title="SSD",
        splits={"": Split(80, layouts=rgbd_toolkits("SSD", "SSD100"), is_stated=False)},
        size="960 x 1080, stereo films",
        paper="Zhu and Li, ICCVW 2017",
        homepage="",
        licence=_NONE,
    ),
    Benchmark(
        name="stere1000",
        task="sod",
        title="STERE1000 (SSB)",
        splits={
            "": Split(
                1000,
                layouts=rgbd_toolkits("STERE1000", "STERE", "STEREO1000", "SSB"),
                spellings=("STERE1000", "STERE", "STEREO1000", "SSB"),
            )
        },
        paper="Niu et al., CVPR 2012",
        homepage="",
        licence=_NONE,
    ),
    Benchmark(
        name="stereo797",
        task="sod",
        title="STEREO",
        splits={
            "": Split(
                797,
                layouts=rgbd_toolkits("STEREO", "STEREO797"),
                spellings=("STEREO", "STEREO797"),
                is_stated=False,
            )
        },
        paper="Niu et al., CVPR 2012",
        homepage="",
        licence=_NONE,
        note="an older subset of STERE1000",
    ),
)
