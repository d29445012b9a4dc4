"""Config keys: what every system reads."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_common(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
    # Name of the mapper that turns a dataset dict into a model input (see sor_ppa.data.mappers).
    cfg.INPUT.DATASET_MAPPER_NAME = "ranking"
    # Pictures with more pixels than this are refused (a decompression bomb looks just like one).
    cfg.INPUT.MAX_PIXELS = 100_000_000
    # Data sets of your own without a line of Python: (name, annotations.json, image folder) with
    # ranked objects, (name, image folder, mask folder) with saliency masks; "" for the mask folder
    # = without masks. Further entries name folders of a second modality: "depth=folder", ...
    cfg.DATASETS.EXTRA = ()
    # Below this folder lie the pseudo labels of the set X, as <task>/X/<stem>.png; the name
    # X_pseudo in DATASETS.TRAIN stands for X with these as masks. "" = pseudo/ beside the sets.
    cfg.DATASETS.PSEUDO_ROOT = ""
    # Training takes every n-th frame of the videos whose name holds "select" (DAVSOD's).
    cfg.DATASETS.SELECT_EVERY = 1
    # Forward passes run on channels-last tensors (faster on CPU; the numbers stay within rounding).
    cfg.MODEL.CHANNELS_LAST = False


def add_engine(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
    # "SGD" (detectron2's own settings), "Adam" or "AdamW".
    cfg.SOLVER.setdefault("OPTIMIZER", "SGD")
    # Of biases; None = WEIGHT_DECAY, as in later detectron2s. (0.5 has 1e-4, whatever that is.)
    cfg.SOLVER.WEIGHT_DECAY_BIAS = None
    # Learning rate of the backbone (or encoders) / that of the rest.
    cfg.SOLVER.setdefault("BACKBONE_MULTIPLIER", 1.0)
    # With LR_SCHEDULER_NAME "WarmupPolyLR": (rate - END) (1 - t / T)^POWER + END.
    cfg.SOLVER.setdefault("POLY_LR_POWER", 0.9)
    cfg.SOLVER.setdefault("POLY_LR_END", 1e-7)
    # With LR_SCHEDULER_NAME "LinearDecayLR": falls from the base rate to this share of it, reached
    # in the last iteration.
    cfg.SOLVER.setdefault("LINEAR_LR_END", 0.2)
    # Above 0: MAX_ITER becomes this many passes over the training pictures.
    cfg.SOLVER.setdefault("EPOCHS", 0)
    # These live in detectron2's own nodes: a detectron2 that has them one day keeps its own.
    # Mixed precision (SOLVER.AMP.ENABLED): "fp16" (GPU only), "bf16", or "auto" = fp16 on a GPU.
    cfg.SOLVER.AMP.setdefault("PRECISION", "auto")
    # Several processes: batch norms in training take mean and variance over the whole batch, not
    # over each process's share of it.
    cfg.MODEL.setdefault("SYNC_BN", True)
    # Periodic checkpoints kept on disk, the newest ones; 0 = all.
    cfg.SOLVER.setdefault("CHECKPOINT_KEEP", 0)
    # Metric whose best checkpoint is kept as model_best.pth, e.g. "ranking/SOR"; "" = none.
    cfg.TEST.setdefault("BEST_METRIC", "")
    # "max" or "min" is best.
    cfg.TEST.setdefault("BEST_MODE", "max")
