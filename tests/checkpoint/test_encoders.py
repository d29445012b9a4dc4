"""Encoders that fit, that do not, and that come from nowhere: on networks of a few names."""

from __future__ import annotations

import logging

import pytest
import torch

from sor_ppa.checkpoint.encoders import check_encoders, is_encoder_alone, warn_of_random_encoders
from sor_ppa.checkpoint.fit import compare
from sor_ppa.checkpoint.published import convert, recognise
from sor_ppa.errors import CheckpointError

Shapes = dict[str, tuple[int, ...]]
BARE: Shapes = {"conv1.weight": (4, 3), "bn1.weight": (4,), "bn1.num_batches_tracked": ()}
ENCODER = {f"encoder.{name}": shape for name, shape in BARE.items()}
BOTH = ENCODER | {f"t_net.{name}": shape for name, shape in BARE.items()}
HEAD: Shapes = {"decoder.weight": (2, 4)}


def _tensors(shapes: Shapes) -> dict[str, torch.Tensor]:
    return {name: torch.ones(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("file", "alone"),
    [
        ({}, False),
        (HEAD, False),
        (ENCODER, True),
        (ENCODER | HEAD, False),
        (ENCODER | {"encoder.more": (1,)}, True),
        (ENCODER | {"more": (1,)}, False),
        ({"encoder.conv1.weight": (9, 9)}, True),
    ],
)
def test_what_is_an_encoder_alone(file: Shapes, alone: bool) -> None:
    result = compare(_tensors(file), _tensors(ENCODER | HEAD), dropped={})
    assert is_encoder_alone(result) == alone


@pytest.mark.parametrize("model", [ENCODER | HEAD, BOTH | HEAD])
@pytest.mark.parametrize("counter", [True, False])
def test_a_whole_encoder_is_taken_with_or_without_its_counters(
    model: Shapes, counter: bool
) -> None:
    file = {name: shape for name, shape in BARE.items() if counter or "tracked" not in name}
    state, _ = convert(_tensors(file), recognise(file), model_names=model)
    assert set(state) == {n for n in model if n not in HEAD and (counter or "tracked" not in n)}
    check_encoders(compare(state, _tensors(model), dropped={}), "f.pth", title="a file")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ({"encoder.conv1.weight": (4, 3)}, "  encoder.bn1.weight: not in the file"),
        (
            ENCODER | {"encoder.bn1.weight": (5,)},
            "  encoder.bn1.weight: (5,) in the file, (4,)",
        ),
        (ENCODER | {"encoder.conv9.weight": (1,)}, "  encoder.conv9.weight: in the file only"),
    ],
)
def test_anything_less_is_refused(file: Shapes, said: str) -> None:
    result = compare(_tensors(file), _tensors(ENCODER | HEAD), dropped={})
    with pytest.raises(CheckpointError) as caught:
        check_encoders(result, "f.pth", title="a file")
    text = str(caught.value)
    assert text.startswith("f.pth (a file) is not the encoder of this network: 1 tensors do not")
    assert said in text.splitlines()[1] and len(text.splitlines()) == 2


def test_twenty_names_are_listed_and_the_rest_counted() -> None:
    model: Shapes = {f"encoder.layer{i % 2}.{i}.weight": (1,) for i in range(50)}
    file: Shapes = {"encoder.layer0.0.weight": (1,)}
    with pytest.raises(CheckpointError) as caught:
        check_encoders(
            compare(_tensors(file), _tensors(model), dropped={}), "f.pth", title="a file"
        )
    first, *listed, rest = str(caught.value).splitlines()
    assert "49 tensors" in first and len(listed) == 20
    assert rest == "  and 29 more: encoder.layer1.* (15), encoder.layer0.* (14)"


def test_a_whole_networks_file_is_another_matter() -> None:
    """Strict loading and one table in the log take care of it."""
    file = {"encoder.conv1.weight": (4, 3), **HEAD}
    check_encoders(compare(_tensors(file), _tensors(ENCODER | HEAD), dropped={}), "f", title="")


@pytest.mark.parametrize(
    ("model", "file", "said"),
    [
        ({}, None, ""),
        (HEAD, None, ""),
        ({"backbone.conv1.weight": (1,)}, None, ""),
        (ENCODER | HEAD, None, "2 of its 2 tensors"),
        (ENCODER | HEAD, ENCODER, ""),
        (BOTH, ENCODER, "2 of its 4 tensors"),
        (ENCODER, {"encoder.conv1.weight": (4, 3)}, "1 of its 2 tensors"),
        (ENCODER, {"encoder.conv1.weight": (9, 9)}, "2 of its 2 tensors"),
    ],
)
def test_who_is_warned(
    model: Shapes, file: Shapes | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    result = None if file is None else compare(_tensors(file), _tensors(model), dropped={})
    assert warn_of_random_encoders(list(model), result) == bool(said)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == bool(said) and all(said in text for text in warnings)
