from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from sor_ppa.errors import ConfigError, ImageError
from sor_ppa.visualization.overlay import RankVisualizer, draw_ranked_instances, ranked_objects
from sor_ppa.visualization.rank_colours import rank_colour


def instances(
    masks: list[np.ndarray], ranks: list[int], size_hw: tuple[int, int], **fields: torch.Tensor
) -> Instances:
    found = Instances(size_hw)
    found.pred_masks = torch.from_numpy(np.array(masks, dtype=bool).reshape(-1, *size_hw))
    found.pred_ranks = torch.tensor(ranks, dtype=torch.int64)
    found.scores = torch.linspace(0.9, 0.5, len(ranks))
    found.pred_boxes = Boxes(torch.zeros(len(ranks), 4))
    for name, value in fields.items():
        found.set(name, value)
    return found


def disc(size_hw: tuple[int, int], x: float, y: float, radius: float) -> np.ndarray:
    yy, xx = np.mgrid[: size_hw[0], : size_hw[1]]
    return np.hypot(yy + 0.5 - y, xx + 0.5 - x) < radius


GREY = np.full((120, 160, 3), 90, np.uint8)


def test_nothing_to_draw_gives_an_equal_copy() -> None:
    for found in (
        Instances((120, 160)),
        instances([], [], (120, 160)),
        instances([disc((120, 160), 50, 50, 20)], [0], (120, 160)),
        instances([np.zeros((120, 160), bool)], [1], (120, 160)),
    ):
        drawn = draw_ranked_instances(GREY, found)
        assert np.array_equal(drawn, GREY) and drawn is not GREY


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 2), (2, 1), (1, 300), (300, 1), (2, 2), (7, 9), (23, 24), (25, 31)]
)
@pytest.mark.parametrize("rank", [1, 5])
def test_tiny_pictures(size: tuple[int, int], rank: int) -> None:
    picture = np.full((*size, 3), 90, np.uint8)
    drawn = draw_ranked_instances(picture, instances([np.ones(size, bool)], [rank], size))
    assert drawn.shape == picture.shape and drawn.dtype == np.uint8
    assert (drawn != picture).any(axis=2).all()
    assert (picture == 90).all()  # the input is left alone


@pytest.mark.parametrize("size", [(120, 160), (161, 119), (480, 640)])
def test_only_object_outline_and_label_change(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    mask = disc(size, size[1] * 0.6, size[0] * 0.5, min(size) * 0.3)
    drawn = draw_ranked_instances(picture, instances([mask], [1], size))
    near = cv2.dilate(mask.astype(np.uint8), np.ones((13, 13))) > 0
    assert np.array_equal(drawn[~near], picture[~near])  # every other pixel is kept exactly
    assert (drawn[mask] != picture[mask]).any(axis=1).mean() > 0.95


def test_fill_is_the_colour_of_the_rank() -> None:
    size = (200, 300)
    picture = np.zeros((*size, 3), np.uint8)
    masks = [disc(size, 70, 100, 60), disc(size, 220, 100, 60)]
    drawn = draw_ranked_instances(picture, instances(masks, [2, 1], size), show_scores=False)
    for x, rank, alpha in ((70, 2, 0.36), (220, 1, 0.42)):
        expected = np.rint(np.array(rank_colour(rank)[::-1]) * np.float32(alpha))
        assert np.abs(drawn[60, x].astype(int) - expected).max() <= 1  # inside, above the badge


def test_smaller_objects_lie_on_top() -> None:
    size = (200, 200)
    masks = [disc(size, 100, 100, 30), disc(size, 100, 100, 90)]
    picture = np.zeros((*size, 3), np.uint8)
    both, other = (
        draw_ranked_instances(picture, instances(*given, size), show_scores=False)
        for given in ((masks, [1, 2]), (masks[::-1], [2, 1]))
    )
    assert np.array_equal(both, other)
    # The badge of the larger one is where the smaller does not cover it.
    visualizer = RankVisualizer(picture)
    badges = []
    visualizer.draw_badge = lambda x, y, rank, radius: badges.append((rank, x, y))
    visualizer.draw_marks(ranked_objects(instances(masks, [1, 2], size)))
    places = {rank: (x, y) for rank, x, y in badges}
    assert np.hypot(places[1][0] - 100, places[1][1] - 100) < 15
    assert np.hypot(places[2][0] - 100, places[2][1] - 100) > 30


@pytest.mark.parametrize("rank", range(1, 6))
def test_badges_lie_inside_their_object(rank: int) -> None:
    size = (240, 320)
    mask = disc(size, 60, 180, 45) & ~disc(size, 60, 180, 15)  # a ring
    spots = []
    visualizer = RankVisualizer(np.zeros((*size, 3), np.uint8))
    visualizer.draw_badge = lambda x, y, rank, radius: spots.append((rank, x, y))
    visualizer.draw_marks(ranked_objects(instances([mask], [rank], size)))
    ((found, x, y),) = spots
    assert found == rank and mask[int(y), int(x)]


def test_holes_stay_open() -> None:
    size = (200, 200)
    mask = disc(size, 100, 100, 80) & ~disc(size, 100, 100, 40)
    picture = np.full((*size, 3), 77, np.uint8)
    drawn = draw_ranked_instances(picture, instances([mask], [1], size))
    inner = disc(size, 100, 100, 25)
    assert (drawn[inner] == 77).mean() > 0.85  # but for a label that reaches over


def test_numbers_can_be_told_apart() -> None:
    size = (200, 200)
    mask = disc(size, 100, 100, 80)
    picture = np.zeros((*size, 3), np.uint8)
    drawn = {}
    for text in ("1", "2", "3"):
        visualizer = RankVisualizer(picture)
        visualizer.write(text, 100, 100, height=40, colour=(1.0, 1.0, 1.0))
        drawn[text] = visualizer.get_output().get_image()[:, :, 0] > 127
        ys, xs = np.nonzero(drawn[text])
        assert abs((ys.min() + ys.max() + 1) / 2 - 100) < 1.6  # centred
        assert abs((xs.min() + xs.max() + 1) / 2 - 100) < 1.6
        assert abs(ys.max() + 1 - ys.min() - 40) < 3.5  # and of the height asked for
    assert (drawn["1"] ^ drawn["2"]).sum() > 100 and (drawn["2"] ^ drawn["3"]).sum() > 60
    assert mask.any()


@pytest.mark.parametrize("text", ["a$b$c", "$", "名前.jpg", "ü_é ß", "x^{2}"])
def test_any_text_can_be_written(text: str, recwarn: pytest.WarningsRecorder) -> None:
    visualizer = RankVisualizer(np.zeros((60, 300, 3), np.uint8))
    visualizer.write(text, 10, 30, height=12, colour=(1.0, 1.0, 1.0), align="left")
    assert visualizer.get_output().get_image().max() > 200
    assert not [w for w in recwarn if "lyph" in str(w.message)]


@pytest.mark.parametrize("size", [(1, 1), (30, 50), (121, 163)])
def test_render_equals_the_visualizers_own_image(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    visualizer = RankVisualizer(picture)
    visualizer.draw_marks(ranked_objects(instances([np.ones(size, bool)], [2], size)))
    visualizer.draw_box((2, 3, size[1] - 2, size[0] - 3))  # one of detectron2's own
    slow = visualizer.get_output().get_image()
    assert np.abs(visualizer.render().astype(int) - slow).max() <= 3


def test_unranked_objects() -> None:
    size = (120, 160)
    found = instances([disc(size, 80, 60, 40)], [0], size)
    drawn = draw_ranked_instances(GREY, found, show_unranked=True)
    changed = (drawn != GREY).any(axis=2)
    assert changed.any()
    assert not changed[50:70, 70:90].any()  # an outline only


def test_order_of_objects() -> None:
    size = (9, 9)
    masks = [np.ones(size, bool)] * 4
    found = instances(masks, [3, 0, 1, 2], size)
    assert [item.rank for item in ranked_objects(found)] == [1, 2, 3]
    assert [item.rank for item in ranked_objects(found, with_unranked=True)] == [1, 2, 3, 0]
    found.remove("pred_ranks")
    assert ranked_objects(found) == []
    assert len(ranked_objects(found, with_unranked=True)) == 4
    found.remove("scores")
    assert ranked_objects(found, with_unranked=True)[0].score is None


def test_colours_spread_over_the_ranks_of_the_model() -> None:
    size = (60, 60)
    picture = np.zeros((*size, 3), np.uint8)
    masks = [np.ones(size, bool)]
    three = instances(masks, [3], size, rank_scores=torch.zeros(1, 3))
    five = instances(masks, [5], size, rank_scores=torch.zeros(1, 5))
    corner = [draw_ranked_instances(picture, found)[8, 30].tolist() for found in (three, five)]
    assert corner[0] == corner[1]
    # Without that field as many as needed; with too few an error says so.
    draw_ranked_instances(picture, instances(masks, [9], size))
    with pytest.raises(ConfigError, match="rank 9"):
        draw_ranked_instances(picture, instances(masks, [9], size), num_ranks=5)


def test_sizes_must_agree() -> None:
    with pytest.raises(ImageError, match="5 x 6 .* 120 x 160"):
        draw_ranked_instances(GREY, instances([np.ones((5, 6), bool)], [1], (5, 6)))


def test_a_frame_takes_a_moment_only() -> None:
    size = (480, 640)
    masks = [disc(size, 100 + 100 * k, 240, 60) for k in range(5)]
    found = instances(masks, [1, 2, 3, 4, 5], size)
    picture = np.zeros((*size, 3), np.uint8)
    draw_ranked_instances(picture, found)
    started = time.process_time()
    draw_ranked_instances(picture, found)
    assert time.process_time() - started < 1.5  # 0.1 s on a quiet core
