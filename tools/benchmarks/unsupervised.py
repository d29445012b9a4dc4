"""Saliency without labels: training steps against plain ones, networks and CRF a second."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks import plain as slow
from benchmarks.machine import interleaved
from benchmarks.unsupervised_crf import crf

PARTS = ("steps", "inference", "crf")
# A2S sees a batch also at its size plus one of these shares of it: 192, 256, 384, 448 for 320.
_SHARES = (-0.4, -0.2, 0.2, 0.4)
# Most of the plain step's time, and the largest relative difference of a loss or gradient.
_AT_MOST = {"A2S": 0.5, "MIDNet": 0.8}
_DIFFERENCE = 1e-5
_SIZE = (320, 320)

Step = Callable[[], dict[str, torch.Tensor]]
Pair = tuple[tuple[Any, Step], tuple[Any, Step]]


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """The parts that were asked for, in rows of their own columns."""
    parts = args.only or PARTS
    torch.set_num_threads(args.threads)
    rows: list[dict[str, Any]] = []
    if "steps" in parts:
        rows += [steps(name, args) for name in _AT_MOST]
    rows += inference(args) if "inference" in parts else []
    rows += crf(args) if "crf" in parts else []
    return rows


def steps(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """Forward and backward passes of a fresh network and of the plain one with its weights.

    The numbers are compared in float64. In float32 the texture loss has a slope that depends on
    the rounding of nearly equal pixels, so that now and then a gradient moves by 1e-4.
    """
    product = build(name, args.device).train()
    plain = _plain(name).to(args.device).train()
    plain.load_state_dict(product.state_dict())
    inputs = _inputs(name, product, args)
    pairs = _pairs(name, plain, product, inputs, quick=args.quick)
    variants = {
        f"{who} {second}": partial(_learn, network, step)
        for second, pair in pairs.items()
        for who, (network, step) in zip(("plain", "ours"), pair)
    }
    times = interleaved(variants, repeat=args.repeat, title=f"{name}, steps")
    _, single = _largest_differences(pairs)
    precise = [x.double() for x in inputs]
    pairs = _pairs(name, plain.double(), product.double(), precise, quick=args.quick)
    loss, gradient = _largest_differences(pairs)
    ours, theirs = (_mean_of(times, who, pairs) for who in ("ours", "plain"))
    return {
        "step": name,
        "batch": args.batch_size,
        "sizes": " ".join(pairs),
        "plain CPU ms": round(theirs["cpu"]),
        "ours CPU ms": round(ours["cpu"]),
        "wall / plain": round(ours["wall"] / theirs["wall"], 3),
        "CPU / plain": round(ours["cpu"] / theirs["cpu"], 3),
        "at most": _AT_MOST[name],
        "loss differs": f"{loss:.1e}",
        "gradient differs": f"{gradient:.1e}",
        "allowed": f"{_DIFFERENCE:.1e}",
        "in float32": f"{single:.1e}",
    }


def inference(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Pictures a second, from grey levels to maps."""
    from sor_ppa.modeling.fuse import fuse_for_inference

    height, width = size = tuple(args.size or _SIZE)
    items = _items(args.batch_size, size)
    variants: dict[str, Callable[[], Any]] = {}
    for name in ("A2S", "CoRNet", "MIDNet"):
        network = build(name, args.device).eval()
        network = fuse_for_inference(network) if args.fused else network
        variants[name] = partial(torch.inference_mode()(network), items)
    times = interleaved(variants, repeat=args.repeat, title="inference")
    return [
        {
            "network": name,
            "fused": args.fused,
            "batch": args.batch_size,
            "size": f"{height}x{width}",
            "images/s": round(1000 * args.batch_size / laps["wall"], 2),
            "CPU ms an image": round(laps["cpu"] / args.batch_size),
        }
        for name, laps in times.items()
    ]


def build(name: str, device: str) -> Any:  # noqa: ANN401
    """A fresh network on ResNet-50."""
    from detectron2.modeling import build_model

    from sor_ppa import get_cfg

    cfg = get_cfg()
    cfg.MODEL.META_ARCHITECTURE = name
    cfg.MODEL.BACKBONE.NAME = "build_resnet50_maps_backbone"
    cfg.MODEL.BACKBONE.FREEZE_AT = 0
    cfg.MODEL.PIXEL_MEAN = [123.675, 116.28, 103.53]
    cfg.MODEL.PIXEL_STD = [58.395, 57.12, 57.375]
    cfg.MODEL.DEVICE = device
    torch.manual_seed(0)
    return build_model(cfg)


def _plain(name: str) -> Any:  # noqa: ANN401
    return getattr(slow.module(f"tests.modeling.plain_{name.lower()}"), f"Plain{name}")()


def _inputs(name: str, product: Any, args: argparse.Namespace) -> list[torch.Tensor]:  # noqa: ANN401
    """Normalised pictures; for MIDNet also modalities in 0 ... 1 and masks."""
    items = _items(args.batch_size, args.size or _SIZE)
    images = product.preprocess(items)
    if name == "A2S":
        return [images]
    modality = torch.stack([item["modality"] for item in items]).to(images) / 255
    target = torch.stack([(item["image"][:1] > 120).to(images) for item in items])
    return [images, modality, target]


def _pairs(
    name: str,
    plain: Any,  # noqa: ANN401
    product: Any,  # noqa: ANN401
    inputs: Sequence[torch.Tensor],
    *,
    quick: bool,
) -> dict[str, Pair]:
    """By the size (A2S: by what the second size adds): plain network and step, ours and step."""
    images, *others = inputs
    height, width = images.shape[-2:]
    if name != "A2S":
        steps = (partial(plain.step, *inputs), partial(product.losses, *inputs))
        return {f"{height}x{width}": ((plain, steps[0]), (product, steps[1]))}
    added = (round(share * min(height, width)) for share in _SHARES[:: 3 if quick else 1])
    return {
        f"{step:+d}": (
            (plain, partial(plain.step, images, step)),
            (product, partial(product.losses, images, None, step)),
        )
        for step in added
    }


def _items(count: int, size_hw: Sequence[int]) -> list[dict[str, Any]]:
    height, width = size_hw
    pictures = [
        torch.from_numpy(slow.picture(height, width, seed).transpose(2, 0, 1).copy())
        for seed in range(2 * count)
    ]
    pairs = zip(pictures[:count], pictures[count:], strict=True)
    return [{"image": image, "modality": modality} for image, modality in pairs]


def _learn(network: Any, step: Step) -> None:  # noqa: ANN401
    """A step as far as the optimiser."""
    network.zero_grad(set_to_none=True)
    total = torch.stack(list(step().values())).sum()
    total.backward()


def _largest_differences(pairs: dict[str, Pair]) -> tuple[float, float]:
    losses, gradients = zip(*(_differences(*pair) for pair in pairs.values()))
    return max(losses), max(gradients)


def _differences(plain: tuple[Any, Step], ours: tuple[Any, Step]) -> tuple[float, float]:
    """Of the losses, and of the decoder's gradients taken together; both relative."""
    losses, gradients = [], []
    names = [
        n for n, p in ours[0].named_parameters() if n.startswith("decoder") and p.requires_grad
    ]
    for network, step in (plain, ours):
        found = step()
        parameters = dict(network.named_parameters())
        wanted = [parameters[name] for name in names]
        losses.append(torch.stack([value.detach() for value in found.values()]))
        parts = torch.autograd.grad(torch.stack(list(found.values())).sum(), wanted)
        gradients.append(torch.cat([part.flatten() for part in parts]))
    loss, gradient = (float((b - a).norm() / a.norm()) for a, b in (losses, gradients))
    return loss, gradient


def _mean_of(
    times: dict[str, dict[str, float]], who: str, seconds: Iterable[str]
) -> dict[str, float]:
    """Mean over the second sizes, which all come up equally often."""
    laps = [times[f"{who} {second}"] for second in seconds]
    return {kind: sum(lap[kind] for lap in laps) / len(laps) for kind in ("wall", "cpu")}
