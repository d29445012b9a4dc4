from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sor_ppa.checkpoint import SaliencyCheckpointer, convert_file, read_safetensors
from sor_ppa.checkpoint.conversion import shrink
from sor_ppa.errors import CheckpointError
from tests.checkpoint.conftest import Net


@pytest.mark.parametrize("half", [False, True])
def test_round_trip(net: Net, weights: Path, tmp_path: Path, half: bool) -> None:
    out = str(tmp_path / "out.safetensors")
    result, _ = convert_file(
        str(weights), out, model_state=net.state_dict(), config="sor/x.yaml", half=half
    )
    payload = read_safetensors(out)
    assert payload["__metadata__"] == {
        "format": "sor_ppa",
        "config": "sor/x.yaml",
        "source": "unknown",
    }
    kinds = {v.dtype for v in payload["model"].values() if v.ndim > 1}
    assert kinds == {torch.float16 if half else torch.float32}
    assert result.complete
    SaliencyCheckpointer(net, strict=True).load(out)
    expected = torch.load(weights, weights_only=True)["model"]
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3 if half else 0, atol=1e-6)


def test_what_does_not_fit_is_not_written(tmp_path: Path) -> None:
    torch.save({**Net(classes=80).state_dict(), "extra": torch.ones(1)}, tmp_path / "w.pth")
    out = str(tmp_path / "out.safetensors")
    result, _ = convert_file(str(tmp_path / "w.pth"), out, model_state=Net().state_dict())
    written = read_safetensors(out)["model"]
    assert "extra" not in written
    assert not [name for name in written if name.startswith("roi_heads")]
    assert len(result.misfits) == 2


def test_without_a_network_everything_useful_is_written(weights: Path, tmp_path: Path) -> None:
    result, _ = convert_file(str(weights), str(tmp_path / "out.safetensors"))
    assert list(result.dropped) == ["backbone.1.num_batches_tracked"]
    assert set(result.kept) == set(Net().state_dict()) - set(result.dropped)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (torch.ones(2, 2), torch.float16),
        (torch.ones(2), torch.float32),
        (torch.zeros(0, 2), torch.float32),
        (torch.full((2, 2), 70000.0), torch.float32),
        (torch.ones(2, 2, dtype=torch.int64), torch.int64),
    ],
)
def test_only_matrices_that_fit_shrink(value: torch.Tensor, dtype: torch.dtype) -> None:
    assert shrink(value).dtype == dtype


def test_bad_places(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"name it \*\.safetensors"):
        convert_file(str(weights), str(tmp_path / "out.pth"))
    same = tmp_path / "w.safetensors"
    convert_file(str(weights), str(same))
    with pytest.raises(CheckpointError, match="choose another name"):
        convert_file(str(same), str(same))
