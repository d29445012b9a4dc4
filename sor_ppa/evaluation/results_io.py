"""The one file format of ranked instances: writing ours, reading anybody's, with every fault named.

A file is a JSON object::

    {"info": {"format": "sor_ppa ranked instances", "version": 1, ...},
     "images": [{"id", "file_name", "height", "width"}],
     "results": [{"image_id", "category_id": 1, "bbox": [x, y, w, h], "score", "rank",
                  "segmentation": {"size": [h, w], "counts": "..."}}]}

A bare list of such results (COCO's results format with a ``rank``) is read as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sor_ppa.data.image_io import write_json
from sor_ppa.data.problems import PathLike, Problems, read_json
from sor_ppa.data.ranking.annotations import box_value_problem
from sor_ppa.errors import DataError
from sor_ppa.evaluation.results_checks import Id, image_problem, record_problem
from sor_ppa.evaluation.rle import box_of_rle, encode_masks, segmentation_to_rle

if TYPE_CHECKING:
    from detectron2.structures import Instances

#: Share of the picture's fixation mass inside an object, where one ranked by it.
GAZE_SHARE = "gaze_share"
RANKED_FIELDS = ("pred_boxes", "scores", "pred_masks", "pred_ranks")
FORMAT = "sor_ppa ranked instances"
VERSION = 1

Record = dict[str, Any]


@dataclass
class RankedResults:
    """The sound content of a results file.

    Attributes:
        info: what the file says about itself; empty for a bare list.
        images: image dicts by id; None for a bare list.
        records: one dict an object; boxes and compressed RLE masks are there in every one.
    """

    info: dict[str, Any] = field(default_factory=dict)
    images: dict[Id, dict[str, Any]] | None = None
    records: list[Record] = field(default_factory=list)

    def by_image(self) -> dict[Id, list[Record]]:
        """Records of each image id, in the file's order; listed images without any have []."""
        groups: dict[Id, list[Record]] = defaultdict(list)
        for image_id in self.images or ():
            groups[image_id] = []
        for record in self.records:
            groups[record["image_id"]].append(record)
        return dict(groups)


def instances_to_records(instances: Instances, image_id: Id) -> list[Record]:
    """One image's predictions as result dicts.

    Args:
        instances: of R objects, with ``pred_boxes`` (XYXY), ``scores``, ``pred_masks`` bool
            (R, H, W), ``pred_ranks``; ``mask_scores``, where present, order the masks for AP.
        image_id: goes into every record.

    Returns:
        R dicts of plain Python values.

    Raises:
        DataError: a field is absent.
    """
    if not has_objects(instances, where=f"image {image_id!r}"):
        return []
    boxes = instances.pred_boxes.tensor.detach().cpu().double().numpy()
    boxes[:, 2:] -= boxes[:, :2]
    masks = encode_masks(instances.pred_masks.detach().cpu().numpy().astype(bool))
    columns = {"score": instances.scores.detach().cpu().double().tolist()}
    if instances.has("mask_scores"):
        columns["mask_score"] = instances.mask_scores.detach().cpu().double().tolist()
    columns["rank"] = instances.pred_ranks.detach().cpu().long().tolist()
    if instances.has(GAZE_SHARE):
        columns[GAZE_SHARE] = instances.get(GAZE_SHARE).detach().cpu().double().tolist()
    records = []
    for index, (box, mask) in enumerate(zip(boxes.tolist(), masks, strict=True)):
        record = {"image_id": image_id, "category_id": 1, "bbox": box}
        record.update({name: column[index] for name, column in columns.items()})
        records.append({**record, "segmentation": mask})
    return records


def has_objects(instances: Instances, *, where: str) -> bool:
    """Whether a model found anything; if so, it must have all fields of a ranked instance.

    Raises:
        DataError: names the absent fields.
    """
    # Instances without any field have no length either.
    if not instances.get_fields() or len(instances) == 0:
        return False
    absent = [name for name in RANKED_FIELDS if not instances.has(name)]
    if absent:
        raise DataError(
            [f"{where}: output instances have no {name!r}" for name in absent],
            what="model output; ranked instances need a model with mask and ranking heads",
        )
    return True


def write_results(
    path: PathLike,
    images: Sequence[Mapping[str, Any]],
    records: Sequence[Record],
    info: Mapping[str, Any] | None = None,
) -> None:
    """Writes a results file atomically.

    Args:
        path: the JSON file.
        images: dicts with ``id``, ``file_name``, ``height``, ``width`` (other keys are left out);
            list images without objects too.
        records: see :func:`instances_to_records`.
        info: more entries of ``info``: model, command, protocol ...
    """
    keys = ("id", "file_name", "height", "width")
    document = {
        "info": {**(info or {}), "format": FORMAT, "version": VERSION},
        "images": [{key: image[key] for key in keys} for image in images],
        "results": list(records),
    }
    write_json(path, document)


def read_results(path: PathLike, *, strict: bool = False, need_ranks: bool = True) -> RankedResults:
    """Reads and checks a results file, or a bare COCO results list.

    Everything is checked before pycocotools sees it. A box that cannot be (no area, outside the
    picture, not finite) is replaced by that of its mask with one counted warning.

    Args:
        path: the JSON file.
        strict: makes faults of what is otherwise mended: such boxes, equal ranks in an image.
        need_ranks: False accepts results without ``rank`` (they get 0).

    Raises:
        DataError: lists every fault, with the file and field of each.
    """
    name = str(path)
    problems = Problems(name, strict=strict)
    results = _envelope(read_json(path), name, problems)
    raw, results.records = results.records, []
    ranks: dict[Id, list[int]] = defaultdict(list)
    for index, item in enumerate(raw):
        where = f"{name}: results[{index}]"
        found = record_problem(item, results.images, need_ranks)
        if found:
            problems.add(f"{where}{found[0]}", found[1])
            continue
        image = results.images[item["image_id"]] if results.images is not None else None
        where = f"{where} (image {item['image_id']!r})"
        record = _clean_record(item, image, where, problems)
        results.records.append(record)
        ranks[record["image_id"]].append(record["rank"])
    for image_id, values in ranks.items():
        given = [rank for rank in values if rank > 0]
        if len(set(given)) < len(given):
            problems.warn("equal ranks in an image", f"{name}: image {image_id!r}", str(given))
    problems.finish()
    return results


def _envelope(data: object, name: str, problems: Problems) -> RankedResults:
    """Splits a document into info, images and (unchecked) records."""
    if isinstance(data, list):
        return RankedResults(records=data)
    if not isinstance(data, dict) or not isinstance(data.get("results"), list):
        text = "expected an object with a list 'results', or a list of COCO results"
        if isinstance(data, dict) and "annotations" in data:
            text += "; this looks like ground truth (it has 'annotations')"
        raise DataError([f"{name}: line 1 column 1: {text}"], what=name)
    info = data.get("info", {})
    if not isinstance(info, dict):
        problems.add(f"{name}: info", f"must be an object, got a {type(info).__name__}")
        info = {}
    version = info.get("version", VERSION)
    if info.get("format") == FORMAT and version != VERSION:
        problems.add(f"{name}: info.version", f"is {version!r}; this program reads {VERSION}")
    return RankedResults(info, _images(data.get("images"), name, problems), data["results"])


def _images(images: object, name: str, problems: Problems) -> dict[Id, dict[str, Any]] | None:
    if images is None:
        return None
    if not isinstance(images, list):
        raise DataError([f"{name}: images: must be a list"], what=name)
    known: dict[Id, dict[str, Any]] = {}
    for index, image in enumerate(images):
        problem = image_problem(image)
        if problem is None and image["id"] in known:
            problem = f"id {image['id']!r} was used before"
        if problem:
            problems.add(f"{name}: images[{index}]", problem)
        else:
            known[image["id"]] = image
    return known


def _clean_record(
    item: Record, image: Mapping[str, Any] | None, where: str, problems: Problems
) -> Record:
    """A checked record with a compressed RLE mask, a usable box and a rank."""
    segmentation = item["segmentation"]
    size = segmentation["size"] if image is None else (image["height"], image["width"])
    height, width = (int(side) for side in size)
    rle = segmentation_to_rle(segmentation, height, width)
    record = {**item, "segmentation": rle, "rank": int(item.get("rank", 0))}
    box = item.get("bbox")
    if box is not None:
        x, y, w, h = (float(value) for value in box)
        problem = box_value_problem((x, y, x + w, y + h), height, width)
        if problem:
            problems.warn("unusable box (that of the mask is taken)", f"{where}: bbox", problem)
        box = None if problem else [x, y, w, h]
    record["bbox"] = box_of_rle(rle) if box is None else box
    return record
