from __future__ import annotations

import numpy as np
import pytest

from sor_ppa.visualization.placement import interior_point, place_labels


def clearance_slow(mask: np.ndarray, x: int, y: int) -> float:
    """Distance of a pixel's centre to the nearest one outside the mask, the border included."""
    padded = np.pad(mask, 1)
    ys, xs = np.nonzero(~padded)
    return float(np.hypot(ys - 1 - y, xs - 1 - x).min())


def test_empty_mask() -> None:
    with pytest.raises(ValueError, match="empty"):
        interior_point(np.zeros((3, 3), bool))


@pytest.mark.parametrize(("size", "at"), [((1, 1), (0, 0)), ((1, 9), (0, 4)), ((50, 60), (49, 59))])
def test_one_pixel(size: tuple[int, int], at: tuple[int, int]) -> None:
    mask = np.zeros(size, bool)
    mask[at] = True
    assert interior_point(mask) == (at[1] + 0.5, at[0] + 0.5, 1.0)


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_farthest_from_the_outline(seed: int) -> None:
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:40, :50]
    mask = np.zeros((40, 50), bool)
    for _ in range(3):  # a union of discs, some cut by the border
        cy, cx, r = rng.uniform(0, 40), rng.uniform(0, 50), rng.uniform(4, 14)
        mask |= (yy - cy) ** 2 + (xx - cx) ** 2 < r * r
    x, y, clearance = interior_point(mask)
    assert mask[int(y), int(x)]
    best = max(clearance_slow(mask, j, i) for i, j in np.argwhere(mask)[::3])
    assert clearance_slow(mask, int(x), int(y)) >= best - 0.7  # OpenCV's 5x5 distance is 2 % off
    assert clearance == pytest.approx(clearance_slow(mask, int(x), int(y)), abs=0.7)


def test_ring_has_its_point_in_the_ring() -> None:
    yy, xx = np.mgrid[:60, :60]
    distance = np.hypot(yy - 30, xx - 30)
    mask = (distance < 28) & (distance > 18)
    x, y, _ = interior_point(mask)
    assert mask[int(y), int(x)]


def test_taken_places_are_avoided() -> None:
    mask = np.ones((40, 100), bool)
    first = interior_point(mask)
    second = interior_point(mask, avoid=[(first[0], first[1], 20)])
    assert np.hypot(first[0] - second[0], first[1] - second[1]) >= 19
    # All of it taken: still a point inside.
    assert interior_point(mask, avoid=[(50, 20, 500)]) == first


def square(size: tuple[int, int], left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def test_no_labels() -> None:
    assert place_labels([], unit=10, below=2) == []


def test_large_objects_have_the_label_inside() -> None:
    masks = [square((200, 300), 10, 50, 100), square((200, 300), 180, 60, 100)]
    for mask, (x, y, radius) in zip(masks, place_labels(masks, unit=12, below=2), strict=True):
        assert mask[int(y), int(x)] and radius == 12


@pytest.mark.parametrize("left", [0, 100, 290])
@pytest.mark.parametrize("top", [0, 20, 100, 190])
def test_small_objects_are_not_hidden_by_their_label(left: int, top: int) -> None:
    mask = square((200, 300), left, top, 10)
    ((x, y, radius),) = place_labels([mask], unit=15, below=2.25)
    assert radius == 15 * 0.6
    label = np.zeros((200, 300), bool)
    label[int(y - radius) : int(y + radius * 2.25), int(x - radius) : int(x + radius)] = True
    assert not (label & mask).any()
    assert radius <= x <= 300 - radius and radius <= y <= 200 - radius


def test_labels_keep_apart_where_there_is_room() -> None:
    mask = square((300, 300), 20, 20, 260)
    places = place_labels([mask, mask.copy(), mask.copy()], unit=14, below=2.25)
    for index, (x, y, _) in enumerate(places):
        for other_x, other_y, _ in places[:index]:
            assert np.hypot(x - other_x, y - other_y) > 2 * 14


@pytest.mark.parametrize("size", [(24, 24), (24, 500), (500, 24)])
def test_badges_stay_in_the_picture(size: tuple[int, int]) -> None:
    ((x, y, radius),) = place_labels([np.ones(size, bool)], unit=8, below=2.25)
    assert radius <= x <= size[1] - radius and radius <= y <= size[0] - radius
