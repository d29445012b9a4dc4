"""Fixation sets: a map of where people looked to each picture."""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Layout, Part, Split, fixation

_RESEARCH = "research use"


def _msinet(
    name: str, inner: str = "", mark: str = "", *, made: bool = False
) -> tuple[Layout, ...]:
    """``<set>/{stimuli,saliency,fixations}``, the set spelt like its authors or in lower case.

    Where maps are ``made`` of points, the folder of maps need not be there.
    """
    return tuple(
        fixation(
            "msinet",
            f"{at}/stimuli{inner}",
            saliency=f"{at}/saliency{inner}" if with_maps else "",
            fixation=f"{at}/fixations{inner}",
            mark=mark,
        )
        for at in (name, name.lower())
        for with_maps in ((True, False) if made else (True,))
    )


def _drawn(
    train: int,
    val: int,
    layouts: tuple[Layout, ...],
    group: tuple[int, int] = (0, 0),
    sigma: float = 0.0,
) -> dict[str, Split]:
    """Splits drawn with a seed; ``group``: (first, size) if it is drawn group by group."""
    first, size = group[0] or train, group[1]
    return {
        key: Split(
            count,
            layouts=layouts,
            lead="image",
            order="path",
            part=Part(first, train=key == "train", group=size),
            sigma=sigma,
        )
        for key, count in (("train", train), ("val", val))
    }


_SALICON = {
    key: Split(
        count,
        layouts=(
            *_msinet("SALICON", f"/{key}"),
            fixation(
                "archive",
                f"SALICON/images/{key}",
                saliency=f"SALICON/maps/{key}",
                fixation=f"SALICON/fixations/{key}",
            ),
        ),
        lead="image",
        order="path",
    )
    for key, count in (("train", 10000), ("val", 5000))
}
_MIT1003 = (
    *_msinet("MIT1003", mark="fix"),
    fixation(
        "archive",
        "MIT1003/ALLSTIMULI",
        saliency="MIT1003/ALLFIXATIONMAPS",
        fixation="MIT1003/ALLFIXATIONMAPS",
        mark="fix",
    ),
)
# "/*": the folder of a category; those called Output inside it are passed over.
_CAT2000 = (
    *_msinet("CAT2000", "/*"),
    fixation(
        "archive",
        "CAT2000/trainSet/Stimuli/*",
        saliency="CAT2000/trainSet/FIXATIONMAPS/*",
        fixation="CAT2000/trainSet/FIXATIONLOCS/*",
    ),
)
_DUT_OMRON = (
    *_msinet("DUT-OMRON", made=True),
    fixation("archive", "DUT-OMRON-image", fixation="DUT-OMRON-eye-fixations"),
)
_PASCAL_S = (
    *_msinet("PASCAL-S"),
    fixation(
        "archive",
        "salObj/datasets/imgs/pascal",
        saliency="salObj/algmaps/pascal/humanFix",
        points="salObj/datasets/fixations/pascalFix.mat",
    ),
)
_OSIE = (
    *_msinet("OSIE", made=True),
    fixation("archive", "OSIE/data/stimuli", points="OSIE/data/eye/fixations.mat"),
    fixation("archive", "OSIE/stimuli", points="OSIE/eye/fixations.mat"),
)
_FIWI = (
    *_msinet("FIWI", made=True),
    fixation("archive", "FIWI/stimuli", fixation="FIWI/all5"),
)

FIXATION: tuple[Benchmark, ...] = (
    Benchmark(
        name="salicon",
        task="fixation",
        title="SALICON",
        splits=_SALICON,
        size="480 x 640",
        paper="Jiang et al., CVPR 2015",
        homepage="http://salicon.net/challenge-2017/",
        licence="research use; COCO pictures",
        note="mouse movements of 16 people; the 5,000 test pictures have no maps",
    ),
    Benchmark(
        name="mit1003",
        task="fixation",
        title="MIT1003",
        splits=_drawn(803, 200, _MIT1003),
        size="longest side 1024",
        paper="Judd et al., ICCV 2009",
        homepage="https://people.csail.mit.edu/tjudd/WherePeopleLook/",
        licence=_RESEARCH,
        note="15 people; names end in _fixMap and _fixPts",
    ),
    Benchmark(
        name="cat2000",
        task="fixation",
        title="CAT2000",
        splits=_drawn(1600, 400, _CAT2000, group=(80, 100)),
        size="1080 x 1920",
        paper="Borji and Itti, 2015",
        homepage="http://saliency.mit.edu/",
        licence=_RESEARCH,
        note="18 people; 20 categories of 100; the test half has no maps",
    ),
    Benchmark(
        name="dut_omron_fix",
        task="fixation",
        title="DUT-OMRON, eye fixations",
        splits=_drawn(4168, 1000, _DUT_OMRON, sigma=16),
        size="longest side about 400",
        paper="Yang et al., CVPR 2013",
        homepage="http://saliencydetection.net/dut-omron/",
        licence="none stated",
        note="5 people",
    ),
    Benchmark(
        name="pascal_s_fix",
        task="fixation",
        title="PASCAL-S, eye fixations",
        splits=_drawn(650, 200, _PASCAL_S),
        size="longest side 500",
        paper="Li et al., CVPR 2014",
        homepage="http://cbi.gatech.edu/salobj/",
        licence="none stated; PASCAL VOC pictures",
        note="8 people",
    ),
    Benchmark(
        name="osie",
        task="fixation",
        title="OSIE",
        splits=_drawn(500, 200, _OSIE, sigma=16),
        size="600 x 800",
        paper="Xu et al., Journal of Vision 2014",
        homepage="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
        licence="the repository's terms",
        note="15 people",
    ),
    Benchmark(
        name="fiwi",
        task="fixation",
        title="FIWI",
        splits=_drawn(99, 50, _FIWI, sigma=30),
        size="768 x 1360 or 1366, web pages",
        paper="Shen and Zhao, ECCV 2014",
        homepage="",
        licence="none stated",
        note="11 people",
    ),
)
