"""pysaliency's numbers, and the MIT benchmark's definitions, on five made-up images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.density import to_density
from sor_ppa.evaluation import fixation as gaze
from sor_ppa.evaluation.gaze import areas
from sor_ppa.evaluation.gaze.scoring import mit_information_gain, mit_likeness

with np.load(Path(__file__).parents[2] / "goldens" / "fixation_metrics.npz") as _arrays:
    GOLDEN = dict(_arrays)
COUNT = int(GOLDEN["n_images"])
SIGMA = float(GOLDEN["sigma"])
MAPS = [GOLDEN[f"map/{i}"] for i in range(COUNT)]
POINTS = [
    np.stack([GOLDEN["x"], GOLDEN["y"]], 1)[GOLDEN["n"] == i].astype(np.int64) for i in range(COUNT)
]
BAR = 1e-9


@pytest.mark.parametrize("index", range(COUNT))
def test_maps_and_densities(index: int) -> None:
    size = MAPS[index].shape
    people = gaze.empirical_map(POINTS[index], size, SIGMA)
    np.testing.assert_allclose(people, GOLDEN[f"empirical/{index}"], atol=1e-14)
    log_density = np.log(to_density(MAPS[index]))
    np.testing.assert_allclose(log_density, GOLDEN[f"log_density/{index}"], atol=BAR)
    log_baseline = np.log(gaze.centre_bias(size))
    np.testing.assert_allclose(log_baseline, GOLDEN[f"log_baseline/{index}"], atol=BAR)


def by_fixation(name: str) -> list[np.ndarray]:
    return [GOLDEN[f"py/{name}_fix"][GOLDEN["n"] == i] for i in range(COUNT)]


def values(index: int) -> np.ndarray:
    return areas.fixated(MAPS[index], POINTS[index])


def pixels(index: int) -> gaze.Negatives:
    return gaze.Negatives(MAPS[index].ravel())


def own(index: int) -> np.ndarray:
    return areas.fixated(MAPS[index], np.unique(POINTS[index], axis=0))


def shuffled(index: int) -> np.ndarray:
    counts = gaze.PooledFixations(POINTS, [m.shape for m in MAPS]).counts(index)
    at = np.nonzero(counts)
    return gaze.auc(values(index), gaze.Negatives(MAPS[index][at], counts[at].astype(float)))


def log_at(name: str, index: int) -> np.ndarray:
    return areas.fixated(GOLDEN[f"{name}/{index}"], POINTS[index])


BY_FIXATION: dict[str, Callable[[int], np.ndarray]] = {
    "NSS": lambda i: gaze.normalised_scanpath(MAPS[i], values(i)),
    "AUC": lambda i: gaze.auc(values(i), pixels(i)),
    "AUC_unfixated": lambda i: gaze.auc(values(i), pixels(i), own(i)),
    "sAUC": shuffled,
    "LL": lambda i: log_at("log_density", i),
    "IG": lambda i: gaze.information_gain(log_at("log_density", i), log_at("log_baseline", i)),
    "IG_uniform": lambda i: gaze.information_gain(
        log_at("log_density", i), np.full(len(POINTS[i]), -np.log(MAPS[i].size))
    ),
}


@pytest.mark.parametrize("name", BY_FIXATION)
def test_metrics_of_each_fixation(name: str) -> None:
    for index, expected in enumerate(by_fixation(name)):
        np.testing.assert_allclose(BY_FIXATION[name](index), expected, atol=BAR, rtol=0)


@pytest.mark.parametrize("name", ["AUC_judd", "CC", "SIM", "KLDiv"])
def test_metrics_of_each_image(name: str) -> None:
    for index, expected in enumerate(GOLDEN[f"py/{name}_image"]):
        people = gaze.empirical_map(POINTS[index], MAPS[index].shape, SIGMA)
        ours, theirs = gaze.as_distribution(MAPS[index]), gaze.as_distribution(people)
        found = {
            "AUC_judd": lambda i=index: gaze.auc_judd(values(i), pixels(i), own(i)),
            "CC": lambda i=index, p=people: gaze.correlation(MAPS[i], p),
            "SIM": lambda a=ours, b=theirs: gaze.similarity(a, b),
            "KLDiv": lambda a=ours, b=theirs: gaze.divergence(a, b),
        }[name]()
        assert found == pytest.approx(expected, abs=BAR, nan_ok=True)


def test_all_at_once_and_their_means() -> None:
    pool = gaze.PooledFixations(POINTS, [m.shape for m in MAPS])
    rows = [
        gaze.score(MAPS[i], POINTS[i], sigma=SIGMA, others=gaze.Others(pool.counts(i)))
        for i in range(COUNT)
    ]
    for name in ("NSS", "AUC", "sAUC", "IG"):
        means = [row[name] for row in rows]
        assert np.mean(means) == pytest.approx(GOLDEN[f"py/{name}_mean_over_images"], abs=BAR)
        weights = [len(points) for points in POINTS]
        whole = np.average(means, weights=weights)
        assert whole == pytest.approx(GOLDEN[f"py/{name}_mean_over_fixations"], abs=BAR)
    for name, key in (("AUC-Judd", "AUC_judd"), ("CC", "CC"), ("SIM", "SIM"), ("KLD", "KLDiv")):
        found = [row[name] for row in rows]
        np.testing.assert_allclose(found, GOLDEN[f"py/{key}_image"], atol=BAR)


@pytest.mark.parametrize("index", range(4))
def test_the_mit_benchmarks_definitions(index: int) -> None:
    fixation, people = MAPS[index], GOLDEN[f"empirical/{index}"]
    places = np.unique(POINTS[index], axis=0)
    scaled = areas.min_max(fixation)
    positives = areas.fixated(scaled, places)
    likeness = mit_likeness(fixation, people)
    baseline = np.exp(GOLDEN[f"log_baseline/{index}"])
    raw = areas.fixated(fixation, places)
    found = {
        "NSS": gaze.normalised_scanpath(fixation, raw, ddof=1).mean(),
        "SIM": likeness["SIM"],
        "KLdiv": likeness["KLD"],
        "IG": mit_information_gain(fixation, baseline, places),
        "AUC_Judd": gaze.auc_judd_mit(positives, gaze.Negatives(scaled.ravel())),
    }
    for name, drawn in (("AUC_Borji", "borji_neg"), ("sAUC", "shuf_neg")):
        negatives = scaled.ravel()[GOLDEN[f"mit/{index}/{drawn}"]]
        found[name] = gaze.auc_borji(positives, negatives)
    for name, value in found.items():
        assert value == pytest.approx(float(GOLDEN[f"mit/{index}/{name}_mit"]), abs=BAR), name
