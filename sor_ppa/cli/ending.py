"""How programs end: what the user can cure is one line and a status, not a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable

from sor_ppa.errors import SaliencyError


def exit_status(run: Callable[[], int], *, stopped: str = "stopped") -> int:
    """Runs a program.

    Args:
        run: what it does; its result is the exit status.
        stopped: what to say after Ctrl-C.

    Returns:
        that status; 2 after an error that the user can cure (it is printed), 130 after Ctrl-C.
    """
    try:
        return run()
    except (SaliencyError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{stopped}\n")
        return 130


#: Of programs that keep what is finished.
GOES_ON = "stopped; the same command goes on from here"
