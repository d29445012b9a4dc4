"""The ffmpeg program: where it is, what it can do, and the words to say to it."""

from __future__ import annotations

import functools
import logging
import os
import re
import shutil
import subprocess
from fractions import Fraction
from typing import Any

logger = logging.getLogger(__name__)

INSTALL_HINT = "install ffmpeg, or `pip install imageio-ffmpeg`"
_AUDIO = re.compile(r"Stream #.*: Audio: (\w+)")
# Sound is copied where the container takes it as it is, and encoded anew elsewhere.
_COPIED = {
    ".mp4": {"aac", "mp3", "ac3", "alac", "opus"},
    ".mov": {"aac", "mp3", "ac3", "alac", "pcm_s16le", "pcm_s24le"},
    ".webm": {"opus", "vorbis"},
}
_VP9 = "-c:v libvpx-vp9 -crf 24 -b:v 0 -deadline good -cpu-used 4 -row-mt 1"
_VIDEO_WORDS = {
    ("mov", False): "-c:v prores_ks -profile:v 4 -pix_fmt yuv444p10le",
    ("mov", True): "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le -alpha_bits 16",
    ("webm", False): f"{_VP9} -pix_fmt yuv420p",
    ("webm", True): f"{_VP9} -auto-alt-ref 0 -pix_fmt yuva420p",
}


@functools.lru_cache(maxsize=1)
def find_ffmpeg() -> str | None:
    """Path of the system's ffmpeg, or of the one in ``imageio-ffmpeg``; None without either."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


@functools.lru_cache(maxsize=4)
def _encoders(ffmpeg: str) -> str:
    return _said([ffmpeg, "-hide_banner", "-encoders"])


def encode_command(
    ffmpeg: str, path: str, *, kind: str, pixels: str, size_hw: tuple[int, int], fps: float
) -> list[str]:
    """Raw frames from standard input into a silent video.

    Args:
        ffmpeg: the program.
        path: the file to write.
        kind: "mp4", "mov" (ProRes 4444) or "webm" (VP9).
        pixels: the frames' format: "gray", "bgr24" or "bgra" (its alpha is kept).
        size_hw: height and width.
        fps: frames a second.
    """
    height, width = size_hw
    rate = str(Fraction(fps).limit_denominator(1001))
    frames = ["-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{width}x{height}", "-r", rate]
    words = _VIDEO_WORDS.get((kind, pixels == "bgra")) or _mp4_words(ffmpeg, size_hw)
    start = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y"]
    return [*start, *frames, "-i", "pipe:0", *words.split(), "-an", f"file:{path}"]


def _mp4_words(ffmpeg: str, size_hw: tuple[int, int]) -> str:
    # H.264 with the usual chroma has even sides only; MPEG-4 takes any.
    even = size_hw[0] % 2 == 0 and size_hw[1] % 2 == 0
    if even and "libx264 " in _encoders(ffmpeg):
        return "-c:v libx264 -preset veryfast -crf 18 -pix_fmt yuv420p"
    return "-c:v mpeg4 -q:v 2 -pix_fmt yuv420p"


def sound_codec(ffmpeg: str, path: str) -> str | None:
    """Name of the first sound track's codec ("aac", "vorbis" ...); None without sound."""
    found = _AUDIO.search(_said([ffmpeg, "-hide_banner", *_input(path)]))
    return found[1] if found else None


def add_sound(ffmpeg: str, video: str, sound_of: str, target: str, *, seconds: float) -> bool:
    """Writes ``target`` with the pictures of one file and the sound of another.

    Returns:
        False, with a warning, when there is no sound or it cannot be taken over; then ``target``
        does not exist.
    """
    codec = sound_codec(ffmpeg, sound_of)
    if codec is None:
        return False
    suffix = os.path.splitext(target)[1]
    made = "libopus" if suffix == ".webm" else "aac"
    words = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y", *_input(video), *_input(sound_of)]
    words += ["-map", "0:v", "-map", "1:a:0", "-c:v", "copy", "-t", f"{seconds:.6f}"]
    words += ["-c:a", "copy" if codec in _COPIED.get(suffix, ()) else made]
    done = _run([*words, f"file:{target}"])
    if done.returncode == 0:
        return True
    logger.warning("%s: its sound (%s) cannot be kept: %s", sound_of, codec, last_line(done.stderr))
    if os.path.isfile(target):
        os.remove(target)
    return False


def last_line(text: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def detached() -> dict[str, Any]:
    """Arguments for ``subprocess`` that keep a Ctrl-C meant for us away from ffmpeg."""
    if os.name == "nt":  # pragma: no cover - Windows
        return {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    return {"start_new_session": True}


def _input(path: str) -> list[str]:
    # A video is data: a playlist in disguise must not make ffmpeg fetch other files or addresses.
    return ["-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]


def _said(command: list[str]) -> str:
    done = _run(command)
    return done.stdout + done.stderr


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, stdin=subprocess.DEVNULL, check=False,
        text=True, errors="replace", **detached(),
    )  # fmt: skip
