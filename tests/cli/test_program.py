from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sor_ppa.data.image_io import write_image

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("program", [["-m", "sor_ppa.cli", "saliency"], ["demo/demo.py"]])
def test_the_small_network_as_a_program(tmp_path: Path, program: list[str]) -> None:
    """The real network with random weights, in a process of its own, run from elsewhere."""
    if program == ["demo/demo.py"]:
        program = [str(ROOT / "demo/demo.py"), "--task", "saliency"]
    image = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
    write_image(tmp_path / "in.png", image)
    arguments = ["-i", "in.png", "-d", "out", "--type", "map", "rgba", "pyramid"]
    done = subprocess.run(
        [sys.executable, *program, *arguments, "--opts", "MODEL.WEIGHTS", ""],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "random weights" in done.stderr and "Warning" not in done.stderr
    assert cv2.imread(str(tmp_path / "out/in_map.png"), -1).shape == (97, 131)
    assert cv2.imread(str(tmp_path / "out/in_rgba.png"), -1).shape == (97, 131, 4)
    assert (tmp_path / "out/in_pyramid.png").is_file()
