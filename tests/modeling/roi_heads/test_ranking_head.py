"""The ranking head against the published one, and its rules against slow versions."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from detectron2.structures import Boxes

from sor_ppa.errors import ConfigError
from sor_ppa.modeling.losses import rank_loss
from sor_ppa.modeling.roi_heads.pooler import AdaptivePooler, coordinate_maps
from sor_ppa.modeling.roi_heads.ranking_head import RankingHead, assign_ranks
from tests.goldens.fill import fill
from tests.modeling import golden

GOLDEN = golden.load("sor_ppa_head.npz")
TAGS = {
    "ppa": None,
    "baseline": None,
    "only_pos": None,
    "xywh": None,
    "pos_quant": None,
    "pos_quant2": None,
    "attn": "SelfAttentionPredictor",
    "attn_poscat": "SelfAttentionWithPosCat",
}
COUNTS = GOLDEN["counts"].tolist()


def _inputs() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.Generator(np.random.PCG64(int(GOLDEN["seed"])))
    x = rng.standard_normal((7, 256, 14, 14)).astype(np.float32)
    mask = rng.uniform(0, 1, (7, 1, 28, 28)).astype(np.float32)
    np.testing.assert_allclose([x.sum(dtype=np.float64)], GOLDEN["x_checksum"][:1], rtol=1e-6)
    return torch.from_numpy(x), torch.from_numpy(mask)


def _head(tag: str) -> RankingHead:
    options = {"MODEL.SOR.NAME": TAGS[tag]} if TAGS[tag] else {}
    cfg = golden.config("ppa" if TAGS[tag] else tag, **options)
    return golden.fill_weights(RankingHead(cfg, 256), "roi_heads.sor_head.").eval()


def _logits(tag: str, images: slice) -> torch.Tensor:
    x, mask = _inputs()
    stop = sum(COUNTS[images])
    head = _head(tag)
    pos = torch.from_numpy(GOLDEN["pos"])[:stop] if head.position.startswith("maps") else None
    boxes = torch.from_numpy(GOLDEN["boxes"])[:stop]
    with torch.no_grad():
        return head(x[:stop], mask[:stop], pos, boxes, COUNTS[images])


@pytest.mark.parametrize("tag", TAGS)
def test_keys_are_the_published_ones(tag: str) -> None:
    expected = json.loads(str(GOLDEN[f"{tag}_keys"]))
    assert {k: list(v.shape) for k, v in _head(tag).state_dict().items()} == expected


@pytest.mark.parametrize("tag", TAGS)
def test_one_picture(tag: str) -> None:
    logits = _logits(tag, slice(0, 1))
    np.testing.assert_allclose(logits, GOLDEN[f"{tag}_eval_logits_image0"], atol=1e-4)
    levels = 5 - assign_ranks(logits, 0.1)
    expected = GOLDEN[f"{tag}_eval_ranks_image0"]
    assert torch.where(levels == 5, -1, levels).tolist() == expected.tolist()


@pytest.mark.parametrize("tag", TAGS)
def test_two_pictures_attend_each_within_itself(tag: str) -> None:
    logits = _logits(tag, slice(0, 2))
    np.testing.assert_allclose(logits, GOLDEN[f"{tag}_train_logits"], atol=1e-4)
    ranks = 5 - torch.from_numpy(GOLDEN["targets"])
    loss = rank_loss(logits, ranks, torch.tensor(7.0))
    assert float(loss) == pytest.approx(float(GOLDEN[f"{tag}_train_loss"]), abs=1e-5)


def test_pooled_positions_and_levels() -> None:
    features = [torch.zeros(1, 256, 480 // s, 640 // s) for s in (8, 16, 32)]
    pooler = AdaptivePooler(resolution=14, strides=(8, 16, 32))
    boxes = torch.from_numpy(GOLDEN["boxes"]).split(COUNTS)
    boxes = [Boxes(b) for b in boxes]
    sizes = [(480, 640)] * 2
    maps = coordinate_maps(features, (8, 16, 32), (480, 640))
    np.testing.assert_allclose(pooler(maps, boxes, sizes), GOLDEN["pos"], atol=1e-6)
    assert pooler.levels(boxes, sizes).tolist() == GOLDEN["levels"].tolist()


@pytest.mark.parametrize("k", range(6))
@pytest.mark.parametrize("threshold", ["0.1", "0"])
def test_assignment(k: int, threshold: str) -> None:
    ranks = assign_ranks(torch.from_numpy(GOLDEN[f"assign{k}_logits"]), float(threshold))
    level = GOLDEN[f"assign{k}_ranks_thr{threshold}"]
    assert ranks.tolist() == np.where(level < 0, 0, 5 - level).tolist()


@pytest.mark.parametrize(
    ("logits", "threshold", "expected"),
    [
        (np.zeros((0, 5)), 0.1, []),
        (np.zeros((1, 5)), 0.1, [1]),
        (np.zeros((12, 5)), 0.1, [0] * 12),
        (np.zeros((3, 2)), 0.1, [1, 2, 0]),
        ([[0.0, 9.0], [0.0, 8.0]], 0.1, [1, 2]),
        ([[9.0, 9.0], [0.0, 0.0]], 0.1, [1, 0]),
    ],
)
def test_assignment_table(logits: list, threshold: float, expected: list[int]) -> None:
    ranks = assign_ranks(torch.as_tensor(logits, dtype=torch.float32), threshold)
    assert ranks.dtype == torch.int64
    assert ranks.tolist() == expected


def _slow_assignment(logits: np.ndarray, threshold: float) -> list[int]:
    exp = np.exp(logits - logits.max(0))
    probability = exp / exp.sum(0)
    ranks = [0] * len(logits)
    for rank in range(1, logits.shape[1] + 1):
        free = [i for i in range(len(logits)) if ranks[i] == 0]
        if not free:
            break
        best = max(free, key=lambda i: probability[i, logits.shape[1] - rank])
        if probability[best, logits.shape[1] - rank] > threshold:
            ranks[best] = rank
    return ranks


@pytest.mark.parametrize("seed", range(20))
def test_assignment_equals_slow_version(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((rng.integers(1, 15), rng.integers(1, 8)))
    assert assign_ranks(torch.from_numpy(logits)).tolist() == _slow_assignment(logits, 0.1)


def test_no_objects_keep_every_parameter_in_the_graph() -> None:
    head = RankingHead(in_channels=8, conv_dim=8, num_conv=2, dense_dim=8, object_dim=8)
    empty = torch.zeros(0, 8, 14, 14)
    logits = head(empty, torch.zeros(0, 1, 28, 28), empty[:, :2], torch.zeros(0, 4), [0, 0])
    assert logits.shape == (0, 5)
    logits.sum().backward()
    assert all(p.grad is not None and not p.grad.any() for p in head.parameters())


@pytest.mark.parametrize(
    ("position", "true_height", "fourth"), [("box", False, 300.0), ("box", True, 100.0)]
)
def test_box_position(position: str, true_height: bool, fourth: float) -> None:
    head = RankingHead(
        in_channels=4, conv_dim=4, num_conv=1, dense_dim=4, object_dim=4, attention_layers=0,
        position=position, true_height=true_height,
    )  # fmt: skip
    box = torch.tensor([[64.0, 100.0, 128.0, 200.0]])
    numbers = head._add_box_position(torch.zeros(1, 4), box)[0, 4:]
    expected = [96 / 640, 150 / 480, 64 / 640, fourth / 480]
    np.testing.assert_allclose(numbers, expected, rtol=1e-6)


def test_grid_position_is_clamped_to_the_canvas() -> None:
    head = RankingHead(
        in_channels=4, conv_dim=4, num_conv=1, dense_dim=4, object_dim=4, attention_layers=0,
        position="grid", grid_size=4,
    )  # fmt: skip
    boxes = torch.tensor([[-90.0, -90, -80, -80], [700, 500, 900, 700], [170, 130, 180, 140]])
    cells = head._add_box_position(torch.zeros(3, 4), boxes)
    assert torch.equal(cells, head.pos_embedding[[0, 15, 5]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"MODEL.SOR.NAME": "Nobody"}, "MODEL.SOR.NAME"),
        ({"MODEL.SOR.TRANSFORMER.USE_POS": False}, "USE_POS True"),
        ({"MODEL.SOR.OBJ_DIM": 512}, "D_MODEL"),
    ],
)
def test_settings_that_cannot_work_are_named(options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RankingHead(golden.config("ppa", **options), 256)


def test_encoder_weights_follow_the_fill_rule() -> None:
    """A guard on the test itself: fill() depends on the full published name."""
    weight = _head("ppa").sor.weight
    assert torch.equal(weight, torch.from_numpy(fill("roi_heads.sor_head.sor.weight", (5, 1024))))
