from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from sor_ppa.showing.overlap import overlap


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
@pytest.mark.parametrize("workers", [1, 4])
def test_results_in_order(count: int, workers: int) -> None:
    written: list[int] = []

    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))  # later items may be ready first
        return item * 10

    def finish(value: int) -> int:
        written.append(value)
        return value + 1

    done = list(overlap(range(count), work, finish, workers=workers))
    assert done == [10 * k + 1 for k in range(count)]
    assert written == [10 * k for k in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_only_a_few_items_are_under_way(workers: int) -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    for count, _ in enumerate(overlap(items(), lambda x: x, lambda x: x, workers=workers), 1):
        assert len(made) - count <= workers + 2
    assert len(made) == 100


def test_work_runs_in_several_threads_and_finish_in_one() -> None:
    both = threading.Barrier(2, timeout=20)  # passes only if two are at work at a time
    threads = set()

    def finish(item: int) -> None:
        threads.add(threading.get_ident())

    list(overlap(range(6), lambda item: both.wait(), finish, workers=2))
    assert len(threads) == 1 and threading.get_ident() not in threads


@pytest.mark.parametrize("where", ["items", "work", "finish"])
def test_errors_come_after_the_results_before_them(where: str) -> None:
    def fail_at_two(stage: str, item: int) -> int:
        if stage == where and item == 2:
            raise KeyError(stage)
        return item

    items = (fail_at_two("items", k) for k in range(5))
    got = []
    with pytest.raises(KeyError, match=where):
        for item in overlap(
            items, lambda k: fail_at_two("work", k), lambda k: fail_at_two("finish", k)
        ):
            got.append(item)
    assert got == [0, 1] if where != "items" else got == [0, 1][: len(got)]


def test_leaving_early_waits_for_what_was_begun() -> None:
    begun, done = [], []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.02)
        return item

    with contextlib.closing(overlap(range(1000), work, done.append)) as results:
        next(results)
    assert begun == done and len(done) < 10
