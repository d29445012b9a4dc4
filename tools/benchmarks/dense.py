"""Dense saliency: time, memory and numbers against the plain network, and whole folders."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import plain as slow
from benchmarks.dense_folder import folder
from benchmarks.dense_memory import memory
from benchmarks.machine import interleaved

PARTS = ("speed", "memory", "folder")
# Most of the plain network's time, by network and variant.
_BARS = {
    ("res2net50", "eager, fused"): 0.75,
    ("swinb", "eager, fused"): 0.9,
    ("res2net50", "onnx"): 0.5,
    ("swinb", "onnx"): 0.5,
}
# Largest difference of a probability.
_DIFFERENCES = {"eager": 1e-5, "eager, fused": 1e-5, "onnx": 1e-4, "bf16": 2 / 255}


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The parts that were asked for, in rows of their own columns."""
    parts = args.only or PARTS
    rows: list[dict[str, Any]] = []
    for name in args.networks:
        rows += speed(name, args) if "speed" in parts else []
        rows += memory(name, args) if "memory" in parts else []
    rows += folder(args) if "folder" in parts else []
    return rows


@torch.inference_mode()
def speed(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """From a uint8 picture of 384 x 384 to its map: every variant in turn, same weights."""
    torch.set_num_threads(args.threads)
    size = tuple(args.size or (384, 384))
    plain, product = slow.pair(name)
    outputs: dict[str, torch.Tensor] = {}
    with tempfile.TemporaryDirectory() as temporary:
        variants = _variants(name, plain, product, size, Path(temporary), args)

        def keeping(variant: str) -> Callable[[], None]:
            return lambda: outputs.update({variant: variants[variant]()})

        calls = {variant: keeping(variant) for variant in variants}
        times = interleaved(calls, repeat=args.repeat, title=f"{name}, speed")
    return [
        _row(name, variant, size, times, float((outputs[variant] - outputs["plain"]).abs().max()))
        for variant in variants
    ]


def _variants(
    name: str,
    plain: Any,  # noqa: ANN401
    product: Any,  # noqa: ANN401
    size: tuple[int, ...],
    temporary: Path,
    args: argparse.Namespace,
) -> dict[str, Callable[[], torch.Tensor]]:
    """Functions from nothing to the (H, W) map of one picture."""
    from sor_ppa.engine.predictor import Predictor
    from tests.modeling.plain_inspyrenet import normalise

    height, width = size
    rgb = slow.picture(height, width)
    bgr = rgb[:, :, ::-1]
    cfg = slow.config(name, (height, width))
    variants = {"plain": lambda: plain(normalise(rgb))["pred"][0, 0]}

    def add(variant: str, **options: Any) -> None:
        predictor = Predictor(cfg, **options)
        variants[variant] = lambda: predictor(bgr)["saliency"]

    if not args.quick:
        add("eager", model=product)
        add("bf16", model=product, fused=True, half=True)
    add("eager, fused", model=product, fused=True)
    if args.onnx:
        add("onnx", model=_onnx(cfg, product, temporary / "network.onnx", args))
    return variants


def _onnx(cfg: Any, product: Any, path: Path, args: argparse.Namespace) -> Any:  # noqa: ANN401
    from sor_ppa.engine.onnx_backend import OnnxInSPyReNet
    from sor_ppa.export import export_onnx

    export_onnx(cfg, path, model=product, dynamic=not args.quick)
    return OnnxInSPyReNet(path, threads=args.threads)


def _row(
    name: str,
    variant: str,
    size: tuple[int, ...],
    times: dict[str, dict[str, float]],
    difference: float,
) -> dict[str, Any]:
    own, plain = times[variant], times["plain"]
    row: dict[str, Any] = {
        "network": name,
        "variant": variant,
        "size": "x".join(map(str, size)),
        "wall ms": round(own["wall"]),
        "CPU ms": round(own["cpu"]),
        "wall / plain": round(own["wall"] / plain["wall"], 3),
        "CPU / plain": round(own["cpu"] / plain["cpu"], 3),
        "at most": _BARS.get((name, variant), ""),
    }
    if variant != "plain":
        row |= {"max difference": f"{difference:.1e}", "allowed": f"{_DIFFERENCES[variant]:.1e}"}
    return row
