"""Builds the browser page: its files, ONNX Runtime Web and exported networks, in one folder.

    make browser-demo
    python demo/browser/build_page.py --config-file msinet/salicon.yaml MODEL.WEIGHTS mine.pth

The first line does everything with the bundled networks. Any static web server can serve the
folder (demo/browser/dist); nothing in it asks for anything outside. A network is exported again
only when its config or weights have changed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.checkpoint.atomic import atomic_open
from sor_ppa.engine.inference_config import inference_config
from sor_ppa.engine.onnx_backend import fingerprint
from sor_ppa.engine.onnx_file import OnnxFile
from sor_ppa.errors import ConfigError, SaliencyError
from sor_ppa.export import export_onnx
from sor_ppa.exporting.graphs import FIXATION_FORMAT, PYRAMID_FORMAT
from sor_ppa.visualization.heat_maps import heat_colours

HERE = Path(__file__).resolve().parent
BUNDLED = ("msinet/tiny.yaml", "inspyrenet/tiny.yaml")
_PAGE = ("index.html", "style.css", "src")
_RUNTIME = HERE / "node_modules" / "onnxruntime-web" / "dist"
_RUNTIME_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
# The name that type checkers know, and where the page finds it.
_IMPORT = ('"onnxruntime-web/wasm"', f'"../ort/{_RUNTIME_FILES[0]}"')
_WORDS = {
    "fixation": (
        "where people look",
        "A small network predicts where people look in your picture: bright places first.",
    ),
    "saliency": (
        "what stands out",
        "A small network marks the object that stands out of your picture.",
    ),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tool; returns its exit status."""
    args = _parser().parse_args(argv)
    try:
        copy_page(args.output)
        write_models(args.output, _configs(args), half=not args.full)
    except SaliencyError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"Built {args.output}. To see it: python -m http.server -d {args.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--config-file",
        action="append",
        help="network on the page, by path or name below configs/ (default: the bundled ones); "
        "may be given several times",
    )
    parser.add_argument("--output", type=Path, default=HERE / "dist", help="folder to write")
    parser.add_argument("--full", action="store_true", help="weights as float32: twice the bytes")
    parser.add_argument("opts", nargs="*", help="config changes: KEY VALUE KEY VALUE ...")
    return parser


def _configs(args: argparse.Namespace) -> dict[str, CfgNode]:
    names = args.config_file or [name for name in BUNDLED if model_zoo.has_weights(name)]
    if args.opts and len(names) > 1:
        raise ConfigError("config changes go with one --config-file only")
    return {name: inference_config(name, args.opts, device="cpu") for name in names}


def copy_page(output: Path) -> None:
    """Copies the page and the runtime that ``npm ci`` has installed.

    Args:
        output: folder, made if need be.

    Raises:
        ConfigError: the runtime is not installed.
    """
    if not (_RUNTIME / _RUNTIME_FILES[0]).is_file():
        raise ConfigError(f"ONNX Runtime Web is not installed: run `npm ci` in {HERE}")
    for name in _PAGE:
        found = HERE / name
        files = sorted(found.glob("*.js")) if found.is_dir() else [found]
        for file in files:
            text = file.read_text(encoding="utf-8").replace(*_IMPORT)
            _write(output / file.relative_to(HERE), text.encode())
    for name in _RUNTIME_FILES:
        _write(output / "ort" / name, (_RUNTIME / name).read_bytes())


def write_models(output: Path, configs: dict[str, CfgNode], *, half: bool = True) -> None:
    """Exports networks and writes the list of them, ``models/models.json``.

    Args:
        output: folder of the page.
        configs: by name.
        half: weights as float16.
    """
    folder = output / "models"
    folder.mkdir(parents=True, exist_ok=True)
    models = []
    for name, cfg in configs.items():
        stem = name.removesuffix(".yaml").replace("/", "-")
        path = folder / f"{stem}-{fingerprint(cfg)[:8]}{'' if half else '-full'}.onnx"
        if not path.is_file():
            print(f"Exporting {name} ...", flush=True)
            export_onnx(cfg, path, half=half, name=name)
        models.append(describe(name, cfg, path))
    kept = {model["file"] for model in models}
    for old in folder.glob("*.onnx"):
        if old.name not in kept:
            old.unlink()
    about = {"colours": colours(), "models": models}
    _write(folder / "models.json", json.dumps(about).encode())


def describe(name: str, cfg: CfgNode, path: Path) -> dict[str, Any]:
    """What the page must know of a network (``Model`` in src/placement.js)."""
    file = OnnxFile(path)
    fixation = file.format == FIXATION_FORMAT
    title, about = _WORDS["fixation" if fixation else "saliency"]
    return {
        "name": name,
        "title": f"{title} ({name.removesuffix('.yaml')})",
        "about": about,
        "task": "fixation" if fixation else "saliency",
        "file": path.name,
        "bytes": path.stat().st_size,
        "channels": file.channels,
        "mean": file.pixel_mean,
        "std": file.pixel_std,
        "step": file.size_step,
        "size": file.size_hw,
        **(_fixation_ways(file) if fixation else _saliency_ways(file)),
    }


def _fixation_ways(file: OnnxFile) -> dict[str, Any]:
    return {
        "canvas": file.canvas["preset"],
        "pad": file.canvas["pad_value"],
        "output": "logits",
        "stretch": file.normalize_over,
        "back": "crop" if file.canvas["preset"] == "hub" else "cover",
    }


def _saliency_ways(file: OnnxFile) -> dict[str, Any]:
    return {
        "canvas": "stretch",
        "pad": 0,
        "output": "saliency",
        "stretch": "canvas" if file.normalize else "none",
        "back": "corners" if file.format == PYRAMID_FORMAT else "centres",
    }


def colours() -> list[list[int]]:
    """The 256 colours of a heat map, red first."""
    return heat_colours()[:, ::-1].tolist()


def _write(path: Path, data: bytes) -> None:
    """Writes a file unless it holds just that."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        file.write(data)


if __name__ == "__main__":
    sys.exit(main())
