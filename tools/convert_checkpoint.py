"""Turns a weights file into ours: safetensors, our names, nothing that could run.

    python tools/convert_checkpoint.py published.pth sor_ppa_v39.safetensors --config sor/ppa.yaml
    python tools/convert_checkpoint.py output/model_final.pth tiny.safetensors --half \
        --config sor/tiny.yaml
    python tools/convert_checkpoint.py moco_v2_200ep_pretrain.pth.tar encoder.safetensors
    python tools/convert_checkpoint.py model_salicon_cpu.pb msinet.safetensors \
        --config msinet/salicon.yaml

Reads published checkpoints of SOR, CenterMask2, InSPyReNet, A2S, CoRNet and MIDNet, encoders of
MoCo, torchvision and timm, MSI-Net's frozen graphs, SavedModels and TensorFlow checkpoints,
detectron2's Mask R-CNN .pkl (with --allow-pickle) and checkpoints of tools/train_net.py. What a
file is, it tells itself.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

from detectron2.modeling import build_model
from tabulate import tabulate
from torch import Tensor

from sor_ppa.checkpoint import convert_file
from sor_ppa.checkpoint.fit import Fit, group_name
from sor_ppa.checkpoint.tensorflow import find_tensorflow
from sor_ppa.engine.setup import load_config
from sor_ppa.errors import SaliencyError


def main(argv: list[str] | None = None) -> int:
    """Runs the tool; returns its exit status."""
    args = _parser().parse_args(argv)
    try:
        result, source = convert_file(
            args.src,
            args.dst,
            model_state=_model_state(args.config) if args.config else None,
            config=args.config,
            half=args.half,
            allow_pickle=args.allow_pickle,
        )
    except SaliencyError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{args.src} is {source.title}.\n")
    print(tabulate(_rows(result), headers=["tensors", "count", "numbers", ""]))
    print(f"\nWrote {args.dst}: {len(result.kept)} tensors.")
    for path in (find_tensorflow(args.src), args.dst):
        print(f"SHA-256 {_sha256(path)}  {path}")
    if result.missing:
        print(f"{len(result.missing)} tensors of {args.config} are not in it.")
    return 0


def _sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "src", help="file to read (.pth, .pt, .bin, .safetensors, .pkl, .pb, .index), or SavedModel"
    )
    parser.add_argument("dst", help="file to write (.safetensors)")
    parser.add_argument("--config", default="", help="keep only what fits this config's network")
    parser.add_argument("--half", action="store_true", help="float16 for matrices and kernels")
    parser.add_argument(
        "--allow-pickle", action="store_true", help="open a pickle: it can run any code"
    )
    return parser


def _model_state(config: str) -> dict[str, Tensor]:
    cfg = load_config(config)
    cfg.MODEL.DEVICE = "cpu"
    return build_model(cfg).state_dict()


def _rows(result: Fit) -> list[tuple[str, int, int | None, str]]:
    """One row a group of tensors with the same fate."""
    counts: Counter[tuple[str, str]] = Counter()
    numbers: Counter[tuple[str, str]] = Counter()
    for name, value in result.kept.items():
        counts[group_name(name), "kept"] += 1
        numbers[group_name(name), "kept"] += value.numel()
    counts.update((group_name(m.name), f"dropped: {m.why}") for m in result.misfits)
    counts.update((group_name(n), "dropped: not in this network") for n in result.unexpected)
    for why in dict.fromkeys(result.dropped.values()):  # one row a reason, however many names
        names = [name for name, reason in result.dropped.items() if reason == why]
        rest = ", ..." if len(names) > 1 else ""
        counts[names[0] + rest, f"dropped: {why}"] = len(names)
    return [(group, n, numbers.get((group, fate)), fate) for (group, fate), n in counts.items()]


if __name__ == "__main__":
    sys.exit(main())
