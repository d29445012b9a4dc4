"""What the steps of a run say beforehand."""

from __future__ import annotations

import logging

import pytest

from sor_ppa.config import get_cfg
from sor_ppa.unsupervised.making import _warn_of_few_steps


@pytest.mark.parametrize(
    ("pictures", "epochs", "steps", "enough"),
    [(0, 20, 0, ""), (16, 20, 40, "150"), (1000, 20, 2500, None), (16, 150, 300, None)],
)
def test_few_pictures_are_warned_of(
    pictures: int,
    epochs: int,
    steps: int,
    enough: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cfg = get_cfg()
    cfg.SOLVER.EPOCHS, cfg.SOLVER.IMS_PER_BATCH = epochs, 8
    with caplog.at_level(logging.WARNING, "sor_ppa"):
        _warn_of_few_steps("stage 1", cfg, pictures)
    if enough is None:
        assert not caplog.messages
    else:
        assert f"make {steps} steps" in caplog.text
        assert f"SOLVER.EPOCHS {enough}" in caplog.text


def test_iterations_count_where_there_are_no_epochs(caplog: pytest.LogCaptureFixture) -> None:
    cfg = get_cfg()
    cfg.SOLVER.EPOCHS, cfg.SOLVER.MAX_ITER = 0, 5000
    _warn_of_few_steps("stage 2", cfg, 3)
    assert not caplog.messages
