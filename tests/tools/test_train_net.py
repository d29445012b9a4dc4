"""tools/train_net.py as users run it, with the tiny network shrunk further."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.engine import dense
from tests.synthetic import RankedCoco


class TrainNet:
    """Runs the tool in one folder.

    Args:
        tool: path of the tool.
        env: environment.
        data: pictures to train and evaluate on.
        folder: OUTPUT_DIR.
    """

    def __init__(self, tool: Path, env: dict[str, str], data: RankedCoco, folder: Path) -> None:
        self.tool = tool
        self.env = env
        self.data = data
        self.folder = folder

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Starts a run; arguments that begin with -- are flags, the rest KEY VALUE pairs."""
        flags = [a for a in args if a.startswith("--")]
        values = [
            "DATASETS.EXTRA", repr(self.data.extra("drawn")),
            "DATASETS.TRAIN", "('drawn',)",
            "DATASETS.TEST", "('drawn',)",
            "INPUT.MIN_SIZE_TRAIN", "(64,)",
            "INPUT.MIN_SIZE_TEST", "64",
            "SOLVER.IMS_PER_BATCH", "2",
            "SOLVER.BASE_LR", "1e-4",
            "SOLVER.STEPS", "()",
            "SOLVER.MAX_ITER", "4",
            "SOLVER.CHECKPOINT_PERIOD", "2",
            "DATALOADER.NUM_WORKERS", "1",
            "MODEL.WEIGHTS", "",
            "SEED", "1",
            "OUTPUT_DIR", str(self.folder),
            *(a for a in args if not a.startswith("--")),
        ]  # fmt: skip
        command = [sys.executable, str(self.tool), "--config-file=sor/tiny.yaml", *flags, *values]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, env=self.env, **pipes)  # type: ignore[call-overload]

    def run(self, *args: str, status: int = 0) -> str:
        """Runs to the end and returns what was printed."""
        process = self.start(*args)
        out = process.communicate(timeout=900)[0]
        assert process.returncode == status, out
        return out


@pytest.fixture()
def train_net(
    repository: Path, child_environment: dict[str, str], ranked_coco: RankedCoco, tmp_path: Path
) -> TrainNet:
    tool = repository / "tools" / "train_net.py"
    return TrainNet(tool, child_environment, ranked_coco, tmp_path / "run")


def _results(folder: Path) -> dict[str, str]:
    """Everything that an evaluation wrote, but for pictures and times."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted((folder / "inference").rglob("*.json"))
    }


def test_train_then_evaluate_in_one_and_in_two_processes(train_net: TrainNet) -> None:
    """The results in the logs and on disk are the same to the last digit."""
    out = train_net.run()
    assert "copypaste: Dataset: drawn, Task: ranking" in out
    assert (train_net.folder / "model_0000001.pth").is_file()
    weights = str(train_net.folder / "model_final.pth")
    found = []
    for processes in (1, 2):
        train_net.folder = train_net.folder.with_name(f"evaluated by {processes}")
        # A fresh network finds nothing at the usual threshold; results must not be empty.
        out = train_net.run(
            "--eval-only",
            f"--num-processes={processes}",
            "MODEL.WEIGHTS", weights,
            "MODEL.FCOS.INFERENCE_TH_TEST", "0.0",
            "MODEL.FCOS.POST_NMS_TOPK_TEST", "5",
        )  # fmt: skip
        scores = [
            line.partition("copypaste:")[2] for line in out.splitlines() if "copypaste" in line
        ]
        found.append((scores, _results(train_net.folder)))
    assert found[0][0] and found[0][1]
    assert found[0] == found[1]
    records = json.loads(next(iter(found[0][1].values())))
    assert records


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(train_net: TrainNet) -> None:
    # Steps so small that rounding in the first does not grow in the later ones.
    steady = ("MODEL.SOR.TRANSFORMER.DROPOUT", "0.0", "SOLVER.BASE_LR", "1e-7")
    steady += ("DATASETS.TEST", "()")
    losses = []
    for name, flags in [("one", ()), ("two", ("--num-processes=2",))]:
        train_net.folder = train_net.folder.with_name(name)
        train_net.run(*flags, *steady)
        last = json.loads((train_net.folder / "metrics.json").read_text().splitlines()[-1])
        losses.append({key: value for key, value in last.items() if "loss" in key})
    assert len(losses[0]) == 7
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.slow
def test_a_kill_does_not_show_in_the_weights(train_net: TrainNet) -> None:
    # Dropout, flips and workers as users have them, and steps large enough to matter.
    lively = ("SOLVER.BASE_LR", "1e-4", "SOLVER.WARMUP_ITERS", "0", "DATASETS.TEST", "()")
    train_net.run(*lively)
    # As if killed during the third step, with a torn file of a foreign program beside it.
    whole = torch.load(train_net.folder / "model_final.pth", weights_only=True)["model"]
    (train_net.folder / "model_final.pth").unlink()
    (train_net.folder / "model_0000003.pth").write_bytes(b"PK\x03\x04 torn")
    (train_net.folder / "last_checkpoint").write_text("model_0000003.pth")
    train_net.run("--resume", *lively, "DATALOADER.NUM_WORKERS", "2")
    again = torch.load(train_net.folder / "model_final.pth", weights_only=True)["model"]
    assert all(torch.equal(value, again[name]) for name, value in whole.items())


def test_pictures_with_masks(
    repository: Path, child_environment: dict[str, str], tmp_path: Path
) -> None:
    """One's own folders: trained in two processes, evaluated after it, with a word of warning."""
    folders = dense.make_pictures(tmp_path / "data", count=4)
    command = [
        sys.executable, str(repository / "tools" / "train_net.py"),
        "--config-file=inspyrenet/tiny.yaml", "--num-processes=2",
        *dense.options(folders, "mine"),
        "SOLVER.MAX_ITER", "2",
        "DATASETS.TEST", "('mine',)",
        "OUTPUT_DIR", str(tmp_path / "run"),
    ]  # fmt: skip
    done = subprocess.run(
        command, env=child_environment, capture_output=True, text=True, timeout=900
    )
    out = done.stdout + done.stderr
    assert done.returncode == 0, out
    assert "mine is trained on and tested on" in out
    assert "Batch norms share their statistics among 2 processes" in out
    assert "copypaste: Dataset: mine, Task: " in out
    assert (tmp_path / "run" / "model_final.pth").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("SOLVER.BASELR", "1"), "ConfigError: Command line: there is no key SOLVER.BASELR"),
        (("DATASETS.TRAIN", "('drwan',)"), "Did you mean drawn?"),
        (("MODEL.WEIGHTS", "none.pth"), "CheckpointError: Checkpoint none.pth does not exist"),
        (("--eval-only", "MODEL.WEIGHTS", "{html}"), "It is a web page"),
        (("SOLVER.BASE_LR", "1e20"), "NonFiniteError: The loss is not finite at iteration"),
    ],
)
def test_mistakes_end_with_one_line_and_status_2(
    train_net: TrainNet, tmp_path: Path, args: tuple[str, ...], message: str
) -> None:
    (tmp_path / "page.pth").write_text("<html></html>")
    args = tuple(arg.format(html=tmp_path / "page.pth") for arg in args)
    out = train_net.run(*args, status=2)
    assert message in out.splitlines()[-1]
    assert os.path.isdir(train_net.folder) or "ConfigError" in message
