"""Every command and every line of Python in README.md runs, on small made-up data."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sor_ppa.engine.setup import load_config
from sor_ppa.evaluation.results_io import write_results
from tests.modeling import golden
from tests.showing.test_video import write_clip
from tests.synthetic import make_ranked_coco

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# What sets up an environment; `make` targets are run by CI, these three need a network.
SET_UP = ("make ", "pip install ", "FORCE_CUDA=0 ", "python tools/install_detectron2.py")
SMALL_MODEL = {
    "MODEL.VOVNET.CONV_BODY": "V-19-slim-dw-eSE",
    "MODEL.FPN.OUT_CHANNELS": 64,
    "MODEL.ROI_MASK_HEAD.CONV_DIM": 32,
    "MODEL.ROI_MASKIOU_HEAD.CONV_DIM": 16,
    "MODEL.ROI_MASKIOU_HEAD.DENSE_DIM": 16,
    "MODEL.SOR.CONV_DIM": 16,
    "MODEL.SOR.DENSE_DIM": 16,
    "MODEL.SOR.OBJ_DIM": 32,
    "MODEL.SOR.TRANSFORMER.D_MODEL": 32,
}
SMALL_DENSE = {
    "MODEL.WEIGHTS": "",
    "MODEL.BACKBONE.NAME": "build_mnv2_backbone",
    "MODEL.INSPYRENET.DEPTHS": "(8, 8, 8, 8)",
    "MODEL.INSPYRENET.BASE_SIZE": "(64, 64)",
    "DATASETS.EXTRA": "(('masks', 'images', 'masks'),)",
    "DATASETS.TRAIN": "('masks',)",
    "DATASETS.TEST": "('masks',)",
}
SMALL_RUN = {
    "SOLVER.EPOCHS": 0,
    "INPUT.DENSE.TRAIN_SIZE": "(64, 64)",
    "INPUT.DENSE.TEST_SIZE": "(64, 64)",
    "INPUT.DENSE.LR_SIZE": "(64, 64)",
    "INPUT.FIXATION.SIZE": "(64, 96)",
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.STEPS": "(1,)",
    "DATALOADER.NUM_WORKERS": 0,
    "INPUT.MIN_SIZE_TRAIN": "(64,)",
    "INPUT.MIN_SIZE_TEST": 64,
    "TEST.EVAL_PERIOD": 0,
}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def _commands(block: str) -> list[str]:
    joined = block.replace("\\\n", " ")
    lines = (line.split("  #")[0].strip() for line in joined.splitlines())
    return [" ".join(line.split()) for line in lines if line and not line.startswith("#")]


def _program_blocks() -> list[list[str]]:
    blocks = [[c for c in _commands(b) if not c.startswith(SET_UP)] for b in _blocks("bash")]
    return [block for block in blocks if block]


# Both stages of learning without masks, in seconds.
SMALL_UNLABELLED = {
    "MODEL.WEIGHTS": "",
    "MODEL.BACKBONE.NAME": "build_mnv2_backbone",
    "MODEL.A2S.SIZE_STEPS": "(-32, 32)",
    "INPUT.DENSE.TRAIN_SIZE": "(64, 64)",
    "INPUT.DENSE.TEST_SIZE": "(64, 64)",
    "SOLVER.EPOCHS": 1,
    "SOLVER.IMS_PER_BATCH": 2,
    "DATALOADER.NUM_WORKERS": 0,
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that the README's commands mention."""
    folder = tmp_path_factory.mktemp("readme")
    data = make_ranked_coco(folder / "made")
    shutil.copytree(data.image_root, folder / "images")
    shutil.copytree(data.image_root, folder / "holiday")
    document = json.loads(data.json_file.read_text())
    for name in ("photos", "depth", "frames"):
        shutil.copytree(data.image_root, folder / name)
    (folder / "ranked.json").write_text(json.dumps(document))
    looks = {entry["file_name"]: [[[40, 30, 200], [60, 50, 200]]] for entry in document["images"]}
    (folder / "gaze.json").write_text(json.dumps(looks))
    plain = {**document, "info": {}}
    plain["annotations"] = [
        {k: v for k, v in a.items() if k != "rank"} for a in document["annotations"]
    ]
    (folder / "instances.json").write_text(json.dumps(plain))
    picture = sorted((folder / "images").iterdir())[0]
    Image.open(picture).save(folder / "photo.jpg")
    (folder / "thermal").mkdir()
    Image.open(picture).convert("L").save(folder / "thermal" / "photo.png")
    _save_midnet(folder / "midnet.pth")
    _write_saliency(folder, document)
    shutil.copytree(folder / "saliency", folder / "masks")
    write_clip(folder / "clip.avi").rename(folder / "clip.mp4")
    _write_results(folder, document)
    options = {**SMALL_MODEL, "MODEL.WEIGHTS": ""}
    state = golden.build(golden.config("ppa", **options)).state_dict()
    mean = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    state |= {"pixel_mean": mean, "pixel_std": torch.ones(3, 1, 1)}
    torch.save({"model": state}, folder / "published.pth")
    shutil.copy(folder / "published.pth", folder / "centermask2-V-39-eSE-FPN-ms-3x.pth")
    small = {"_BASE_": str(ROOT / "configs" / "sor" / "ppa.yaml")}
    lines = [f'_BASE_: "{small["_BASE_"]}"', *_as_yaml(SMALL_MODEL)]
    (folder / "small.yaml").write_text("\n".join(lines) + "\n")
    for split in ("train", "test"):
        maker = [sys.executable, str(ROOT / "datasets" / "make_assr_like.py")]
        options = ["--root", str(folder / "sets" / "ASSR"), "--count", "3", "--split", split]
        _run([*maker, *options, "--maps"], folder)
    return folder


def _save_midnet(path: Path) -> None:
    cfg = load_config("a2s/midnet-rgbt.yaml", _options(SMALL_UNLABELLED))
    cfg.MODEL.DEVICE = "cpu"
    torch.save(golden.build(cfg).state_dict(), path)


def _as_yaml(options: dict[str, object]) -> list[str]:
    import yaml

    tree: dict[str, object] = {}
    for key, value in options.items():
        node = tree
        *parents, leaf = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})  # type: ignore[assignment]
        node[leaf] = value
    return yaml.safe_dump(tree).splitlines()


def _write_saliency(folder: Path, document: dict) -> None:
    (folder / "saliency").mkdir()
    for entry in document["images"]:
        grey = np.tile(np.linspace(0, 255, entry["width"]).astype(np.uint8), (entry["height"], 1))
        Image.fromarray(grey).save(folder / "saliency" / f"{Path(entry['file_name']).stem}.png")


def _write_results(folder: Path, document: dict) -> None:
    import pycocotools.mask as mask_util

    sizes = {i["id"]: (i["height"], i["width"]) for i in document["images"]}
    records = []
    for annotation in document["annotations"]:
        height, width = sizes[annotation["image_id"]]
        parts = mask_util.frPyObjects(annotation["segmentation"], height, width)
        rle = mask_util.merge(parts)
        records.append({
            "image_id": annotation["image_id"], "category_id": 1, "bbox": annotation["bbox"],
            "score": 0.9, "rank": annotation["rank"],
            "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
        })  # fmt: skip
    write_results(folder / "results.json", document["images"], records, {})


def _run(command: list[str], folder: Path) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "DETECTRON2_DATASETS": str(folder / "sets"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, capture_output=True, timeout=300
    )
    output = done.stdout[-2000:] + done.stderr[-3000:]
    assert done.returncode == 0, f"{shlex.join(command)}\n{output}"
    return done.stdout


def _options(values: dict[str, object]) -> list[str]:
    return [str(item) for pair in values.items() for item in pair]


def _runnable(command: str, resumed: bool) -> list[str]:
    """The command with this interpreter and this checkout, made small where it would be long."""
    words = shlex.split(command)
    if words[0] == "sor-ppa":
        words = [sys.executable, "-m", "sor_ppa.cli", *words[1:]]
        small = {k: v for k, v in SMALL_UNLABELLED.items() if k != "MODEL.WEIGHTS"}
        return [*words, "--opts", *_options(small)] if "midnet.pth" in words else words
    assert words[0] == "python", f"do not know how to run {command!r}"
    program = words[1]
    words = [sys.executable, str(ROOT / program), *words[2:]]
    if program == "tools/train_net.py":
        if "--num-gpus" in words and torch.cuda.device_count() < 2:
            at = words.index("--num-gpus")
            words[at : at + 2] = ["--num-processes", "1"]
        if "sor/ppa.yaml" in words:
            words += _options(SMALL_MODEL)
        if "inspyrenet/swinb.yaml" in words:
            words += _options(SMALL_DENSE)
        words += [*_options(SMALL_RUN), "SOLVER.MAX_ITER", "3" if resumed else "2"]
    elif program == "tools/train_unsupervised.py":
        words += ["--workers", "0", "--opts", *_options(SMALL_UNLABELLED)]
    elif program == "tools/convert_checkpoint.py":
        words = ["small.yaml" if word == "sor/ppa.yaml" else word for word in words]
    elif program == "tools/benchmark.py":
        words += ["--repeat", "1", "--size", "64", "96", "--count", "20", "--quick"]
        if "unsupervised" in words:
            words += ["--only", "crf", "--workers", "1"]
        elif "fixation" in words:
            words += ["--only", "metrics", "--workers", "1"]
        elif {"dense", "metrics"} & set(words):
            words += ["--only", "speed", "--networks", "res2net50", "--no-onnx"]
        else:
            words += ["--config-file", "sor/tiny.yaml"]
    return words


# Blocks that take a minute and more, whose programs have tests of their own.
LONG = ("tools/convert_checkpoint.py", "tools/train_net.py", "tools/train_unsupervised.py")


def _marked(block: list[str]) -> Any:  # noqa: ANN401 - pytest's own
    name = block[0].split()[1]
    return pytest.param(block, id=name, marks=pytest.mark.slow if name in LONG else ())


@pytest.mark.parametrize("block", [_marked(block) for block in _program_blocks()])
def test_commands(workspace: Path, block: list[str]) -> None:
    for command in block:
        _run(_runnable(command, "--resume" in command), workspace)


@pytest.mark.parametrize("code", _blocks("python"), ids=["rank", "saliency", "fixation"])
def test_python(workspace: Path, code: str) -> None:
    out = _run([sys.executable, "-W", "ignore", "-c", code], workspace)
    for line in out.splitlines():
        assert re.match(r"(\d+|-) \[", line), line


def test_the_readme_has_what_these_tests_are_for() -> None:
    programs = {command.split()[1] for block in _program_blocks() for command in block}
    assert programs >= {
        "demo/demo.py", "tools/train_net.py", "tools/evaluate.py", "tools/benchmark.py",
        "tools/convert_checkpoint.py", "datasets/prepare_ranked_coco.py", "tools/export_onnx.py",
    }  # fmt: skip
    assert any(command.startswith("make demo") for b in _blocks("bash") for command in _commands(b))


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README))), ids=str
)
def test_links_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
