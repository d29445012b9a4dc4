"""Fixation maps: the networks' time and memory, and how fast maps are scored."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.fixation_metrics import metrics
from benchmarks.fixation_network import memory, network

PARTS = ("network", "memory", "metrics")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The parts that were asked for, in rows of their own columns."""
    parts = args.only or PARTS
    rows = network(args) if "network" in parts else []
    rows += memory(args) if "memory" in parts else []
    return rows + (metrics(args) if "metrics" in parts else [])
