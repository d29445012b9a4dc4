from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sor_ppa.engine.prefetch import prefetch


@pytest.mark.parametrize("count", [0, 1, 2, 3, 100])
@pytest.mark.parametrize("depth", [1, 2, 50])
def test_same_items_in_order(count: int, depth: int) -> None:
    assert list(prefetch(iter(range(count)), depth=depth)) == list(range(count))
    assert list(prefetch(range(count), depth=depth)) == list(range(count))


def test_depth_is_checked() -> None:
    with pytest.raises(ValueError, match="depth"):
        list(prefetch([1], depth=0))


def test_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    got = []
    with pytest.raises(KeyError, match="third"):
        for item in prefetch(source()):
            got.append(item)
    assert got == [1, 2]


def test_leaving_early_closes_the_source_in_its_thread() -> None:
    closed_in = []

    def source() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            closed_in.append(threading.current_thread().name)

    items = prefetch(source())
    assert next(items) == 0
    items.close()
    assert closed_in == ["prefetch"]
    assert "prefetch" not in [thread.name for thread in threading.enumerate()]


def test_it_works_ahead() -> None:
    """The source makes its second item while the first is still being used."""
    second_made = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        second_made.set()
        yield 2

    items = prefetch(source(), depth=1)
    next(items)
    assert second_made.wait(timeout=10)
    assert list(items) == [2]
