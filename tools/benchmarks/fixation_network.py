"""Fixation networks: time and numbers against the plain MSI-Net, or their own eager pass."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks import plain as slow
from benchmarks.machine import in_own_process, interleaved, peak_memory_mib

CONFIGS = ("msinet/salicon.yaml", "msinet/tiny.yaml")
# Most of the plain network's time.
_BAR = 1.0
# Largest difference of a map's value.
_DIFFERENCES = {"eager": 1e-5, "eager, fused": 1e-5, "onnx": 1e-4}


def network(args: argparse.Namespace) -> list[dict[str, Any]]:
    """From a uint8 picture of the canvas's size to its map, every variant in turn, same weights."""
    rows: list[dict[str, Any]] = []
    for config in args.config_file or CONFIGS:
        rows += _speed(config, args)
    return rows


def memory(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Most memory of a process that maps one picture."""
    rows = []
    for config in args.config_file or CONFIGS:
        peak = in_own_process(_peak, config, args.threads)
        rows.append({"memory of": config, "whole process": f"{peak:.0f} MiB"})
    return rows


def _peak(config: str, threads: int) -> float:
    torch.set_num_threads(threads)
    predictor = _predictor(config)
    predictor(slow.picture(*predictor.model.canvas.size_hw)[:, :, ::-1])
    return peak_memory_mib("cpu")


def _predictor(config: str, **options: Any) -> Any:  # noqa: ANN401
    from sor_ppa import model_zoo
    from sor_ppa.engine.predictor import Predictor

    cfg = model_zoo.get_config(config)
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    return Predictor(cfg, **options)


@torch.inference_mode()
def _speed(config: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    torch.set_num_threads(args.threads)
    outputs: dict[str, torch.Tensor] = {}
    with tempfile.TemporaryDirectory() as temporary:
        variants = _variants(config, Path(temporary) / "network.onnx", args)

        def keeping(variant: str) -> Callable[[], None]:
            return lambda: outputs.update({variant: variants[variant]()})

        calls = {variant: keeping(variant) for variant in variants}
        times = interleaved(calls, repeat=args.repeat, title=config)
    first = next(iter(variants))
    return [_row(config, variant, first, times, outputs) for variant in variants]


def _variants(
    config: str, path: Path, args: argparse.Namespace
) -> dict[str, Callable[[], torch.Tensor]]:
    """Functions from nothing to the (H, W) map of one picture; the first is compared with."""
    eager = _predictor(config)
    size = tuple(args.size or eager.model.canvas.size_hw)
    rgb = slow.picture(*size)
    bgr = rgb[:, :, ::-1]
    variants: dict[str, Callable[[], torch.Tensor]] = {}
    if eager.model.in_features[0] == "pool3":
        variants["plain"] = _plain(eager.model, rgb)

    def add(variant: str, predictor: Any) -> None:  # noqa: ANN401
        variants[variant] = lambda: predictor(bgr)["fixation"]

    add("eager", eager)
    add("eager, fused", _predictor(config, model=eager.model, fused=True))
    if args.onnx:
        add("onnx", _predictor(config, model=_onnx(eager, path, args)))
    return variants


def _plain(product: Any, rgb: Any) -> Callable[[], torch.Tensor]:  # noqa: ANN401
    """The network layer by layer, on a picture that needs no resizing."""
    state = {name: value.contiguous() for name, value in product.state_dict().items()}
    product.pixel_mean.copy_(torch.tensor(_module().MEAN))
    plain = _module().PlainMSINet(state)
    return lambda: plain(torch.from_numpy(rgb.transpose(2, 0, 1).copy()).float()[None])[0, 0]


def _module() -> Any:  # noqa: ANN401
    return slow.module("tests.modeling.plain_msinet")


def _onnx(eager: Any, path: Path, args: argparse.Namespace) -> Any:  # noqa: ANN401
    from sor_ppa.engine.onnx_backend import OnnxMSINet
    from sor_ppa.export import export_onnx

    export_onnx(eager.cfg, path, model=eager.model)
    return OnnxMSINet(path, canvas=eager.model.canvas, threads=args.threads)


def _row(
    config: str,
    variant: str,
    first: str,
    times: dict[str, dict[str, float]],
    outputs: dict[str, torch.Tensor],
) -> dict[str, Any]:
    own, base = times[variant], times[first]
    row: dict[str, Any] = {
        "network": config,
        "variant": variant,
        "size": "x".join(map(str, outputs[variant].shape)),
        "wall ms": round(own["wall"]),
        "CPU ms": round(own["cpu"]),
        "compared with": first,
        "wall ratio": round(own["wall"] / base["wall"], 3),
        "CPU ratio": round(own["cpu"] / base["cpu"], 3),
        "at most": _BAR if first == "plain" else "",
    }
    if variant != first:
        difference = float((outputs[variant] - outputs[first]).abs().max())
        row |= {"max difference": f"{difference:.1e}", "allowed": f"{_DIFFERENCES[variant]:.1e}"}
    return row
