"""Randomness as a pure function of numbers that a checkpoint knows.

Before every step and before every sample all generators are seeded from (run seed, what, which).
Nothing random is carried from one step to the next, so a run that was killed and resumed draws
exactly what it would have drawn, whatever the number of loader workers.
"""

from __future__ import annotations

import random

import numpy as np
import torch

# Second number of the seed: keeps the streams of different uses apart.
INITIALISATION = 0
STEP = 1
SAMPLE = 2


def seed_everything(*numbers: int) -> None:
    """Seeds Python, NumPy and PyTorch (every device) from non-negative numbers."""
    words = np.random.SeedSequence(numbers).generate_state(8)
    np.random.seed(words[:4])
    low, high, python = (int(word) for word in words[4:7])
    torch.manual_seed(low | high << 32 & 0x7FFF_FFFF_0000_0000)
    random.seed(python)
