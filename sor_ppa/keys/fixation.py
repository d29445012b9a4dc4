"""Config keys: where people look."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_fixation(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
    inputs = cfg.INPUT.FIXATION = CfgNode()
    # How pictures come on the network's canvas, and maps off it: "repository" as MSI-Net was
    # trained, "hub" as its release on model hubs does (black borders, one of three sizes).
    inputs.PRESET = "repository"
    # (height, width) of the canvas, multiples of 8; not used by "hub".
    inputs.SIZE = (240, 320)
    # Grey level around the picture; not used by "hub".
    inputs.PAD_VALUE = 126

    net = cfg.MODEL.MSINET = CfgNode()
    # The encoder's maps; all are brought to the size of the first.
    net.IN_FEATURES = ["pool3", "pool4", "pool5"]
    # Channels of each branch of the ASPP, and dilations of its 3x3 convolutions.
    net.ASPP_CHANNELS = 256
    net.ASPP_DILATIONS = (4, 8, 12)
    # Channels after each of the decoder's enlargements by 2.
    net.DECODER_CHANNELS = (128, 64, 32)
    # Where a map's least and largest value become 0 and 1: over the whole "canvas" (as published),
    # or, when the network is used, over the "picture" alone.
    net.NORMALIZE_OVER = "canvas"
    # Also hand out a probability density.
    net.DENSITY = False

    test = cfg.TEST.FIXATION = CfgNode()
    # Definitions of the metrics: "tuebingen" (pysaliency) or "mit" (the old benchmark's Matlab).
    test.FLAVOUR = "tuebingen"
    # Metrics by name (see sor_ppa.evaluation.fixation); () = all of the flavour.
    test.METRICS = ()
    # Spread, in pixels, of the Gaussian that makes people's map of their fixations: about one
    # degree of visual angle. 24 for MIT1003, 40 for CAT2000.
    test.SIGMA = 24.0
    # Of the random negatives of AUC-Borji, and of MIT's shuffled AUC.
    test.SEED = 0
    # Write maps (PNG) and a table per picture under OUTPUT_DIR/inference.
    test.SAVE = True
    # Processes that compute metrics; 0 = in the evaluating process.
    test.WORKERS = 0
