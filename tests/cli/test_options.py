"""The command line itself: what it understands, and that it answers without loading a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sor_ppa import cli
from sor_ppa.cli.options import TASKS, build_parser
from sor_ppa.cli.saliency import config_options, cutout_options
from sor_ppa.errors import ConfigError

ROOT = Path(__file__).parents[2]
# sor_ppa.cli alone: the package around it registers networks, which needs torch.
_ALONE = """
import importlib.util, sys, types
root = sys.argv.pop(1)
package = types.ModuleType("sor_ppa")
package.__path__ = [root + "/sor_ppa"]
sys.modules["sor_ppa"] = package
sys.modules.update(torch=None, detectron2=None, numpy=None, cv2=None, PIL=None)
from sor_ppa import cli
sys.exit(cli.main(sys.argv[1:]))
"""


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _ALONE, str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ([], 2, "tasks:"),
        (["--help"], 0, "saliency"),
        (["saliency", "--help"], 0, "--background"),
        (["rank", "--help"], 0, "--confidence-threshold"),
    ],
)
def test_help_needs_no_network(arguments: list[str], status: int, said: str) -> None:
    done = alone(*arguments)
    assert done.returncode == status, done.stderr
    assert said in done.stdout and "Exit status" in done.stdout
    if len(arguments) < 2:
        assert all(name in done.stdout and text in done.stdout for name, text in TASKS.items())


@pytest.mark.parametrize(
    "arguments",
    [["fly"], ["rank", "--threshold", "0.5"], ["saliency", "--threshold", "high"],
     ["saliency", "--resize", "huge"], ["saliency", "--type"]],
)  # fmt: skip
def test_wrong_options_need_no_network_either(arguments: list[str]) -> None:
    done = alone(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--input", "a", "b", "--output", "o"],
        ["-i", "a", "b", "-o", "o"],
        ["--source", "a", "b", "--dest", "o"],
        ["-s", "a", "b", "-d", "o"],
    ],
)
@pytest.mark.parametrize("task", list(TASKS))
def test_names_that_users_know(task: str, words: list[str]) -> None:
    args = build_parser().parse_args([task, *words])
    assert args.task == task and args.input == ["a", "b"] and args.output == "o"
    assert not args.samples and not args.resume and not args.strict


def test_all_of_transparent_backgrounds_short_names() -> None:
    words = "saliency -t map blur -m swinb -r static -f png -th 0.5 -R -D cpu -c my.pth"
    args = build_parser().parse_args(words.split())
    assert args.type == ["map", "blur"] and args.config_file == "swinb"
    assert args.threshold == 0.5 and args.reverse and args.device == "cpu"
    assert config_options(args, cutout_options(args)) == [
        "MODEL.WEIGHTS", "my.pth", "INPUT.DENSE.TEST_RESIZE", "static",
    ]  # fmt: skip


_RESIZE, _BLEND = ["INPUT.DENSE.TEST_RESIZE"], ["INPUT.DENSE.BLEND_ABOVE"]


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ([], []),
        (["--blend"], [*_RESIZE, "dynamic", *_BLEND, "512"]),
        (["--blend", "700", "-r", "static"], [*_RESIZE, "static", *_BLEND, "700"]),
        (["--type", "map", "debug"], ["MODEL.INSPYRENET.RETURN_PYRAMID", "True"]),
        (["-c", "a", "--opts", "MODEL.WEIGHTS", "b"], ["MODEL.WEIGHTS", "a", "MODEL.WEIGHTS", "b"]),
    ],
)
def test_options_become_config_keys(words: list[str], pairs: list[str]) -> None:
    args = build_parser().parse_args(["saliency", *words])
    assert config_options(args, cutout_options(args)) == pairs


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], ["rgba"]),
        (["--type", "map", "255,0,0", "[1, 2, 3]"], ["map", "255-0-0", "1-2-3"]),
        (["--type", "map", "map"], ["map"]),
        (["--background", "{file}"], ["beach"]),
        (["--type", "rgba", "--background", "{file}"], ["rgba", "beach"]),
        (["--type", "{file}"], ["beach"]),
    ],
)
def test_types(tmp_path: Path, words: list[str], names: list[str]) -> None:
    file = tmp_path / "beach.png"
    file.touch()
    args = build_parser().parse_args(["saliency", *(word.format(file=file) for word in words)])
    assert [kind.name for kind in cutout_options(args).types] == names


def test_types_that_would_share_a_name(tmp_path: Path) -> None:
    (tmp_path / "map.png").touch()
    args = build_parser().parse_args(
        ["saliency", "--type", "map", "--background", str(tmp_path / "map.png")]
    )
    with pytest.raises(ConfigError, match="rename"):
        cutout_options(args)


def test_installed_and_as_a_module() -> None:
    assert callable(cli.main)
    command = [sys.executable, "-W", "ignore", "-m", "sor_ppa.cli", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "python -m sor_ppa.cli" in done.stdout
