"""The dense CRF: against the plain form, the published numbers, and one backend against another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sor_ppa.crf import BILATERAL, SPATIAL, Kernel, choose_backend, compiled, dense_crf
from sor_ppa.crf import mean_field as ours
from sor_ppa.errors import ConfigError, ImageError, SaliencyError
from tests.conftest import REPOSITORY
from tests.crf.plain_crf import plain_crf
from tests.goldens.fill import image as drawn_image

GOLDEN = REPOSITORY / "tests" / "goldens" / "a2s_crf.npz"
pytestmark = pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning:tests.goldens")

BACKENDS = [
    "scipy",
    pytest.param(
        "compiled",
        marks=pytest.mark.skipif(
            not compiled.is_installed(), reason="needs pydensecrf2: pip install 'sor_ppa[crf]'"
        ),
    ),
]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as file:
        return dict(file)


def scene(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A picture and a guess that is wrong in places."""
    image = drawn_image(seed, height, width)
    noise = np.random.default_rng(seed).normal(0, 25, (height, width))
    return image, image.mean(axis=2) + noise > image.mean()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("kernels", "iterations", "certainty"),
    [
        ((), 3, 0.7),
        ((SPATIAL, BILATERAL), 0, 0.7),
        ((SPATIAL, BILATERAL), 1, 0.7),
        ((SPATIAL, BILATERAL), 4, 0.7),
        ((SPATIAL,), 2, 0.55),
        ((BILATERAL,), 2, 0.9),
        ((Kernel(2.5, 1.5), Kernel(1.0, 4.0, 30.0), Kernel(0.5, 20.0, 60.0)), 3, 0.6),
    ],
)
def test_against_the_plain_form(
    backend: str, kernels: tuple[Kernel, ...], iterations: int, certainty: float
) -> None:
    image, label = scene(11, 13)
    found = dense_crf(
        image, label, backend=backend, kernels=kernels, iterations=iterations, certainty=certainty
    )
    plain = plain_crf(
        image, label, [(k.weight, k.sxy, k.srgb) for k in kernels], iterations, certainty
    )
    assert found.dtype == np.float32 and found.shape == (11, 13)
    np.testing.assert_allclose(found, plain, atol=3e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("q_t1", {"iterations": 1}),
        ("q_t2", {"iterations": 2}),
        ("q_t5", {"iterations": 5}),
        ("q_t10", {}),
        ("q_gauss_only_t10", {"kernels": (SPATIAL,)}),
        ("q_bilateral_only_t10", {"kernels": (BILATERAL,)}),
    ],
)
def test_published_numbers(
    golden: dict[str, np.ndarray], backend: str, name: str, options: dict[str, Any]
) -> None:
    label = golden["label"] > 0
    found = dense_crf(golden["image_denorm"], label, backend=backend, **options)
    np.testing.assert_allclose(found, golden[name], atol=1e-4)
    if name == "q_t10":
        np.testing.assert_array_equal(found > 0.5, golden["argmax"] > 0)


def test_an_exact_gaussian_would_decide_otherwise(golden: dict[str, np.ndarray]) -> None:
    """So the bars above do tell the lattice from other filters."""
    assert np.abs(golden["q_exact_t1"] - golden["q_t1"]).max() > 1e-2


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (64, 48), (160, 160)])
@pytest.mark.skipif(
    not compiled.is_installed(), reason="needs pydensecrf2: pip install 'sor_ppa[crf]'"
)
def test_backends_agree(size: tuple[int, int]) -> None:
    image, label = scene(*size, seed=4)
    one, other = (dense_crf(image, label, backend=name) for name in ("scipy", "compiled"))
    np.testing.assert_allclose(one, other, atol=4e-4)
    np.testing.assert_array_equal(one > 0.5, other > 0.5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_labels_are_alike(backend: str) -> None:
    """Foreground for background and the other way round: the answer is turned as well."""
    image, label = scene(20, 30)
    found, turned = (dense_crf(image, guess, backend=backend) for guess in (label, ~label))
    np.testing.assert_allclose(turned, 1 - found, atol=2e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_strides_and_inputs_stay(backend: str) -> None:
    image, label = scene(20, 30)
    before = image.copy(), label.copy()
    expected = dense_crf(image, label, backend=backend)
    turned = dense_crf(image[::-1, :, ::-1][::-1, :, ::-1], label.T.copy().T, backend=backend)
    np.testing.assert_array_equal(turned, expected)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(label, before[1])


def test_the_spatial_kernel_is_made_once_a_size() -> None:
    ours._spatial.cache_clear()
    for seed in range(3):
        dense_crf(*scene(12, 17, seed), backend="scipy", iterations=1)
    assert ours._spatial.cache_info().misses == 1


@pytest.mark.parametrize(
    ("image", "label"),
    [
        (np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5), bool)),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 6), bool)),
        (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5), bool)),
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), bool)),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)),
    ],
    ids=["empty", "sizes", "float", "grey", "numbers"],
)
def test_wrong_arrays(image: np.ndarray, label: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"takes a picture uint8 \(H, W, 3\) and a guess bool"):
        dense_crf(image, label)


@pytest.mark.parametrize(
    "options",
    [{"certainty": 0.0}, {"certainty": 1.0}, {"certainty": 2}, {"iterations": -1}],
)
def test_wrong_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        dense_crf(*scene(4, 5), **options)


@pytest.mark.parametrize("numbers", [(1, 0), (1, -3), (1, 3, 0), (1, float("nan")), (np.inf, 3)])
def test_wrong_kernels(numbers: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="must be finite"):
        Kernel(*numbers)


def test_a_kernel_that_is_too_fine() -> None:
    with pytest.raises(SaliencyError, match="larger standard deviations"):
        dense_crf(*scene(8, 8), backend="scipy", kernels=[Kernel(1, 1e-9)])


def test_unknown_backend() -> None:
    with pytest.raises(ConfigError, match="auto, compiled, scipy; got 'gpu'"):
        choose_backend("gpu")


def test_without_the_compiled_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ImportError(f"No module named {name}")

    monkeypatch.setattr(compiled, "import_module", fail)
    compiled.is_installed.cache_clear()
    try:
        assert choose_backend("auto") == "scipy"
        assert dense_crf(*scene(5, 6)).shape == (5, 6)
        with pytest.raises(ConfigError, match=r"pip install 'sor_ppa\[crf\]'"):
            dense_crf(*scene(5, 6), backend="compiled")
    finally:
        compiled.is_installed.cache_clear()
