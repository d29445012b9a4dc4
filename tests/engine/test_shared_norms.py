"""Do batch norms of two processes work on the batch of both?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sor_ppa.engine.processes import has_batch_norms, share_statistics, wrap_for_processes
from tests.engine.norm_net import make_net, run_steps
from tests.engine.test_launch import SCRIPT


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, repository: Path, child_environment: dict[str, str]
) -> Any:
    """What each of two processes reports, with and without shared statistics."""
    folder = tmp_path_factory.mktemp("norms")
    command = [sys.executable, "-W", "ignore", str(SCRIPT), "norms", "--num-processes=2"]
    command += ["OUTPUT_DIR", str(folder)]
    subprocess.run(command, cwd=repository, env=child_environment, check=True, timeout=300)
    return [torch.load(folder / f"{rank}.pth", weights_only=True) for rank in (0, 1)]


def test_outputs_gradients_and_running_statistics_are_those_of_one(two: Any) -> None:
    """In float64, with 2 pictures on one process and 4 on the other."""
    one = run_steps(make_net(), slice(0, 6), 1)
    shared = [report["shared"] for report in two]
    outputs = torch.cat([report["output"] for report in shared])
    torch.testing.assert_close(outputs, one["output"], rtol=1e-12, atol=1e-12)
    for report in shared:
        for name, value in one["state"].items():
            torch.testing.assert_close(report["state"][name], value, rtol=1e-12, atol=1e-12)
        for name, value in one["gradients"].items():
            torch.testing.assert_close(report["gradients"][name], value, rtol=1e-10, atol=1e-12)


def test_digits_are_not_lost_far_from_zero(two: Any) -> None:
    """float32 with a mean of 1000 and a deviation of 1."""
    for report in two:
        torch.testing.assert_close(report["far"], report["far_wanted"], rtol=0, atol=2e-4)


def test_evaluation_uses_the_running_statistics(two: Any) -> None:
    for report in two:
        torch.testing.assert_close(report["evaluated"], report["evaluated_wanted"])


def test_without_sharing_each_process_has_its_own(two: Any) -> None:
    """Another result, but equal weights; and equal running statistics once they are shared."""
    one = run_steps(make_net(), slice(0, 6), 1)
    own = [report["own"] for report in two]
    assert not torch.allclose(torch.cat([r["output"] for r in own]), one["output"], atol=1e-3)
    for name, value in own[0]["state"].items():
        assert torch.equal(value, own[1]["state"][name]), name


def test_names_and_parameters_stay() -> None:
    net = make_net()
    before = {name: id(p) for name, p in net.named_parameters()}, list(net.state_dict())
    share_statistics(net)
    assert ({name: id(p) for name, p in net.named_parameters()}, list(net.state_dict())) == before
    assert not [m for m in net.modules() if type(m) is nn.BatchNorm2d]


def test_one_process_is_left_alone() -> None:
    net = make_net()
    assert wrap_for_processes(net) is net
    assert [m for m in net.modules() if type(m) is nn.BatchNorm2d]


def test_has_batch_norms() -> None:
    assert has_batch_norms(make_net())
    assert not has_batch_norms(make_net().eval())
    assert not has_batch_norms(nn.Conv2d(1, 1, 1))
