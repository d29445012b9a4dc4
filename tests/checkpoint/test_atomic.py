from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sor_ppa.checkpoint.atomic import atomic_open, remove_stale, write_text


@pytest.mark.parametrize("content", [b"", b"x", bytes(range(256)) * 1000])
def test_content_arrives_and_nothing_else_stays(tmp_path: Path, content: bytes) -> None:
    with atomic_open(tmp_path / "a.bin") as file:
        file.write(content)
        assert not (tmp_path / "a.bin").exists()
    assert (tmp_path / "a.bin").read_bytes() == content
    assert os.listdir(tmp_path) == ["a.bin"]


def test_an_error_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_open(tmp_path / "a") as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_write_text_replaces(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "first, and longer")
    write_text(tmp_path / "a", "zweites")
    assert (tmp_path / "a").read_text() == "zweites"


def test_stale_parts_of_dead_processes_go_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        f".model.pth.{dead.pid}.part": False,
        f".model.pth.{os.getppid()}.part": True,  # alive, and not ours
        f".model.pth.{os.getpid()}.part": False,  # ours, left by an earlier failure
        ".notes.part": True,  # not one of our names
        "model.pth": True,
    }
    for name in names:
        (tmp_path / name).touch()
    remove_stale(tmp_path)
    assert {name: (tmp_path / name).exists() for name in names} == names


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_at_any_moment_leaves_one_whole_file(tmp_path: Path) -> None:
    """A child rewrites one file over and over and is killed; every version is one byte repeated."""
    target, rng = tmp_path / "a.bin", random.Random(0)
    with atomic_open(target) as file:
        file.write(b"\0" * 300_000)
    for _ in range(20):
        child = os.fork()
        if child == 0:
            for value in range(1, 256):
                with atomic_open(target) as file:
                    for _ in range(30):
                        file.write(bytes([value]) * 10_000)
            os._exit(0)
        time.sleep(rng.uniform(0.002, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        content = target.read_bytes()
        assert len(content) == 300_000
        assert len(set(content)) == 1
    remove_stale(tmp_path)
    assert os.listdir(tmp_path) == ["a.bin"]
