"""What each of several processes does in the test of distributed evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import torch.distributed as dist

from sor_ppa.evaluation.evaluator import RankingEvaluator
from tests.evaluation.scenes import dataset_dicts, random_instances, registered

RANKS = ([1, 2, 3], [1], [], [2, 1, 3, 4], [0, 1], [1, 2], [3, 2, 1])


def run(process: int, init_file: str, cases: list[list[list[int]]], root: str) -> None:
    """Evaluates this process's share of the images of each case and writes what came out."""
    world = len(cases[0])
    dist.init_process_group("gloo", f"file://{init_file}", world_size=world, rank=process)
    try:
        with registered("two_processes", dataset_dicts(RANKS)):
            for number, shares in enumerate(cases):
                folder = Path(root, str(number))
                results = evaluate(shares[process], str(folder))
                Path(folder, f"results_{process}.json").write_text(json.dumps(results))
        dist.barrier()  # gloo aborts where one process leaves while the other still talks to it
    finally:
        dist.destroy_process_group()


def evaluate(indices: list[int], output_dir: str) -> dict:
    """Evaluates some images, two at a time."""
    evaluator = RankingEvaluator("two_processes", output_dir=output_dir)
    evaluator.reset()
    for start in range(0, len(indices), 2):
        ids = [100 + index for index in indices[start : start + 2]]
        outputs = [{"instances": random_instances(image_id)} for image_id in ids]
        evaluator.process([{"image_id": image_id} for image_id in ids], outputs)
    return evaluator.evaluate()
