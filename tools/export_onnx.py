"""Writes a network of dense saliency or fixations as an ONNX file, checked against PyTorch.

    python tools/export_onnx.py --config-file inspyrenet/tiny.yaml --output tiny.onnx
    python tools/export_onnx.py --config-file msinet/tiny.yaml --output fixation.onnx --half
    python tools/export_onnx.py --config-file inspyrenet/swinb.yaml --output swinb.onnx \
        --size 384 384 MODEL.WEIGHTS swinb.safetensors

Height and width may be any multiples of 32 (fixations: of 8), or with --size only these. The file
runs in any ONNX runtime: normalised RGB in, a map 0 ... 1 out (see sor_ppa/export.py). With --half
the weights take half the bytes (for browsers and telephones) and are rounded to float16: maps then
move by up to 1e-2 here and there (measured: 2e-4 to 1e-3), instead of 1e-4.
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

LARGEST_DIFFERENCE, LARGEST_HALF_DIFFERENCE = 1e-4, 1e-2
# By the step that sides are multiples of.
_CHECKED_SIZES = {
    32: ((96, 160), (384, 384), (320, 256)),
    8: ((48, 64), (120, 168), (360, 240), (240, 320)),
}


def main(argv: list[str] | None = None) -> int:
    """Runs the tool; returns its exit status: 1 = the numbers differ, 2 = no file."""
    args = _parser().parse_args(argv)
    try:
        difference = _export(args)
    except SaliencyError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"Largest difference from PyTorch: {difference:.1e}")
    largest = LARGEST_HALF_DIFFERENCE if args.half else LARGEST_DIFFERENCE
    if difference > largest:
        print(f"That is more than {largest:.0e}: do not use it.", file=sys.stderr)
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
        "--dynamic", action="store_true", help="any multiples of 32 or 8 (the default)"
    )
    parser.add_argument("--half", action="store_true", help="weights as float16: half the bytes")
    parser.add_argument(
        "--allow-pickle", action="store_true", help="open weights that are a pickle"
    )
    parser.add_argument("opts", nargs="*", help="config changes: KEY VALUE KEY VALUE ...")
    return parser


def _export(args: argparse.Namespace) -> float:
    cfg = inference_config(args.config_file, args.opts, device="cpu")
    model = Predictor(cfg, allow_pickle=args.allow_pickle).model
    args.output.parent.mkdir(parents=True, exist_ok=True)
    export_onnx(
        cfg, args.output, model=model, size_hw=args.size, half=args.half, name=args.config_file
    )
    file = OnnxFile(args.output)
    size = file.size_hw
    words = f"any multiples of {file.size_step}" if size is None else "{} x {}".format(*size)
    print(f"Wrote {args.output}: {args.output.stat().st_size / 2**20:.1f} MiB, takes {words}")
    return compare(
        cfg, args.output, [size] if size else _CHECKED_SIZES[file.size_step], model=model
    )


if __name__ == "__main__":
    sys.exit(main())
