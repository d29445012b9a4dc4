#!/usr/bin/env python3
"""Makes a ranked COCO file from any COCO instances file, for sets that nobody has ranked.

The order of the objects comes from

* ``--saliency-maps DIR``: grey maps named like the pictures; mean of the map inside each object,
* ``--fixation-maps DIR``: maps of fixation points; number of points on each object,
* ``--fixations FILE``: gaze points in SALICON's or OSIE's JSON; order of first looks, averaged
  over observers, as for the ASSR data set,
* ``--fixation-model CONFIG``: a network's map of where people look (msinet/tiny.yaml: the bundled
  one); its sum inside each object, or what ``--statistic`` says,
* nothing of these: a prior of size and centre,
  sqrt(area share) * exp(-(dx^2 + dy^2) / (2 sigma^2)), dx and dy as shares of width and height.

The output says so: its ``info.ranks`` holds ``"source": "derived"``, the rule and its parameters.
A run that was interrupted goes on where it stopped. Exit status: 0, 1 if something was left out
(listed at the end), 2 if nothing could be written.

    python datasets/prepare_ranked_coco.py --instances instances.json --images DIR --output OUT.json
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sor_ppa.data.derived.ranks import PRIOR_SIGMA, scores_to_ranks
from sor_ppa.data.derived.rules import (
    Rule,
    fixation_rule,
    map_rule,
    network_rule,
    prior_rule,
)
from sor_ppa.data.files import joined
from sor_ppa.data.image_io import write_json
from sor_ppa.data.journal import Journal
from sor_ppa.data.problems import Problems
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.data.ranking.coco_file import CocoInstances, Id, read_coco
from sor_ppa.errors import ConfigError, SaliencyError


@dataclass(frozen=True)
class Choice:
    """Which objects may be ranked, and how many of them are.

    Attributes:
        top: ranks given per picture; 0 = to every object that has a score.
        min_area: smallest share of the picture that an object must cover.
        max_objects: pictures with more such objects are left out; 0 = no limit.
        categories: category ids that may be ranked; None = all.
    """

    top: int
    min_area: float
    max_objects: int
    categories: frozenset[Id] | None


def rank_image(
    image: dict[str, Any], annotations: Sequence[dict[str, Any]], rule: Rule, choice: Choice
) -> list[int] | None:
    """Rank of each annotation, 0 = none; None if the scene holds too many objects."""
    masks, places = [], []
    for place, item in enumerate(annotations):
        wanted = choice.categories is None or item["category_id"] in choice.categories
        if item.get("iscrowd") or not wanted:
            continue
        mask = segmentation_to_mask(item["segmentation"], image["height"], image["width"])
        if mask.any() and mask.mean() >= choice.min_area:
            masks.append(mask)
            places.append(place)
    if choice.max_objects and len(masks) > choice.max_objects:
        return None
    ranks = [0] * len(annotations)
    if masks:
        scores = rule.score(Path(image["file_name"]).stem, masks)
        for place, rank in zip(places, scores_to_ranks(scores, top=choice.top).tolist()):
            ranks[place] = rank
    return ranks


def rank_all(
    coco: CocoInstances, rule: Rule, choice: Choice, journal: Journal, *, quiet: bool = False
) -> None:
    """Ranks every image that the journal does not hold yet."""
    # What failed is tried again: the missing map may be there by now.
    todo = [key for key in coco.images if key not in journal or "problem" in journal[key]]
    for image_id in tqdm(todo, desc="ranking", unit="image", disable=quiet):
        entry: dict[str, Any] = {}
        try:
            entry["ranks"] = rank_image(
                coco.images[image_id], coco.annotations[image_id], rule, choice
            )
        except SaliencyError as error:
            entry["problem"] = "; ".join(getattr(error, "problems", [str(error)]))
        journal.add(image_id, entry)


def assemble(
    coco: CocoInstances, journal: Journal, args: argparse.Namespace, info: dict[str, Any]
) -> dict[str, Any]:
    """The ranked COCO file as a JSON object."""
    images, annotations = [], []
    for image_id, image in coco.images.items():
        ranks = journal[image_id].get("ranks")
        if ranks is None or not (args.keep_unranked_images or any(ranks)):
            continue
        images.append(image)
        for item, rank in zip(coco.annotations[image_id], ranks):
            if args.keep_crowd or not item.get("iscrowd"):
                annotations.append({**item, "rank": rank})
    old_info = coco.data.get("info")
    result: dict[str, Any] = dict(old_info) if isinstance(old_info, dict) else {}
    result = {"info": {**result, "ranks": info}}
    result |= {key: coco.data[key] for key in ("licenses", "categories") if key in coco.data}
    return result | {"images": images, "annotations": annotations}


def category_ids(data: dict[str, Any], args: argparse.Namespace) -> frozenset[Id] | None:
    """Ids of the categories to rank, from the names on the command line.

    Raises:
        ConfigError: a name is not among the file's categories.
    """
    if not args.categories and not args.exclude_categories:
        return None
    by_name = {item.get("name"): item["id"] for item in data.get("categories", [])}
    unknown = [n for n in [*args.categories, *args.exclude_categories] if n not in by_name]
    if unknown:
        raise ConfigError(
            f"{args.instances}: no category named {unknown[0]!r}; it has "
            f"{', '.join(map(str, by_name))}"
        )
    chosen = set(args.categories or by_name) - set(args.exclude_categories)
    return frozenset(by_name[name] for name in chosen)


def chosen_rule(args: argparse.Namespace, coco: CocoInstances) -> Rule:
    """The rule that the command line asks for."""
    if args.fixation_model:
        return fixation_model_rule(args, coco)
    if args.saliency_maps:
        return map_rule(args.saliency_maps, statistic="mean")
    if args.fixation_maps:
        return map_rule(args.fixation_maps, statistic="sum")
    if args.fixations:
        return fixation_rule(args.fixations, zero_based=args.zero_based)
    return prior_rule(args.sigma)


def fixation_model_rule(args: argparse.Namespace, coco: CocoInstances) -> Rule:
    """Ranks by what a network says of where people look."""
    import sor_ppa.modeling  # noqa: F401  registers the networks
    from sor_ppa.engine import Predictor
    from sor_ppa.engine.inference_config import inference_config

    weights = ["MODEL.WEIGHTS", args.weights] if args.weights else []
    predictor = Predictor(inference_config(args.fixation_model, weights))

    def predict(bgr: np.ndarray) -> np.ndarray:
        outputs = predictor(bgr)
        if "fixation" not in outputs:
            raise ConfigError(f"--fixation-model {args.fixation_model}: gives no fixation map")
        return outputs["fixation"].cpu().numpy()

    names = [image["file_name"] for image in coco.images.values()]
    paths = {Path(name).stem: joined(args.images, name) for name in names}
    return network_rule(paths, predict, statistic=args.statistic, name=args.fixation_model)


def rank_information(rule: Rule, args: argparse.Namespace) -> dict[str, Any]:
    """``info.ranks`` of the output."""
    names = ("top", "min_area", "max_objects", "categories", "exclude_categories")
    parameters = {**rule.parameters, **{name: getattr(args, name) for name in names}}
    return {"source": "derived", "rule": rule.text, "parameters": parameters}


def open_journal(args: argparse.Namespace, info: dict[str, Any]) -> Journal:
    """The results so far, beside the output; forgotten if the input or a setting has changed."""
    status = Path(args.instances).stat()
    maps = args.saliency_maps or args.fixation_maps or args.fixations or args.weights
    settings = {**info, "instances": args.instances, "maps": maps}
    settings |= {"bytes": status.st_size, "modified": status.st_mtime_ns}
    return Journal(Path(args.output + ".partial"), settings)


def run(args: argparse.Namespace) -> list[str]:
    """Makes the file; returns what was left out, one line each.

    Raises:
        SaliencyError: nothing can be made of the input, or ``--strict`` and a fault was found.
    """
    problems = Problems(args.instances, strict=True)  # everything is listed, lesser faults too
    coco = read_coco(args.instances, args.images, problems, ranks=False)
    if args.strict:
        problems.finish()
    rule = chosen_rule(args, coco)
    choice = Choice(args.top, args.min_area, args.max_objects, category_ids(coco.data, args))
    info = rank_information(rule, args)
    journal = open_journal(args, info)
    try:
        rank_all(coco, rule, choice, journal, quiet=args.quiet)
        for image_id in coco.images:
            if "problem" in journal[image_id]:
                problems.add(f"{args.instances}: image {image_id!r}", journal[image_id]["problem"])
        if args.strict:
            problems.finish()
        result = assemble(coco, journal, args, info)
        write_json(args.output, result)
    finally:
        journal.close()
    journal.delete()
    report(coco, journal, result)
    return problems.lines


def report(coco: CocoInstances, journal: Journal, result: dict[str, Any]) -> None:
    """Prints the counts."""
    crowded = sum(entry.get("ranks", ()) is None for entry in journal.values())
    ranked = sum(item["rank"] > 0 for item in result["annotations"])
    print(
        f"{len(result['images'])} of {len(coco.data['images'])} images, "
        f"{len(result['annotations'])} of {len(coco.data['annotations'])} objects, "
        f"{ranked} ranked ({ranked / max(len(result['images']), 1):.2f} per image)"
        + (f"; {crowded} images with too many objects left out" if crowded else "")
    )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--instances", required=True, metavar="JSON", help="COCO instances file")
    add("--images", required=True, metavar="DIR", help="folder of its pictures")
    add("--output", required=True, metavar="JSON", help="ranked COCO file to write")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--saliency-maps", metavar="DIR", help="grey maps, mean per object")
    source.add_argument("--fixation-maps", metavar="DIR", help="maps of points, count per object")
    source.add_argument("--fixations", metavar="JSON", help="gaze points (SALICON or OSIE form)")
    source.add_argument("--fixation-model", metavar="CONFIG", help="network of where people look")
    add("--weights", metavar="FILE", help="of --fixation-model; default: the bundled ones")
    add("--statistic", choices=("sum", "mean", "max"), default="sum", help="of --fixation-model")
    add("--zero-based", action="store_true", help="gaze points count pixels from 0, not 1")
    add("--sigma", type=float, default=PRIOR_SIGMA, help="spread of the centre prior")
    add("--top", type=int, default=5, help="objects ranked per picture; 0 = all")
    add("--min-area", type=float, default=0.01, help="least share of the picture of an object")
    add("--max-objects", type=int, default=0, help="leave out pictures with more; 0 = no limit")
    add("--categories", nargs="+", default=[], metavar="NAME", help="rank only these")
    add("--exclude-categories", nargs="+", default=[], metavar="NAME", help="never rank these")
    add("--keep-crowd", action="store_true", help="keep crowd regions (without a rank)")
    add("--keep-unranked-images", action="store_true", help="keep pictures without any rank")
    add("--strict", action="store_true", help="write nothing if anything is wrong")
    add("--quiet", action="store_true", help="no progress bar")
    args = parser.parse_args(argv)
    if args.sigma <= 0 or args.top < 0 or args.max_objects < 0 or not 0 <= args.min_area <= 1:
        parser.error("--sigma must be > 0, --top and --max-objects >= 0, --min-area in [0, 1]")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        left_out = run(parse_args(argv))
    except SaliencyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
