"""Ranking models: images a second and milliseconds a stage."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.machine import Clock, in_own_process, peak_memory_mib

STAGES = ("preprocess", "backbone", "proposals", "heads", "postprocess")
_CONFIGS = ("sor/ppa.yaml", "sor/tiny.yaml")


def run(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Images a second and milliseconds a stage of ranking models."""
    options = {**vars(args), "size": args.size or [480, 640]}
    return [
        row
        for name in args.config_file or _CONFIGS
        for objects in args.objects
        for row in in_own_process(measure_ranker, name, objects, options)
    ]


def measure_ranker(name: str, objects: int, args: dict[str, Any]) -> list[dict[str, Any]]:
    """Times one config, as it is and fused, interleaved in one process."""
    from sor_ppa import model_zoo
    from sor_ppa.modeling.fuse import fuse_for_inference

    torch.set_num_threads(args["threads"])
    torch.manual_seed(0)
    cfg = model_zoo.get_config(name)
    cfg.MODEL.DEVICE = args["device"]
    cfg.MODEL.WEIGHTS = ""
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = 0.0
    cfg.MODEL.FCOS.POST_NMS_TOPK_TEST = objects
    from detectron2.modeling import build_model

    model = build_model(cfg).eval()
    variants = {"plain": model}
    if args["fused"]:
        variants["fused"] = fuse_for_inference(model)
    height, width = args["size"]
    image = torch.randint(0, 255, (3, height, width), dtype=torch.uint8)
    batch = [{"image": image, "height": height, "width": width}]
    times: dict[str, list[dict[str, float]]] = {v: [] for v in variants}
    progress = tqdm(range(args["repeat"] + 2), desc=f"{name}, {objects} objects", leave=False)
    for repeat in progress:
        for variant, network in variants.items():
            stages = time_stages(network, batch, args["device"])
            if repeat >= 2:  # the first two warm up
                times[variant].append(stages)
    return [_row(name, variant, objects, args, values) for variant, values in times.items()]


@torch.inference_mode()
def time_stages(model: Any, batch: list[dict[str, Any]], device: str) -> dict[str, float]:
    """Milliseconds of each stage of one forward pass."""
    clock = Clock(device)
    images = model.preprocess_image(batch)
    clock.lap("preprocess")
    features = model.backbone(images.tensor)
    clock.lap("backbone")
    proposals, _ = model.proposal_generator(images, features, None)
    clock.lap("proposals")
    results, _ = model.roi_heads(images, features, proposals, None)
    clock.lap("heads")
    found = model._postprocess(results, batch, images.image_sizes)
    clock.lap("postprocess")
    clock.laps["found"] = float(len(found[0]["instances"]))
    return clock.laps


def _row(
    name: str,
    variant: str,
    objects: int,
    args: dict[str, Any],
    values: list[dict[str, float]],
) -> dict[str, Any]:
    stages = {s: statistics.median(v[s] for v in values) for s in STAGES}
    total = statistics.median(sum(v[s] for s in STAGES) for v in values)
    row: dict[str, Any] = {
        "config": name,
        "variant": variant,
        "size": "x".join(map(str, args["size"])),
        "objects": objects,
        "images/s": round(1000 / total, 2),
        "total ms": round(total, 1),
    }
    row |= {f"{s} ms": round(stages[s], 1) for s in STAGES}
    return row | {"peak MiB": round(peak_memory_mib(args["device"]))}
