"""Trains or evaluates a model.

    python tools/train_net.py --config-file sor/ppa.yaml --num-gpus 2
    python tools/train_net.py --config-file inspyrenet/tiny.yaml --num-processes 2   # on the CPU
    python tools/train_net.py --config-file sor/ppa.yaml --resume                # after a kill
    python tools/train_net.py --config-file sor/ppa.yaml --eval-only MODEL.WEIGHTS published.pth

Your own pictures, as COCO JSON with a rank per annotation, or with a folder of saliency masks:

    DATASETS.EXTRA "(('mine','annotations.json','images'),)" DATASETS.TRAIN "('mine',)"
    DATASETS.EXTRA "(('mine','images','masks'),)" DATASETS.TRAIN "('mine',)"
"""

from __future__ import annotations

import argparse

from detectron2.evaluation import verify_results
from detectron2.utils import comm

from sor_ppa.checkpoint import SaliencyCheckpointer
from sor_ppa.engine.launch import launch
from sor_ppa.engine.setup import argument_parser, setup
from sor_ppa.engine.trainer import Trainer
from sor_ppa.errors import ConfigError


def evaluate(args: argparse.Namespace) -> None:
    """Evaluates MODEL.WEIGHTS (with --resume: the last checkpoint of OUTPUT_DIR)."""
    cfg = setup(args)
    model = Trainer.build_model(cfg)
    checkpointer = SaliencyCheckpointer(
        model, cfg.OUTPUT_DIR, allow_pickle=args.allow_pickle, strict=True
    )
    if not (cfg.MODEL.WEIGHTS or args.resume):
        raise ConfigError("Nothing to evaluate: set MODEL.WEIGHTS, or give --resume.")
    checkpointer.resume_or_load(cfg.MODEL.WEIGHTS, resume=args.resume)
    results = Trainer.test(cfg, model)
    if comm.is_main_process():
        verify_results(cfg, results)


def train(args: argparse.Namespace) -> None:
    """Trains, from the beginning or (with --resume) from the last checkpoint of OUTPUT_DIR."""
    trainer = Trainer(setup(args), allow_pickle=args.allow_pickle)
    trainer.resume_or_load(resume=args.resume)
    trainer.train()


def main(args: argparse.Namespace) -> None:
    """What every process runs."""
    if args.eval_only:
        evaluate(args)
    else:
        train(args)


if __name__ == "__main__":
    launch(main, argument_parser(__doc__).parse_args())
