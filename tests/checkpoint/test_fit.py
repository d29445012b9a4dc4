from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sor_ppa.checkpoint.fit import Misfit, check, compare, describe, group_names
from sor_ppa.errors import CheckpointError


def _tensors(**shapes: tuple[int, ...]) -> dict[str, Tensor]:
    return {name.replace("__", "."): torch.zeros(shape) for name, shape in shapes.items()}


MODEL = _tensors(body__weight=(4, 3), body__bias=(4,), head__weight=(1, 4), head__bias=(1,))


def test_sorts_by_fate() -> None:
    state = _tensors(body__weight=(4, 3), head__weight=(80, 4), other__weight=(2,))
    result = compare(state, MODEL, dropped={"pixel_mean": "config"})
    assert list(result.kept) == ["body.weight"]
    assert result.misfits == [Misfit("head.weight", (80, 4), (1, 4))]
    assert result.missing == ["body.bias", "head.bias"]
    assert result.unexpected == ["other.weight"]
    assert not result.complete
    assert compare(MODEL, MODEL, dropped={}).complete


@pytest.mark.parametrize(
    ("file", "model", "why"),
    [
        ((80, 4), (1, 4), "80 outputs in the file, 1 here"),
        ((80,), (1,), "80 outputs in the file, 1 here"),
        ((4, 256, 3, 3), (4, 258, 3, 3), "256 inputs in the file, 258 here"),
        ((4, 4), (4,), "another shape"),
        ((), (1,), "another shape"),
    ],
)
def test_why(file: tuple[int, ...], model: tuple[int, ...], why: str) -> None:
    assert Misfit("x", file, model).why == why


@pytest.mark.parametrize("state", [{}, _tensors(a=(1,)), _tensors(body__weight=(9, 9))])
def test_a_file_of_another_network_is_refused(state: dict[str, Tensor]) -> None:
    result = compare(state, MODEL, dropped={})
    with pytest.raises(CheckpointError, match="f.pth .a file. does not belong to this model"):
        check(result, "f.pth", title="a file", strict=False)


def test_five_missing_and_five_unexpected_names_are_listed() -> None:
    model = {f"m{i}": torch.zeros(1) for i in range(30)}
    state = {f"u{i}": torch.zeros(1) for i in range(7)}
    with pytest.raises(CheckpointError) as caught:
        check(compare(state, model, dropped={}), "f.pth", title="a file", strict=False)
    assert "Missing: m0, m1, m2, m3, m4 and 25 more." in str(caught.value)
    assert "Unexpected: u0, u1, u2, u3, u4 and 2 more." in str(caught.value)


def test_a_backbone_fits_a_large_model_and_a_large_file_a_backbone() -> None:
    large = {f"layer{i}": torch.zeros(1) for i in range(100)}
    small = {f"layer{i}": torch.zeros(1) for i in range(5)}
    check(compare(small, large, dropped={}), "f", title="", strict=False)
    check(compare(large, small, dropped={}), "f", title="", strict=True)
    with pytest.raises(CheckpointError, match="leaves 95 of the model's 100 tensors unset"):
        check(compare(small, large, dropped={}), "f", title="", strict=True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_broken_numbers_are_refused(value: float, dtype: torch.dtype) -> None:
    state = {**MODEL, "body.bias": torch.tensor([0, value, 0, 0], dtype=dtype)}
    with pytest.raises(CheckpointError, match="1 tensors hold NaN or infinity .body.bias."):
        check(compare(state, MODEL, dropped={}), "f", title="", strict=False)


def test_one_table_tells_everything() -> None:
    state = _tensors(body__weight=(4, 3), body__bias=(4,), head__weight=(80, 4), old__x__y=(1,))
    result = compare(state, MODEL, dropped={"pixel_mean": "the config's is used"})
    text = describe(result, "f.pth", title="a file")
    assert "Loaded 2 of the 5 tensors of f.pth, a file." in text
    row = next(line for line in text.splitlines() if line.startswith("head.weight"))
    assert row.split("  ")[0] == "head.weight"
    assert "(80, 4)" in row and "(1, 4)" in row and "80 outputs in the file" in row
    assert "Not in the file, left as they were: head.bias (1)" in text
    assert "In the file only, not used: old.x.* (1)" in text
    assert "1 (the config's is used)" in text


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], ""),
        (["a"], "a (1)"),
        (["a.b.c", "a.b.d", "a.e"], "a.b.* (2), a.e (1)"),
    ],
)
def test_group_names(names: list[str], expected: str) -> None:
    assert group_names(names) == expected
