"""Peak memory of one 4K picture."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from benchmarks import plain as slow
from benchmarks.machine import in_own_process, peak_memory_mib

_FOUR_K, _FULL_HD = (2160, 3840), (1080, 1920)


def memory(name: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Of the plain network and of ours, each in a process of its own; Swin-B blends two sizes."""
    size = _FULL_HD if args.quick else _FOUR_K
    peaks = {v: in_own_process(measure, name, v, size) for v in ("plain", "eager, fused")}
    return [
        {
            "network": name,
            "variant": variant,
            "picture": "x".join(map(str, size)),
            "input": peak["input"],
            "peak MiB": round(peak["peak"]),
            "of it loaded": round(peak["loaded"]),
            "peak / plain": round(peak["peak"] / peaks["plain"]["peak"], 3),
            "at most": 1.1 if variant != "plain" else "",
        }
        for variant, peak in peaks.items()
    ]


@torch.inference_mode()
def measure(name: str, variant: str, size_hw: tuple[int, int]) -> dict[str, Any]:
    """MiB at most for one picture; runs in a new process, with the network of one variant only."""
    from sor_ppa.engine.predictor import Predictor

    plain, product = slow.pair(name)
    cfg = slow.config(name, (384, 384))
    if name != "res2net50":  # as published: dynamic size, blended
        cfg.INPUT.DENSE.TEST_RESIZE = "dynamic"
        cfg.INPUT.DENSE.BLEND_ABOVE = 512
    own = variant != "plain"
    predictor = Predictor(cfg, model=product, fused=own)
    del product
    plain = None if own else plain
    picture = slow.picture(*size_hw)
    loaded = peak_memory_mib("cpu")
    if own:
        prepared = predictor.prepare(picture[:, :, ::-1])
        predictor.predict([prepared])
    else:
        prepared = predictor.prepare(picture[:, :, ::-1])
        _plain_prediction(plain, prepared)
    shape = "x".join(map(str, prepared["image"].shape[1:]))
    return {"peak": peak_memory_mib("cpu"), "loaded": loaded, "input": shape}


def _plain_prediction(plain: Any, prepared: dict[str, Any]) -> torch.Tensor:  # noqa: ANN401
    """What the reference does with the same inputs."""
    from tests.modeling.plain_inspyrenet import normalise
    from tests.modeling.plain_pyramid import bilinear

    large, small = (
        normalise(prepared[key].permute(1, 2, 0).numpy()) if key in prepared else None
        for key in ("image", "image_lr")
    )
    maps = plain(large) if small is None else plain.blend(small, large)
    return bilinear(maps["pred"], (prepared["height"], prepared["width"]), corners=True)
