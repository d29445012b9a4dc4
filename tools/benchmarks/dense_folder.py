"""A folder of photos, from files to files, against the rate of the network alone."""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

_SIZES = ((300, 400), (400, 300), (267, 400), (320, 400))


def folder(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Images a second of reading, predicting and writing maps, through the product's pipeline."""
    from sor_ppa import model_zoo
    from sor_ppa.engine.predictor import Predictor

    torch.set_num_threads(args.threads)
    count = 40 if args.quick else args.pictures
    rows = []
    for name in args.config_file or ("inspyrenet/tiny.yaml",):
        cfg = model_zoo.get_config(name, trained=model_zoo.has_weights(name))
        cfg.MODEL.DEVICE = args.device
        predictor = Predictor(cfg, fused=args.fused)
        with tempfile.TemporaryDirectory() as place:
            make_photos(Path(place, "photos"), count)
            before = network_rate(predictor, Path(place, "photos"))
            whole = folder_rate(predictor, Path(place, "photos"), Path(place, "maps"))
            after = network_rate(predictor, Path(place, "photos"))
        alone = 2 / (1 / before + 1 / after)
        rows.append(
            {
                "config": name,
                "pictures": count,
                "folder images/s": round(whole, 2),
                "network images/s": round(alone, 2),
                "folder / network": round(whole / alone, 3),
                "at least": 0.9,
            }
        )
    return rows


def make_photos(place: Path, count: int) -> None:
    """Made-up JPEG photos of about 400 x 300: clouds of colour with grain, 30 to 60 KB each."""
    place.mkdir()
    rng = np.random.default_rng(0)
    for index in range(count):
        height, width = _SIZES[index % len(_SIZES)]
        coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        clouds = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        grain = rng.normal(0, 8, (height, width, 1))
        photo = np.clip(np.asarray(clouds) + grain, 0, 255).astype(np.uint8)
        Image.fromarray(photo).save(place / f"{index:05d}.jpg", quality=92)


def folder_rate(predictor: Any, photos: Path, maps: Path) -> float:  # noqa: ANN401
    """Pictures a second, files to files."""
    from sor_ppa.showing.inputs import expand_inputs
    from sor_ppa.showing.saliency_folder import CutoutOptions, SaliencyFolder
    from sor_ppa.showing.saliency_renderer import SaliencyRenderer
    from sor_ppa.showing.show import show_pictures
    from sor_ppa.visualization.output_types import parse_type

    start = time.perf_counter()
    sources = expand_inputs([str(photos)])
    options = CutoutOptions(types=(parse_type("map"),))
    renderer = SaliencyRenderer(SaliencyFolder(maps, sources=sources, options=options))
    outcomes = show_pictures(predictor, sources, renderer, strict=True)
    done = sum(1 for _ in tqdm(outcomes, total=len(sources), desc="folder", leave=False))
    return done / (time.perf_counter() - start)


def network_rate(predictor: Any, photos: Path, count: int = 40) -> float:  # noqa: ANN401
    """Pictures a second of the network on inputs that lie ready."""
    inputs = list(itertools.islice(_inputs(predictor, photos), count))
    predictor.predict(inputs[:1])
    start = time.perf_counter()
    for item in tqdm(inputs, desc="network alone", leave=False):
        predictor.predict([item])
        if predictor.device.type == "cuda":
            torch.cuda.synchronize()
    return len(inputs) / (time.perf_counter() - start)


def _inputs(predictor: Any, photos: Path) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    from sor_ppa.data.image_io import read_image

    for path in sorted(photos.iterdir()):
        yield predictor.prepare(read_image(path))
