"""Three steps of each published training of saliency without labels, in float64, term by term."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import nn

from sor_ppa import model_zoo
from sor_ppa.engine.solver import build_lr_scheduler, build_optimizer, is_backbone
from tests.goldens import fill

GOLDENS = Path(__file__).parents[1] / "goldens" / "a2s_training.npz"
SIZE, SECOND_SIZES = 192, (128, 256, 320)
STEPS_PER_EPOCH = 100
# Of published files, without part in any forward pass; ours have none of them.
UNUSED = ("encoder.fc.", "t_net.fc.", ".se.gn.")

# Case: config, epoch of the first step, has a modality.
CASES = {
    "a2s_c": ("a2s/a2s-rgb.yaml", 1, False),
    "a2s_c_msb": ("a2s/a2s-rgb-msrab.yaml", 3, False),
    "a2s_d": ("a2s/a2s-rgbd.yaml", 1, True),
    "cornet": ("a2s/cornet-rgb.yaml", 1, False),
    "midnet": ("a2s/midnet-rgbd.yaml", 1, True),
}


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDENS) as file:
        return {name: file[name] for name in file.files}


def in_double(model: Any) -> Any:
    """The network in float64; pictures are normalised and rounded to float32 first, as ever."""
    before = model.in_layout
    model.in_layout = lambda x: before(x.double())
    return model.double()


def filled(model: nn.Module) -> nn.Module:
    state = {
        name: torch.from_numpy(fill.fill(name, value.shape))
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def batch(*, modality: bool) -> list[dict[str, Any]]:
    """Two pictures; masks of their brighter parts."""
    items = []
    for rgb_seed, other_seed in ((1, 2), (3, 4)):
        with np.errstate(over="ignore"):
            image, other = (fill.image(seed, SIZE, SIZE) for seed in (rgb_seed, other_seed))
        mask = image.mean(axis=2, dtype=np.float64) > 120
        item = {
            "image": torch.from_numpy(image.transpose(2, 0, 1).copy()),
            "saliency": torch.from_numpy(mask[None].astype(np.float32)),
        }
        if modality:
            item["modality"] = torch.from_numpy(other.transpose(2, 0, 1).copy())
        items.append(item)
    return items


def make_cfg(name: str) -> CfgNode:
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = "cpu"
    cfg.SOLVER.MAX_ITER = cfg.SOLVER.EPOCHS * STEPS_PER_EPOCH
    return cfg


def run(name: str, epoch: int, *, modality: bool) -> dict[str, Any]:
    """Terms and rates of three steps, gradients of the first, norms after the last."""
    cfg = make_cfg(name)
    model: Any = in_double(filled(build_model(cfg))).train()
    optimizer = build_optimizer(cfg, model)
    scheduler = build_lr_scheduler(cfg, optimizer)
    encoder = {id(p) for key, p in model.named_parameters() if is_backbone(key)}
    for _ in range((epoch - 1) * STEPS_PER_EPOCH):
        optimizer.step()  # without gradients: nothing happens
        scheduler.step()
    if hasattr(model, "set_epoch"):
        model.set_epoch(epoch, cfg.SOLVER.EPOCHS)
    inputs, found = batch(modality=modality), {"terms": [], "lrs": []}
    for second_size in SECOND_SIZES:
        model.size_steps = (second_size - SIZE,)
        losses = model(inputs)
        found["terms"].append([float(loss.detach()) for loss in losses.values()])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        found.setdefault("gradients", {
            key: float(p.grad.norm()) for key, p in model.named_parameters() if p.grad is not None
        })  # fmt: skip
        rates = [{}, {}]
        for group in optimizer.param_groups:
            for p in group["params"]:
                rates[id(p) not in encoder][group["lr"]] = None
        found["lrs"].append([list(part) for part in rates])
        optimizer.step()
        scheduler.step()
    found["norms"] = {key: float(v.double().norm()) for key, v in model.state_dict().items()}
    return found


SLOW = ("midnet", "cornet", "a2s_d")


@pytest.mark.parametrize(
    "case",
    # Minutes of CPU time in all: the longest ones, and one of two alike.
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES],
)
def test_three_steps(case: str, golden: dict[str, np.ndarray]) -> None:
    name, epoch, modality = CASES[case]
    found = run(name, epoch, modality=modality)
    is_frozen = case in ("a2s_c", "a2s_d")

    terms = golden[f"{case}_terms"]
    if not case.startswith("a2s"):  # the first column is the total
        found["terms"] = [[sum(row), 0, 0] for row in found["terms"]]
    np.testing.assert_allclose(found["terms"], terms, rtol=1e-8)

    for (low, high), (encoder, rest) in zip(found["lrs"], golden[f"{case}_lrs"], strict=True):
        assert high == [pytest.approx(rest, rel=1e-12)]
        # A frozen encoder has no gradient, and its rate no effect.
        assert is_frozen or low == [pytest.approx(encoder, rel=1e-12)]
        assert not is_frozen or encoder == 0

    names = golden[f"{case}_param_names"].tolist()
    ours = [key for key in names if not any(part in key for part in UNUSED)]
    gradients = dict(zip(names, golden[f"{case}_step1_gradnorm"], strict=True))
    learnt = [key for key in ours if gradients[key] > 0]
    if is_frozen:  # there they were computed although nothing comes of them
        learnt = [key for key in learnt if not is_backbone(key)]
    assert sorted(found["gradients"]) == sorted(learnt)
    for key in learnt:
        assert found["gradients"][key] == pytest.approx(gradients[key], rel=1e-8), key

    finals = dict(zip(names, golden[f"{case}_final_paramnorm"], strict=True))
    buffers = golden[f"{case}_buffer_names"].tolist()
    finals.update(zip(buffers, golden[f"{case}_final_buffernorm"], strict=True))
    wanted = {key: finals[key] for key in (*ours, *buffers)}
    assert wanted.keys() == {k for k in found["norms"] if not k.endswith("num_batches_tracked")}
    for key, norm in wanted.items():
        assert found["norms"][key] == pytest.approx(norm, rel=1e-8), key
