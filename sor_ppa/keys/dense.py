"""Config keys: dense saliency, with masks and without."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_dense(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
    inputs = cfg.INPUT.DENSE = CfgNode()
    # Training: pictures become (height, width); then random scale and crop, rotation by up to
    # so many degrees, contrast / sharpness / brightness by up to 1 + so much (0 = without).
    inputs.TRAIN_SIZE = (384, 384)
    inputs.SCALE_CROP = (0.75, 1.25)
    inputs.ROTATE = 10
    inputs.ENHANCE = 0.1
    # Filter that makes pictures and modalities smaller or larger: "bilinear" or "bicubic".
    inputs.INTERPOLATION = "bilinear"
    # What comes beside the picture, in this order: of "depth", "flow", "thermal".
    inputs.MODALITIES = ()
    # Whether the network also sees them when it is used; else they only teach it.
    inputs.TEST_MODALITIES = False
    # False: training without masks; none is read, even where there are some.
    inputs.USE_MASKS = True
    # What a mask's grey levels become: "soft" (/ 255), "threshold" (> 127), "minmax" (stretched).
    inputs.MASK_MODE = "soft"
    # Test: "static" = TEST_SIZE whatever the shape; "dynamic" = own shape in multiples of 32, the
    # shorter side at most DYNAMIC_LIMIT.
    inputs.TEST_RESIZE = "dynamic"
    inputs.TEST_SIZE = (384, 384)
    inputs.DYNAMIC_LIMIT = 1280
    # Pyramid blending: both sides above this = a pass at LR_SIZE and one at full size, blended;
    # else one pass at LR_SIZE. 0 = never blend: one pass at the size of TEST_RESIZE.
    inputs.BLEND_ABOVE = 0
    inputs.LR_SIZE = (384, 384)

    net = cfg.MODEL.INSPYRENET = CfgNode()
    # The backbone's five maps, finest first.
    net.IN_FEATURES = ["stem", "res2", "res3", "res4", "res5"]
    # Channels of attention0, attention1, attention2, and of the decoder with contexts 3-5.
    # Contexts 1 and 2 have those of attention1 and attention2.
    net.DEPTHS = (64, 64, 64, 64)
    # Kernel sizes of the attention branches of context1 ... context5; () = without.
    net.CONTEXT_KERNELS = ((3, 5, 7), (3, 5, 7), (3, 5, 7), (3, 5, 7), (3, 5, 7))
    # Height and width that the grids of the context attention are made for.
    net.BASE_SIZE = (384, 384)
    # Stretch each map to 0 ... 1, as published: something is always salient.
    net.NORMALIZE = True
    # Also hand out the pyramid (d3 ... d0, p2 ... p0) a map was made from.
    net.RETURN_PYRAMID = False
    # Weights of the losses of saliency and of consistency between levels.
    net.LOSS_WEIGHT = 1.0
    net.CONSISTENCY_WEIGHT = 1e-4

    # Share of residual branches dropped in training, rising from 0 to this over the blocks.
    cfg.MODEL.SWIN = CfgNode({"DROP_PATH_RATE": 0.2})

    test = cfg.TEST.DENSE = CfgNode()
    # Published definitions: "pysod", "inspyrenet" or "a2s" (see sor_ppa.evaluation.dense), or
    # several of them, separated by commas: then the first one's names have no prefix.
    test.PROTOCOL = "pysod"
    # Metrics by name; () = all of the protocol but the slow extras.
    test.METRICS = ()
    # Write maps (PNG) and a table per picture under OUTPUT_DIR/inference.
    test.SAVE = True
    # Processes that compute metrics; 0 = in the evaluating process.
    test.WORKERS = 0
    # True: masks that cannot be used are an error at the end; else their pictures are left out.
    test.STRICT = False


def add_unsupervised(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
    net = cfg.MODEL.A2S = CfgNode()
    # Epochs in which the encoder learns nothing (its batch norms go on counting); -1 = all.
    net.FROZEN_EPOCHS = -1
    # Each step also sees the pictures at their size plus one of these (pixels).
    net.SIZE_STEPS = (-128, -64, 64, 128)
    # Weights of distilling, of texture matching and of consistency between the two sizes.
    net.CSD_WEIGHT = 1.0
    net.BTM_WEIGHT = 0.05
    net.CONSISTENCY_WEIGHT = 1.0
    # Texture matching: neighbours up to so many quarter-size pixels away; how fast the weight of
    # a neighbour falls with the difference of colours.
    net.BTM_RADIUS = 5
    net.BTM_ALPHA = 200.0

    # Networks that learn from pseudo labels: the sum of these losses (see
    # sor_ppa.modeling.mask_losses), and the weight of each of the network's outputs.
    cfg.MODEL.STAGE2 = CfgNode({"LOSSES": ("iou",), "OUTPUT_WEIGHTS": (1.0, 0.2)})

    # Dense CRF of the pseudo labels: "auto" = pydensecrf2 where it is installed, "compiled" = only
    # that, "scipy" = our own, "none" = labels straight from the network.
    cfg.PSEUDO_LABELS = CfgNode({"CRF": "auto"})

    # tools/train_unsupervised.py: configs of the two stages, and what is set on top of each. Of
    # STAGE2 there may be several, separated by commas, one a task.
    both = cfg.UNSUPERVISED = CfgNode()
    both.STAGE1 = ""
    both.STAGE1_OPTS = []
    both.STAGE2 = ""
    both.STAGE2_OPTS = []
