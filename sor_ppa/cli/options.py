"""The command lines of all tasks. Imports nothing heavy: ``--help`` has to be quick."""

from __future__ import annotations

import argparse

TASKS = {
    "saliency": "cut salient objects out: maps, transparency, other backgrounds",
    "rank": "rank the salient objects: outlines, order, scores",
    "fixation": "show where people look: heat maps, contours, densities",
}

# What pictures are, in the words of --task, and what a network then sees beside them.
PICTURE_TASKS = {"rgb": "", "rgbd": "depth", "rgbt": "thermal", "video": "flow"}
SALIENCY_CONFIG = "inspyrenet/tiny.yaml"
FIXATION_CONFIG = "msinet/tiny.yaml"

_STATUS = """\
Exit status: 0 all done, 1 some inputs failed (they are listed), 2 nothing was done,
130 stopped with Ctrl-C (what was finished is there)."""

_SALIENCY = """\
examples:
  {prog} --samples --type rgba map blur
  {prog} -i photo.jpg holiday/ "frames/*.png" -d output/mine --type white --trim
  {prog} -i clip.mp4 --type rgba --format webm
  {prog} -i photo.jpg --background beach.jpg
  {prog} --task rgbt -i photos/ --modality-input thermal/ --weights my.pth --sheet sheet.png
  {prog} --task video -i clip.mp4 --type overlay modality --weights my.pth

"""

_FIXATION = """\
examples:
  {prog} --samples --type overlay contours --sheet output/sheet.jpg
  {prog} -i photo.jpg holiday/ "frames/*.png" clip.mp4 -d output/mine
  {prog} -m msinet/salicon.yaml --weights model_salicon_cpu.pb -i photo.jpg --type density map
  {prog} -i webcam

"""

_RANK = """\
examples:
  {prog} --samples
  {prog} --samples --rank-by fixation
  {prog} --input photos/ --rank-by fixation --objects instances.json
  {prog} --input photo.jpg holiday/ "frames/*.png" clip.mp4 --output output/mine
  {prog} --config-file sor/ppa.yaml --input photo.jpg --opts MODEL.WEIGHTS my.pth

"""


def build_parser(prog: str = "sor-ppa") -> argparse.ArgumentParser:
    """The whole command line; the chosen task is ``args.task``, None when none was named."""
    parser = argparse.ArgumentParser(
        prog=prog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="What people look at in a picture.",
        epilog=f"`{prog} TASK --help` lists the options of a task.\n\n{_STATUS}",
    )
    tasks = parser.add_subparsers(dest="task", metavar="TASK", title="tasks")
    _saliency_options(_task_parser(tasks, prog, "saliency", _SALIENCY))
    _rank_options(_task_parser(tasks, prog, "rank", _RANK))
    _fixation_options(_task_parser(tasks, prog, "fixation", _FIXATION))
    return parser


def _task_parser(
    tasks: argparse._SubParsersAction[argparse.ArgumentParser], prog: str, name: str, examples: str
) -> argparse.ArgumentParser:
    others = ", ".join(f"`{prog} {other}`" for other in TASKS if other != name)
    return tasks.add_parser(
        name,
        help=TASKS[name],
        description=TASKS[name],
        epilog=f"{examples.format(prog=f'{prog} {name}')}other tasks: {others}\n\n{_STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


# fmt: off
def _saliency_options(parser: argparse.ArgumentParser) -> None:
    _input_options(
        parser, config=None, output="output/saliency",
        default=f"what --task says, else {SALIENCY_CONFIG}",
    )
    add = parser.add_argument_group("second modality").add_argument
    add("--task", dest="picture_task", choices=tuple(PICTURE_TASKS),
        help="what the pictures are: rgb, or with depth (rgbd), with thermal pictures (rgbt), or "
             "moving (video); chooses the network, unless --config-file does")
    add("--modality-input", "-mi", nargs="+", default=[], metavar="WHAT",
        help="what the network sees beside the pictures: files, folders, globs in quotes, or "
             "videos for videos; belongs to the input of the same name up to the suffix. Optical "
             "flow that is not given is computed, of videos and of folders of frames")
    add = parser.add_argument_group("results").add_argument
    add("--type", "-t", nargs="+", default=None, metavar="TYPE",
        help="map, rgba, green, white, a colour (255,0,0), blur, overlay, the path of a background "
             "picture, pyramid (the network's levels), or modality (what it saw beside the "
             "picture); several are possible; default: rgba")
    add("--background", "-b", metavar="FILE", help="also put the objects on this picture")
    add("--threshold", "-th", type=float, metavar="P",
        help="a hard mask: 1 above P, else 0; default: soft edges")
    add("--reverse", "-R", action="store_true", help="keep the background, drop the objects")
    add("--trim", action="store_true", help="cut pictures to the box of what shows")
    add("--format", "-f", metavar="FORMAT",
        help="png or jpg for pictures; mp4, mov (ProRes 4444), webm (VP9) or png (numbered "
             "frames) for videos; default: png for maps and cut-outs, else the picture's own; "
             "mp4 for videos, numbered frames with rgba")
    add("--bits", type=int, default=8, metavar="8|16", help="depth of maps (default: 8)")
    add("--no-matting", action="store_true",
        help="do not take the background's tint out of half-transparent edges")
    add("--sheet", metavar="FILE", help="also one picture with originals and results (up to 12)")
    add = parser.add_argument_group("network").add_argument
    add("--weights", "--ckpt", "-c", metavar="FILE", help="the same as --opts MODEL.WEIGHTS FILE")
    add("--resize", "-r", choices=("static", "dynamic"),
        help="input of the network: a square, or the picture's own shape; default: the config's")
    add("--blend", nargs="?", type=int, const=512, metavar="N",
        help="pyramid blending of pictures with both sides above N (512): sharp at high "
             "resolution; with --resize dynamic unless that is given")
    add("--batch-size", type=int, default=1, metavar="N", help="frames of a video at a time")
    add("--backend", choices=("torch", "onnx"), default="torch",
        help="onnx: run by onnxruntime, faster on a CPU; exported at the first use, then kept")
    _last_options(parser)


def _fixation_options(parser: argparse.ArgumentParser) -> None:
    _input_options(
        parser, config=FIXATION_CONFIG, output="output/fixation", default="%(default)s"
    )
    add = parser.add_argument_group("results").add_argument
    add("--type", "-t", nargs="+", default=None, metavar="TYPE",
        help="overlay (colours over the picture), heat (colours alone), contours, map (grey), "
             "density (an array .npy that sums to 1); several are possible; default: overlay")
    add("--opacity", type=float, default=0.65, metavar="P",
        help="of the colours in an overlay (default: %(default)s)")
    add("--format", "-f", metavar="FORMAT",
        help="png or jpg for pictures; mp4, mov, webm or png (numbered frames) for videos; "
             "default: the picture's own, png for maps; mp4 for videos")
    add("--bits", type=int, default=8, metavar="8|16", help="depth of maps (default: 8)")
    add("--sheet", metavar="FILE", help="also one picture with originals and results (up to 12)")
    add = parser.add_argument_group("network").add_argument
    add("--weights", "--ckpt", "-c", metavar="FILE",
        help="the same as --opts MODEL.WEIGHTS FILE; MSI-Net's published files too")
    add("--preset", choices=("repository", "hub"),
        help="how a picture is brought to the network: as MSI-Net was trained, or as its release "
             "on model hubs does; default: the config's")
    add("--batch-size", type=int, default=1, metavar="N", help="frames of a video at a time")
    add("--backend", choices=("torch", "onnx"), default="torch",
        help="onnx: run by onnxruntime, faster on a CPU; exported at the first use, then kept")
    _last_options(parser)


def _rank_options(parser: argparse.ArgumentParser) -> None:
    _input_options(parser, config="sor/tiny.yaml", output="output/rank", default="%(default)s")
    add = parser.add_argument_group("what orders the objects").add_argument
    add("--rank-by", choices=("network", "fixation"), default="network",
        help="network: the ranking network itself; fixation: how much of a fixation map each "
             "object holds")
    add("--statistic", choices=("sum", "mean", "max"), default="sum",
        help="with --rank-by fixation: of the map inside an object (default: %(default)s, its "
             "share of the looks)")
    add("--objects", metavar="JSON",
        help="with --rank-by fixation: rank these instead of what the network finds: COCO "
             "instances, or a results.json; pictures are matched by file name")
    add("--fixation-config", default=FIXATION_CONFIG, metavar="FILE|NAME",
        help="with --rank-by fixation (default: %(default)s)")
    add("--fixation-weights", metavar="FILE", help="its weights; default: the bundled ones")
    add = parser.add_argument_group("results").add_argument
    add("--confidence-threshold", type=float, metavar="P",
        help="class probability from which something counts as an object; default: the config's")
    add("--no-overlay", action="store_true", help="do not draw over the pictures")
    add("--no-rank-map", action="store_true", help="do not write grey rank maps")
    add("--crop", nargs="?", type=int, const=1, default=0, metavar="N",
        help="also cut out the objects of rank 1 ... N (N = 1 when left out)")
    add("--show-unranked", action="store_true", help="outline objects without a rank, too")
    _last_options(parser)


def _input_options(
    parser: argparse.ArgumentParser, *, config: str | None, output: str, default: str
) -> None:
    add = parser.add_argument
    add("--config-file", "--mode", "-m", default=config, metavar="FILE|NAME",
        help=f"a yaml file, or a config of the model zoo by name (default: {default})")
    add("--input", "-i", "--source", "-s", nargs="+", default=[], metavar="WHAT",
        help="pictures, folders, globs in quotes, videos, webcam or webcam:1")
    add("--samples", action="store_true", help="free photos that ship with scikit-image")
    add("--output", "-o", "--dest", "-d", default=output, metavar="DIR",
        help="default: %(default)s")
    add("--resume", action="store_true", help="skip inputs whose results are there already")
    add("--strict", action="store_true", help="stop at the first input that fails")


def _last_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("machine and config").add_argument
    add("--device", "-D", help="cpu, cuda, cuda:1 ...; default: the config's, or cpu without a GPU")
    add("--half", action="store_true", help="mixed precision")
    add("--fast", action="store_true", help="norms folded into convolutions; equal up to rounding")
    add("--max-pixels", type=int, metavar="N", help="refuse larger pictures (default: 100 million)")
    add("--allow-pickle", action="store_true", help="load pickled weights; they can run any code")
    add("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE",
        help="config keys and their values; must come last")
# fmt: on
