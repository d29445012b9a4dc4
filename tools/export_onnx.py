"""Writes a dense saliency network as an ONNX file and checks it against PyTorch.

    python tools/export_onnx.py --config-file inspyrenet/tiny.yaml --output tiny.onnx
    python tools/export_onnx.py --config-file inspyrenet/swinb.yaml --output swinb.onnx \
        --size 384 384 MODEL.WEIGHTS swinb.safetensors

Height and width may be any multiples of 32, or with --size only these. The file runs in any ONNX
runtime: normalised RGB in, saliency 0 ... 1 out (see sor_ppa/export.py).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.engine.predictor import Predictor
from sor_ppa.errors import SaliencyError
from sor_ppa.export import compare, export_onnx

LARGEST_DIFFERENCE = 1e-4
_CHECKED_SIZES = ((96, 160), (384, 384), (320, 256))


def main(argv: list[str] | None = None) -> int:
    """Runs the tool; returns its exit status: 1 = the numbers differ, 2 = no file."""
    args = _parser().parse_args(argv)
    try:
        difference = _export(args)
    except SaliencyError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"Largest difference from PyTorch: {difference:.1e}")
    if difference > LARGEST_DIFFERENCE:
        print(f"That is more than {LARGEST_DIFFERENCE:.0e}: do not use it.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", required=True, help="path, or name below configs/")
    parser.add_argument("--output", required=True, type=Path, help="file to write (.onnx)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--size", nargs=2, type=int, metavar=("H", "W"), help="take this size only")
    size.add_argument(
        "--dynamic", action="store_true", help="any multiples of 32 (the default, for clarity)"
    )
    parser.add_argument(
        "--allow-pickle", action="store_true", help="open weights that are a pickle"
    )
    parser.add_argument("opts", nargs="*", help="config changes: KEY VALUE KEY VALUE ...")
    return parser


def _export(args: argparse.Namespace) -> float:
    cfg = inference_config(args.config_file, args.opts, device="cpu")
    model = Predictor(cfg, allow_pickle=args.allow_pickle).model
    args.output.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(cfg, args.output, model=model, size_hw=args.size, name=args.config_file)
    size = OnnxFile(args.output).size_hw
    words = "any multiples of 32" if size is None else "{} x {}".format(*size)
    print(f"Wrote {args.output}: {args.output.stat().st_size / 2**20:.0f} MiB, takes {words}")
    return compare(cfg, args.output, [size] if size else _CHECKED_SIZES, model=model)


if __name__ == "__main__":
    sys.exit(main())
