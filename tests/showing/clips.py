"""Videos with sound, made and looked at with the real ffmpeg."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sor_ppa.showing import ffmpeg


def program() -> str:
    """ffmpeg, or the test is skipped."""
    found = ffmpeg.find_ffmpeg()
    if found is None:
        pytest.skip("no ffmpeg: pip install imageio-ffmpeg")
    return found


def clip_with_sound(
    path: Path, *, seconds: float = 1.0, size: str = "64x48", words: str = ""
) -> Path:
    """A moving test picture, 10 frames a second, with a tone."""
    command = [
        program(), "-loglevel", "error", "-y",
        "-f", "lavfi", "-i", f"testsrc=size={size}:rate=10:duration={seconds}",
        "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}",
        *words.split(), str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def streams(path: Path | str) -> str:
    """What ffmpeg says about the tracks of a file."""
    done = subprocess.run(
        [program(), "-hide_banner", "-i", str(path)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    return "\n".join(line for line in done.stderr.splitlines() if "Stream #" in line)


def sound_seconds(path: Path | str) -> float:
    """Length of the sound track in seconds; 0 without one."""
    command = [
        program(), "-loglevel", "error", "-i", str(path), "-map", "0:a?", "-ac", "1",
        "-ar", "8000", "-f", "s16le", "-",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    return len(done.stdout) / 2 / 8000


def frames_bgra(path: Path | str, size_hw: tuple[int, int]) -> np.ndarray:
    """All frames with their alpha, uint8 (N, H, W, 4)."""
    # The native VP9 decoder drops alpha.
    decoder = ["-c:v", "libvpx-vp9"] if str(path).endswith(".webm") else []
    command = [
        program(), "-loglevel", "error", *decoder, "-i", str(path), "-f", "rawvideo",
        "-pix_fmt", "bgra", "-",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    return np.frombuffer(done.stdout, np.uint8).reshape(-1, *size_hw, 4)


def video_codec(path: Path | str) -> str:
    """ "h264", "prores" ..."""
    found = re.search(r"Video: (\w+)", streams(path))
    return found[1] if found else ""
