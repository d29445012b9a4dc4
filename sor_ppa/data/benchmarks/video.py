"""Video saliency sets. Annotated frames alone count: the masks say which pictures there are.

Where a set has no folder of flow pictures, the flow is computed from the frames.
"""

from __future__ import annotations

from sor_ppa.data.benchmarks.rows import Benchmark, Layout, Split, video, video_archive

_RESEARCH = "research use"


def _video(
    count: int | None, *layouts: Layout, spellings: tuple[str, ...] = (), mask_mode: str = "soft"
) -> Split:
    return Split(
        count,
        layouts=layouts,
        spellings=spellings,
        is_stated=False,
        lead="mask",
        mask_mode=mask_mode,
    )


def _fbms(folder: str) -> Layout:
    at = f"FBMS/{folder}/*"
    return video_archive(at, f"{at}/GroundTruth", f"{at}/optical")


def _davis(part: str) -> Layout:
    folders = [f"DAVIS/{kind}/480p" for kind in ("JPEGImages", "Annotations", "optical")]
    return video_archive(*folders, lists=(f"DAVIS/ImageSets/480p/{part}.txt",))


def _davsod(folder: str) -> Layout:
    at = f"DAVSOD/{folder}/*"
    return video_archive(f"{at}/Imgs", f"{at}/GT_object_level", f"{at}/optical")


VIDEO: tuple[Benchmark, ...] = (
    Benchmark(
        name="segv2",
        task="sod",
        title="SegTrack-V2",
        splits={
            "": _video(
                1065,
                video("SegV2"),
                video_archive(
                    "SegTrackv2/JPEGImages",
                    "SegTrackv2/GroundTruth",
                    "SegTrackv2/optical",
                    several=True,
                ),
                spellings=("SegV2", "SegTrack-V2"),
                mask_mode="threshold",
            )
        },
        size="14 videos",
        paper="Li et al., ICCV 2013",
        homepage="https://web.engr.oregonstate.edu/~lif/SegTrack2/",
        licence="none stated",
        note="several objects in a video: their masks are united",
    ),
    Benchmark(
        name="fbms",
        task="sod",
        title="FBMS",
        splits={
            "train": _video(None, video("FBMS-TR"), _fbms("Trainingset"), mask_mode="threshold"),
            "": _video(
                None, video("FBMS"), _fbms("Testset"), spellings=("FBMS",), mask_mode="threshold"
            ),
        },
        size="29 + 30 videos",
        paper="Ochs et al., TPAMI 2014",
        homepage="https://lmb.informatik.uni-freiburg.de/",
        licence=_RESEARCH,
        note="720 annotated frames in both splits together",
    ),
    Benchmark(
        name="davis16",
        task="sod",
        title="DAVIS 2016",
        splits={
            "train": _video(2079, _davis("train")),
            "test": _video(1376, video("DAVIS-TE"), _davis("val"), spellings=("DAVIS-TE",)),
        },
        size="30 + 20 videos",
        paper="Perazzi et al., CVPR 2016",
        homepage="https://davischallenge.org/",
        licence="CC BY-NC 4.0 (unconfirmed)",
        note="test = the list called val",
    ),
    Benchmark(
        name="davsod",
        task="sod",
        title="DAVSOD",
        splits={
            "train": _video(None, video("DAVSOD-TR"), _davsod("Training Set")),
            "val": _video(None, video("DAVSOD-VAL"), _davsod("Validation Set")),
            "test": _video(
                None,
                video("DAVSOD-TE"),
                _davsod("Easy-35"),
                spellings=("DAVSOD-TE", "DAVSOD-Easy-35"),
            ),
            "test_normal": _video(None, _davsod("Normal-25"), spellings=("DAVSOD-Normal-25",)),
            "test_difficult": _video(
                None, _davsod("Difficult-20"), spellings=("DAVSOD-Difficult-20",)
            ),
        },
        size="226 videos, 187 in the packages of 2021",
        paper="Fan et al., CVPR 2019",
        homepage="https://github.com/DengPingFan/DAVSOD",
        licence=_RESEARCH,
        note="23,938 frames according to the paper; test = Easy-35",
    ),
    Benchmark(
        name="vsod",
        task="sod",
        title="VSOD training set",
        splits={"train": _video(None, video("VSOD-TR"), spellings=("VSOD-TR",))},
        paper="training parts of DAVIS and DAVSOD",
        homepage="",
        licence="as DAVIS and DAVSOD",
    ),
)
