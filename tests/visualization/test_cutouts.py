from __future__ import annotations

import cv2
import numpy as np
import pytest

from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.visualization import cutouts, foreground
from sor_ppa.visualization.cutouts import check_saliency, decided, object_box
from sor_ppa.visualization.output_types import OutputType, draw, parse_type

SIZES = [(1, 1), (1, 30), (30, 1), (2, 2), (127, 331), (300, 17)]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def soft_map(height: int, width: int) -> np.ndarray:
    values = np.random.default_rng(1).random((height, width)).astype(np.float32)
    values[values < 0.1], values[values > 0.9] = 0, 1
    return values


def plain(kind: str, rgb: np.ndarray, p: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The published formulas, word for word: float64, red first, the last cast truncates."""
    p3, image = p.astype(np.float64)[:, :, None], rgb.astype(np.float64)
    if kind == "map":
        return np.repeat(p3 * 255, 3, axis=2).astype(np.uint8)
    if kind == "rgba":
        return np.concatenate([rgb, (255 * p3).astype(np.uint8)], axis=2)
    green = np.array([120, 255, 155])
    if kind == "overlay":
        tinted = (green + rgb.astype(np.int64)) // 2
        out = (p3 * tinted + (1 - p3) * image).astype(np.uint8)
        edges = cv2.Canny(255 * (p > 0.5).astype(np.uint8), 50, 100)
        out[edges != 0] = green
        return out
    size = rgb.shape[1::-1]
    grounds = {
        "green": green,
        "white": np.array([255, 255, 255]),
        "[200, 10, 30]": np.array([200, 10, 30]),
        "blur": cv2.GaussianBlur(rgb, (0, 0), 15).astype(np.float64),
        "picture": cv2.resize(background, size, interpolation=cv2.INTER_LINEAR),
    }
    return (p3 * image + (1 - p3) * grounds[kind]).astype(np.uint8)


@pytest.mark.parametrize(
    "kind", ["map", "rgba", "green", "white", "[200, 10, 30]", "blur", "overlay", "picture"]
)
@pytest.mark.parametrize("size", SIZES)
def test_published_formulas(kind: str, size: tuple[int, int]) -> None:
    bgr, p, ground = picture(*size), soft_map(*size), picture(40, 50, seed=3)
    wanted = plain(kind, bgr[:, :, ::-1], p, ground[:, :, ::-1])
    chosen = OutputType("picture", "beach") if kind == "picture" else kind
    found = draw(chosen, bgr, p, matting=False, background=ground)
    assert found.dtype == np.uint8
    if kind == "map":
        assert found.shape == size
        found = np.repeat(found[:, :, None], 3, axis=2)
    found = found[:, :, [2, 1, 0, 3][: found.shape[2]]]  # red first, as the plain version
    difference = np.abs(found.astype(int) - wanted)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.002  # float32 seldom crosses a whole number


@pytest.mark.parametrize("kind", ["green", "blur", "overlay", "rgba", "map", "white"])
def test_inputs_stay_as_they_are(kind: str) -> None:
    bgr, p = picture(20, 30), soft_map(20, 30)
    before = bgr.copy(), p.copy()
    draw(kind, bgr, p)
    assert np.array_equal(bgr, before[0]) and np.array_equal(p, before[1])


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_constant_maps_are_exact(level: float) -> None:
    bgr, p = picture(9, 7), np.full((9, 7), level, np.float32)
    assert (draw("map", bgr, p) == 255 * level).all()
    expected = bgr if level else np.broadcast_to(np.array([30, 20, 10], np.uint8), bgr.shape)
    assert np.array_equal(draw("10,20,30", bgr, p), expected)
    assert np.array_equal(draw("rgba", bgr, p)[:, :, :3], bgr)


def test_maps_with_16_bits() -> None:
    p = np.array([[0, 0.5, 1, 1 / 3]], np.float32)
    deep = cutouts.grey_map(p, bits=16)
    assert deep.dtype == np.uint16
    assert np.abs(deep.astype(int) - [0, 32767, 65535, 21845]).max() <= 1
    assert list(cutouts.grey_map(p)[0]) == [0, 127, 255, 85]
    with pytest.raises(ConfigError, match="8 or 16"):
        cutouts.grey_map(p, bits=12)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [0, 0.4, 0.5, 1]),
        ({"threshold": 0.5}, [0, 0, 0, 1]),  # above, not from
        ({"threshold": 0.0}, [0, 1, 1, 1]),
        ({"threshold": 1.0}, [0, 0, 0, 0]),
        ({"reverse": True}, [1, 0.6, 0.5, 0]),
        ({"threshold": 0.45, "reverse": True}, [1, 1, 0, 0]),
    ],
)
def test_threshold_and_reverse(options: dict, expected: list[float]) -> None:
    p = np.array([0, 0.4, 0.5, 1], np.float32)
    assert decided(p, **options) == pytest.approx(expected)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_outside(threshold: float) -> None:
    with pytest.raises(ConfigError, match="0 ... 1"):
        decided(np.zeros((2, 2), np.float32), threshold=threshold)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((3, 4)), r"\(3, 4\).*\(4, 3\)"),
        (np.zeros((0, 0)), "resize the map"),
        (np.full((4, 3), np.nan), "NaN"),
        (np.where(np.eye(4)[:, :3] > 0, np.nan, 0.5), "NaN"),
        (np.full((4, 3), np.inf), "infinity"),
        (np.full((4, 3), 255.0), "0 ... 1"),
        (np.full((4, 3), -1.0), "0 ... 1"),
    ],
)
def test_maps_that_are_none(values: np.ndarray, said: str) -> None:
    with pytest.raises(SaliencyError, match=said):
        check_saliency(values.astype(np.float32), (4, 3))


def test_rounding_just_outside_is_clipped() -> None:
    checked = check_saliency(np.array([[-1e-6, 1 + 1e-6, 0.5]]), (1, 3))
    assert checked.dtype == np.float32
    assert list(checked[0]) == [0, 1, 0.5]


@pytest.mark.parametrize(
    ("marked", "box"),
    [
        ([], (0, 20, 0, 30)),  # nothing shows: nothing is cut
        ([(3, 4)], (3, 4, 4, 5)),
        ([(3, 4), (10, 29)], (3, 11, 4, 30)),
        ([(0, 0), (19, 29)], (0, 20, 0, 30)),
    ],
)
def test_box_of_the_object(marked: list[tuple[int, int]], box: tuple[int, ...]) -> None:
    p = np.full((20, 30), 0.04, np.float32)
    for place in marked:
        p[place] = 0.3
    rows, columns = object_box(p)
    shown = np.zeros((20, 30), bool)
    shown[rows, columns] = True
    expected = np.zeros((20, 30), bool)
    expected[box[0] : box[1], box[2] : box[3]] = True
    assert np.array_equal(shown, expected)


def test_chequerboard_shows_through() -> None:
    bgra = np.full((40, 40, 4), 7, np.uint8)
    bgra[:, 20:, 3], bgra[:, :20, 3] = 255, 0
    shown = cutouts.on_checks(bgra)
    assert (shown[:, 20:] == 7).all()
    assert len(np.unique(shown[:, :20])) == 2


def tinted_edge(size: tuple[int, int] = (60, 90)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A red object on blue, its soft edge, and the mixture that a camera sees."""
    height, width = size
    p = np.clip((np.arange(width) - width * 0.45) / (width * 0.1), 0, 1).astype(np.float32)
    p = np.repeat(p[None], height, axis=0)
    red, blue = np.array([30, 20, 220.0]), np.array([230, 40, 10.0])
    mixed = p[:, :, None] * red + (1 - p[:, :, None]) * blue
    return mixed.astype(np.uint8), p, red


def test_foreground_loses_the_background() -> None:
    pytest.importorskip("pymatting")
    bgr, p, red = tinted_edge()
    half = (p > 0.3) & (p < 0.7)
    plain_cut = draw("rgba", bgr, p, matting=False)[:, :, :3].astype(float)
    clean_cut = draw("rgba", bgr, p)[:, :, :3].astype(float)
    assert np.abs(plain_cut[half] - red).mean() > 40
    assert np.abs(clean_cut[half] - red).mean() < 12
    assert np.array_equal(draw("rgba", bgr, p)[:, :, 3], (p * 255).astype(np.uint8))


def test_only_the_box_of_the_edge_is_estimated() -> None:
    """The same colours (as far as they show) as from the whole picture, far away the picture."""
    estimate = pytest.importorskip("pymatting.foreground.estimate_foreground_ml")
    small, small_p, _ = tinted_edge()
    bgr, p = picture(200, 500), np.zeros((200, 500), np.float32)
    bgr[:, 200:], p[:, 350:] = small[0, -1], 1
    bgr[70:130, 200:290], p[70:130, 200:290] = small, small_p
    p[:, 290:] = 1
    p[:70, 200:290] = p[130:, 200:290] = p[70, 200:290]
    bgr[:70, 200:290] = bgr[130:, 200:290] = bgr[70, 200:290]
    alpha = cutouts.grey_map(p)
    ours = foreground.estimate_foreground(bgr, p, alpha).astype(float)
    whole = estimate.estimate_foreground_ml(bgr / 255.0, p.astype(float)) * 255
    shown = np.abs(ours - whole) * p[:, :, None]
    assert shown.mean() < 1 and np.percentile(shown, 99) < 6
    assert np.array_equal(ours[:, :150], bgr[:, :150])


@pytest.mark.parametrize("size", SIZES)
def test_foreground_of_any_size(size: tuple[int, int]) -> None:
    cut = draw("rgba", picture(*size), soft_map(*size))
    assert cut.shape == (*size, 4)


def test_without_pymatting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(
        __import__("sys").modules, "pymatting.foreground.estimate_foreground_ml", None
    )
    foreground._estimator.cache_clear()
    bgr, p, _ = tinted_edge()
    try:
        cuts = [draw("rgba", bgr, p) for _ in range(3)]
    finally:
        foreground._estimator.cache_clear()
    assert all(np.array_equal(cut[:, :, :3], bgr) for cut in cuts)
    assert [record.message for record in caplog.records if "matting" in record.message] == [
        "pymatting is not installed: half-transparent edges keep a tint of the background "
        "(pip install 'sor_ppa[matting]' removes it)"
    ]


def test_threads_may_estimate_at_the_same_time() -> None:
    pytest.importorskip("pymatting")
    from concurrent.futures import ThreadPoolExecutor

    bgr, p, _ = tinted_edge((50, 80))
    with ThreadPoolExecutor(4) as pool:
        cuts = list(pool.map(lambda _: draw("rgba", bgr, p), range(12)))
    assert all(np.array_equal(cut, cuts[0]) for cut in cuts)


def test_strips_join_without_a_seam() -> None:
    bgr, p = picture(3 * cutouts._STRIP + 5, 4), soft_map(3 * cutouts._STRIP + 5, 4)
    whole = (p[:, :, None] * bgr + (1 - p[:, :, None]) * np.float32(255)).astype(np.uint8)
    assert np.abs(draw(parse_type("white"), bgr, p).astype(int) - whole).max() <= 1
