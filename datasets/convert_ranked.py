#!/usr/bin/env python3
"""Converts a split of ASSR or IRSR to one ranked COCO file.

python datasets/convert_ranked.py --format assr --root datasets/ASSR --split test --output test.json
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode

from sor_ppa.data import load_assr, load_irsr, write_json
from sor_ppa.data.ranking.annotations import segmentation_to_mask
from sor_ppa.errors import SaliencyError

RULES = {
    "assr": "mouse attention of SALICON: order of first visits, averaged over observers",
    "irsr": "fixations of SALICON gathered per object",
}
CATEGORY = {"id": 1, "name": "salient_obj"}


def to_ranked_coco(dicts: Sequence[dict[str, Any]], rule: str) -> dict[str, Any]:
    """Dataset dicts as one ranked COCO object; picture names lose their folder."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    ties = False
    for item in dicts:
        images.append(
            {
                "id": item["image_id"],
                "file_name": Path(item["file_name"]).name,
                "height": item["height"],
                "width": item["width"],
            }
        )
        ranks = [entry["gt_rank"] for entry in item["annotations"] if entry["gt_rank"]]
        ties |= len(set(ranks)) < len(ranks)
        for entry in item["annotations"]:
            number = len(annotations) + 1
            annotations.append({"id": number, "image_id": item["image_id"], **_fields(entry, item)})
    ranks_info: dict[str, Any] = {"source": "human", "rule": rule}
    if ties:
        ranks_info["ties"] = True
    return {
        "info": {"ranks": ranks_info},
        "categories": [CATEGORY],
        "images": images,
        "annotations": annotations,
    }


def _fields(entry: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    segmentation = entry["segmentation"]
    mask = segmentation_to_mask(segmentation, item["height"], item["width"])
    if isinstance(segmentation, dict) and isinstance(segmentation["counts"], bytes):
        segmentation = {**segmentation, "counts": segmentation["counts"].decode("ascii")}
    bbox = BoxMode.convert(entry["bbox"], entry["bbox_mode"], BoxMode.XYWH_ABS)
    return {
        "category_id": CATEGORY["id"],
        "bbox": [round(float(value), 4) for value in bbox],
        "area": int(mask.sum()),
        "segmentation": segmentation,
        "iscrowd": 0,
        "rank": entry["gt_rank"],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--format", required=True, choices=["assr", "irsr"], help="layout of the set")
    add("--root", required=True, metavar="DIR", help="folder of the set")
    add("--split", required=True, choices=["train", "val", "test"], help="which part")
    add("--output", required=True, metavar="JSON", help="ranked COCO file to write")
    add("--keep-unranked", action="store_true", help="ASSR: keep objects without a rank (rank 0)")
    add("--strict", action="store_true", help="refuse what is otherwise left out with a warning")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        if args.format == "assr":
            options = {"strict": args.strict, "keep_unranked": args.keep_unranked}
            dicts = load_assr(args.root, args.split, **options)
        else:
            dicts = load_irsr(args.root, args.split, strict=args.strict)
        result = to_ranked_coco(dicts, RULES[args.format])
        write_json(args.output, result)
    except SaliencyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    folder = Path(dicts[0]["file_name"]).parent if dicts else args.root
    print(
        f"{args.output}: {len(result['images'])} images, {len(result['annotations'])} objects; "
        f"pictures are in {folder}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
