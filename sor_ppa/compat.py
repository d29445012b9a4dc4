"""The only place that knows which detectron2 and which machine the code runs on.

The code runs on detectron2 0.5, 0.6 and the main branch (which still calls itself 0.6). Whatever
must branch on the version does it with the names below, and nowhere else.
"""

from __future__ import annotations

import functools
import logging
import re
from pathlib import Path

import detectron2
import torch
from detectron2.utils import comm

_logger = logging.getLogger(__name__)


def _release(version: str) -> tuple[int, int]:
    """``(major, minor)`` of a version string; ``(0, 0)`` when it has none."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _is_main(package: Path) -> bool:
    """Whether a detectron2 package folder is newer than the tag v0.6 (which had no ViT yet)."""
    return (package / "modeling" / "backbone" / "vit.py").is_file()


_PACKAGE = Path(detectron2.__file__).parent

# (major, minor) of the installed detectron2.
DETECTRON2_VERSION: tuple[int, int] = _release(detectron2.__version__)
# True on the main branch after 0.6, which its version number does not tell.
is_main: bool = _is_main(_PACKAGE)


def detectron2_name() -> str:
    """The installed detectron2 in words, for logs and results: ``"0.5"`` or ``"0.6 (main)"``."""
    return f"{detectron2.__version__}{' (main)' if is_main else ''}"


def available_device(device: str) -> str:
    """``device``, or ``"cpu"`` with one log line when it names CUDA and there is none.

    Args:
        device: as in ``cfg.MODEL.DEVICE``: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        _log_once(f"No CUDA device here: running on the CPU instead of {device!r}.")
        return "cpu"
    return device


@functools.cache
def _log_once(message: str) -> None:
    _logger.info(message)


def create_local_process_group(processes: int) -> None:
    """Tells detectron2 which processes share this machine; every process must call it.

    The default process group must exist. main has a function for it, 0.5 and 0.6 a module variable
    that their own launcher sets.

    Args:
        processes: number of processes per machine.
    """
    if is_main:
        comm.create_local_process_group(processes)
        return
    for first in range(0, comm.get_world_size(), processes):
        ranks = list(range(first, first + processes))
        group = torch.distributed.new_group(ranks)
        if comm.get_rank() in ranks:
            comm._LOCAL_PROCESS_GROUP = group
