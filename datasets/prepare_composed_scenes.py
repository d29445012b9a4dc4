#!/usr/bin/env python3
r"""Makes a ranked COCO training set out of any salient-object-detection set.

From a folder of pictures and one of saliency masks with the same stems (DUTS-TR, ECSSD, ...):

* ``--kind plain``: the pictures themselves, each connected salient region one object;
* ``--kind composed``: scenes of several objects, cut out and pasted into other pictures.

The ranks are *derived* from size and place (the file says so), not made by people::

    python datasets/prepare_composed_scenes.py --kind composed --count 3000 \
        --images DUTS-TR/image --masks DUTS-TR/mask --output scenes

writes ``scenes/images/*.jpg`` and ``scenes/annotations.json``. The same seed and pictures give the
same files, whatever ``--workers`` is; a run that was stopped goes on where it was. Exit status: 0,
1 with ``--strict`` when something was wrong with the pictures, 2 when nothing could be made.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from sor_ppa.cli.ending import GOES_ON, exit_status
from sor_ppa.data.image_io import atomic_path, read_grey, read_image, write_json
from sor_ppa.data.pairs import Folder, pair_by_stem
from sor_ppa.data.scenes.compose import Scene, SceneSettings, compose_scene, plain_scene
from sor_ppa.data.scenes.regions import PRIOR_RULE, annotate_ranked
from sor_ppa.errors import DataError, SaliencyError

FORMAT = 1  # raise it when the same settings begin to give other files


@dataclass(frozen=True)
class Job:
    """All that a worker needs: one value for every scene."""

    kind: str
    output: Path
    pairs: list[tuple[str, str]]  # strings: thousands of them travel to the workers
    seed: int
    quality: int
    settings: SceneSettings

    def fingerprint(self) -> str:
        """Hash of everything that shapes a scene except its index."""
        files = [
            [(os.path.basename(path), os.path.getsize(path)) for path in pair]
            for pair in self.pairs
        ]
        shape = [FORMAT, self.kind, self.seed, self.quality, asdict(self.settings), PRIOR_RULE]
        return hashlib.sha256(json.dumps([shape, files]).encode()).hexdigest()[:16]

    def name(self, index: int) -> str:
        """Stem of a scene's files."""
        return Path(self.pairs[index][0]).stem if self.kind == "plain" else f"scene_{index:06d}"


def load_pair(pair: tuple[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Picture (H, W, 3) BGR and its mask (H, W).

    Raises:
        ImageError: one of them cannot be read.
        DataError: they differ in size.
    """
    picture, grey = read_image(pair[0]), read_grey(pair[1])
    if picture.shape[:2] != grey.shape:
        (h, w), (mask_h, mask_w) = picture.shape[:2], grey.shape
        text = f"{pair[1]}: mask of {mask_w} x {mask_h}, but its picture has {w} x {h} pixels"
        raise DataError([text], what="pairs")
    return picture, grey


def make_scene(job: Job, index: int) -> tuple[Scene, list[str]]:
    """One scene and the faults of the pictures it looked at; no objects when nothing can be done.

    The chance of a scene comes from the seed and its index only.
    """
    problems: list[str] = []

    def load(source: int) -> tuple[np.ndarray, np.ndarray] | None:
        try:
            return load_pair(job.pairs[source])
        except DataError as error:
            problems.extend(error.problems)
        except SaliencyError as error:
            problems.append(str(error))
        return None

    nothing = Scene(np.zeros((1, 1, 3), np.uint8))
    if job.kind == "plain":
        loaded = load(index)
        scene = nothing if loaded is None else plain_scene(*loaded, job.settings)
        scene.sources = [index]
        return scene, problems
    try:
        rng = np.random.default_rng((job.seed, index))
        return compose_scene(load, len(job.pairs), rng, job.settings), problems
    except DataError as error:
        return nothing, problems + [f"scene {index}: {text}" for text in error.problems]


def prepare_one(job: Job, fingerprint: str, index: int) -> dict[str, Any]:
    """Makes a scene's files unless they exist already; returns its record."""
    name = job.name(index)
    picture = job.output / "images" / f"{name}.jpg"
    record_file = job.output / "records" / f"{name}.json"
    record = _read_record(record_file, fingerprint)
    if record is not None and (picture.is_file() or not record["annotations"]):
        return record
    scene, problems = make_scene(job, index)
    annotations = annotate_ranked(scene.masks)
    height, width = scene.image.shape[:2]
    record = {
        "settings": fingerprint,
        "image": {"file_name": f"{name}.jpg", "height": height, "width": width},
        "annotations": annotations,
        "problems": problems,
    }
    record["image"]["sources"] = [
        os.path.basename(job.pairs[source][0]) for source in scene.sources
    ]
    if not annotations:
        picture.unlink(missing_ok=True)  # one made with other settings
    else:
        coded = cv2.imencode(".jpg", scene.image, [cv2.IMWRITE_JPEG_QUALITY, job.quality])[1]
        with atomic_path(str(picture)) as temporary:
            Path(temporary).write_bytes(coded.tobytes())
    # The record comes last: a scene without one is made again.
    write_json(str(record_file), record)
    return record


def _read_record(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """A finished scene's record, None when there is none or it was made with other settings."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("settings") == fingerprint else None


def _start_worker() -> None:
    """One thread a process: the workers are the parallelism."""
    cv2.setNumThreads(1)


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterator[dict[str, Any]]]]:
    """An order-keeping map, over processes when there is more than one worker."""
    if workers <= 1:
        _start_worker()
        yield map
        return
    with multiprocessing.Pool(workers, _start_worker) as pool:
        yield partial(pool.imap, chunksize=16)


def collect(records: list[dict[str, Any]], job: Job) -> dict[str, Any]:
    """The ranked COCO file of all scenes that have objects."""
    used = [record for record in records if record["annotations"]]
    how = {
        "plain": "each connected salient region of a picture's mask is an object",
        "composed": "objects cut out of pictures along their saliency masks, pasted into others",
    }[job.kind]
    images = [{"id": i, **record["image"]} for i, record in enumerate(used, start=1)]
    annotations = [
        {"id": 0, "image_id": i, **annotation}
        for i, record in enumerate(used, start=1)
        for annotation in record["annotations"]
    ]
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    info = {
        "description": f"{how}; made by prepare_composed_scenes.py",
        "ranks": {"source": "derived", "rule": PRIOR_RULE},
        "settings": {"kind": job.kind, "seed": job.seed, **asdict(job.settings)},
    }
    categories = [{"id": 1, "name": "salient_obj", "supercategory": "salient_obj"}]
    return {
        "info": info,
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }


def prepare(job: Job, count: int, workers: int) -> tuple[dict[str, Any], list[str]]:
    """Makes ``count`` scenes and the annotation file; returns its content and all problems."""
    for folder in ("images", "records"):
        (job.output / folder).mkdir(parents=True, exist_ok=True)
    task = partial(prepare_one, job, job.fingerprint())
    with _mapper(workers) as run:
        records = list(tqdm(run(task, range(count)), total=count, unit="scene"))
    problems = list(dict.fromkeys(text for record in records for text in record["problems"]))
    content = collect(records, job)
    if not content["images"]:
        raise DataError(problems or ["no mask has a salient region"], what="pictures and masks")
    write_json(str(job.output / "annotations.json"), content)
    return content, problems


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder of pictures")
    add("--masks", type=Path, required=True, help="folder of saliency masks of the same stems")
    add("--output", type=Path, required=True, help="folder for images/ and annotations.json")
    add("--kind", choices=("plain", "composed"), default="composed")
    add("--count", type=int, help="number of scenes (plain: all pictures; composed: as many)")
    add("--size", type=int, default=480, help="long side in pixels (plain: at most; default 480)")
    add("--objects", type=int, nargs=2, default=(1, 4), metavar=("MIN", "MAX"), help="pasted")
    add("--min-area", type=float, default=0.004, help="smallest object, fraction of the picture")
    add("--seed", type=int, default=0)
    add("--quality", type=int, default=92, help="JPEG quality, 1-100")
    add("--workers", type=int, default=1, help="processes; the files do not depend on it")
    add("--strict", action="store_true", help="exit with 1 when anything was wrong")
    return parser.parse_args(argv)


def _check(args: argparse.Namespace) -> None:
    """Raises DataError for values that cannot work."""
    low, high = args.objects
    rules = [
        (args.count is None or args.count >= 1, f"--count {args.count}: at least 1"),
        (args.size >= 32, f"--size {args.size}: at least 32"),
        (1 <= low <= high <= 5, f"--objects {low} {high}: 1 <= MIN <= MAX <= 5"),
        (0 < args.min_area < 0.2, f"--min-area {args.min_area}: between 0 and 0.2"),
        (args.seed >= 0, f"--seed {args.seed}: 0 or more"),
        (1 <= args.quality <= 100, f"--quality {args.quality}: 1 to 100"),
        (args.workers >= 1, f"--workers {args.workers}: at least 1"),
    ]
    problems = [text for holds, text in rules if not holds]
    if problems:
        raise DataError(problems, what="arguments")


def run(args: argparse.Namespace) -> int:
    """Makes the set, prints what was made and what was wrong; returns the exit status."""
    _check(args)
    folders = {"image": args.images, "mask": args.masks}
    pairs, problems = pair_by_stem(
        {kind: Folder(str(path), recursive=False) for kind, path in folders.items()}, order="path"
    )
    settings = SceneSettings(size=args.size, pasted=tuple(args.objects), min_fraction=args.min_area)
    named = [(str(pair.paths["image"]), str(pair.paths["mask"])) for pair in pairs]
    job = Job(args.kind, args.output, named, args.seed, args.quality, settings)
    count = len(pairs) if args.count is None else args.count
    if args.kind == "plain":
        count = min(count, len(pairs))
    content, faults = prepare(job, count, args.workers)
    problems += faults
    for problem in problems:
        print(f"problem: {problem}", file=sys.stderr)
    made, objects = len(content["images"]), len(content["annotations"])
    print(f"{args.output / 'annotations.json'}: {made} images, {objects} objects (derived ranks)")
    print(f"{count - made} of {count} left out for want of objects, {len(problems)} problem(s)")
    return 1 if args.strict and problems else 0


def main(argv: list[str] | None = None) -> int:
    """Entry point; errors that the user can cure end with status 2."""
    return exit_status(lambda: run(parse_args(argv)), stopped=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
