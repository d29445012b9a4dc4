"""The project's own exceptions.

Every one of them is meant to be read by the person at the keyboard: its text names the file or
key, the value that was found and what to do about it. Command-line programs print the text of a
:class:`SaliencyError` without a traceback and exit with status 2.
"""

from __future__ import annotations

from collections.abc import Sequence


class SaliencyError(Exception):
    """Base of all errors that the user can cure."""


class ConfigError(SaliencyError, ValueError):
    """A config key has a value that cannot work."""


class ImageError(SaliencyError, OSError):
    """A picture cannot be read or written."""


class CheckpointError(SaliencyError, RuntimeError):
    """A weights file cannot be loaded, or must not be."""


class DataError(SaliencyError, ValueError):
    """One or more faults in a data set, all of them listed.

    Args:
        problems: one line a fault, each naming file and field.
        what: what was being read, for the headline.
        shown: how many lines the message prints; ``problems`` keeps them all.
    """

    def __init__(self, problems: Sequence[str], *, what: str = "data set", shown: int = 20) -> None:
        self.problems = list(problems)
        lines = [f"{len(self.problems)} problem(s) in {what}:"]
        lines += [f"  - {problem}" for problem in self.problems[:shown]]
        if len(self.problems) > shown:
            lines.append(f"  ... and {len(self.problems) - shown} more")
        super().__init__("\n".join(lines))
