"""How programs end."""

from __future__ import annotations

import pytest

from sor_ppa.cli.ending import exit_status
from sor_ppa.errors import ConfigError


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (None, 0, ""),
        (ConfigError("no such key"), 2, "error: no such key\n"),
        (PermissionError(13, "Permission denied", "a.png"), 2, "a.png"),
        (KeyboardInterrupt(), 130, "\ngo on with --resume\n"),
    ],
)
def test_status_and_last_words(
    error: BaseException | None, status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> int:
        if error is not None:
            raise error
        return 0

    assert exit_status(run, stopped="go on with --resume") == status
    assert text in capsys.readouterr().err


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: 1 // 0)
