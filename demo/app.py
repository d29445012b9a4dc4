"""A web page: upload, paste or take a picture; see what people look at; keep the files.

    python demo/app.py
    python demo/app.py --port 8080 --device cuda --concurrency 2
    python demo/app.py --config-file inspyrenet/swin-b.yaml --weights my.safetensors

It listens at 127.0.0.1 only, unless ``--host`` says otherwise, and never calls out. The models of
the zoo whose weights come with the package are always there; ``--config-file`` adds others. Needs
gradio: ``pip install 'sor_ppa[app]'``.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sor_ppa.cli.ending import exit_status
from sor_ppa.errors import ConfigError

forever = threading.Event


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("--config-file", "--config", action="append", default=[], metavar="FILE|NAME",
        help="one more model; may be repeated, and comes in front of the bundled ones")
    add("--weights", action="append", default=[], metavar="FILE",
        help="weights of the first, second ... --config-file; default: those it names")
    add("--host", default="127.0.0.1", help="0.0.0.0 = anybody who can reach this machine, "
        "without a password (default: %(default)s)")
    add("--port", type=int, default=None, help="default: the first free one from 7860")
    add("--max-pixels", type=int, default=40_000_000, metavar="N",
        help="refuse larger pictures (default: 40 million)")
    add("--max-megabytes", type=float, default=30, metavar="N",
        help="refuse larger files (default: %(default)s)")
    add("--concurrency", type=int, default=1, metavar="N",
        help="pictures worked on at the same time (default: %(default)s)")
    add("--queue-size", type=int, default=16, metavar="N",
        help="pictures that wait at most; more are sent away (default: %(default)s)")
    add("--keep-minutes", type=float, default=30, metavar="N",
        help="delete uploads and results that are older (default: %(default)s)")
    add("--keep-models", type=int, default=3, metavar="N",
        help="networks in memory at most (default: %(default)s)")
    add("--device", "-D", help="cpu, cuda, cuda:1 ...; default: the config's, or cpu")
    add("--backend", choices=("torch", "onnx"), default="torch",
        help="onnx: maps are made by onnxruntime, faster on a CPU; exported at the first use")
    add("--allow-pickle", action="store_true", help="load pickled weights; they can run any code")
    # fmt: on
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    """Serves the page until Ctrl-C or SIGTERM; the exit status."""
    if len(args.weights) > len(args.config_file):
        raise ConfigError(
            f"{len(args.weights)} --weights but {len(args.config_file)} --config-file: "
            "each belongs to one"
        )
    with tempfile.TemporaryDirectory(prefix="sor_ppa_page_") as folder:
        # Everything uploaded or made lies in the one folder.
        os.environ["GRADIO_TEMP_DIR"] = os.path.join(folder, "gradio")
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
        _serve(args, Path(folder))
    return 0


def _serve(args: argparse.Namespace, work: Path) -> None:
    import sor_ppa.modeling  # noqa: F401 - registers the networks
    from sor_ppa.webapp.answers import Studio
    from sor_ppa.webapp.limits import Limits
    from sor_ppa.webapp.models import Shelf, bundled_models, model_of
    from sor_ppa.webapp.page import Traffic, build_page, launch

    machine = {"device": args.device, "max_pixels": args.max_pixels}
    weights = [*args.weights, *[""] * len(args.config_file)]
    own = [model_of(c, w, **machine) for c, w in zip(args.config_file, weights)]
    named = {model.name for model in own}
    models = [*own, *(m for m in bundled_models(**machine) if m.name not in named)]
    shelf = Shelf(
        models, keep=args.keep_models, backend=args.backend, allow_pickle=args.allow_pickle
    )
    studio = Studio(shelf, Limits(args.max_pixels, args.max_megabytes))
    traffic = Traffic(args.concurrency, args.queue_size, args.keep_minutes)
    page = build_page(studio, traffic, work=work)
    address = launch(page, studio, host=args.host, port=args.port)
    try:
        sys.stdout.write(f"The page is at {address} (Ctrl-C ends it)\n")
        sys.stdout.flush()
        forever().wait()
    finally:
        page.close(verbose=False)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the page; the return value is the exit status."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s: %(message)s", stream=sys.stderr)
    for noisy in ("fvcore", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, _stop)
    return exit_status(lambda: run(args), stopped="the page is closed")


if __name__ == "__main__":
    sys.exit(main())
