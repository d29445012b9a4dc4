"""Every config key that sor_ppa adds to detectron2's defaults, one comment a key.

``get_cfg()`` gives detectron2's defaults plus ours; nothing here touches detectron2's global
default config, so other plugins in the same process see none of it.
"""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.config import get_cfg as _detectron2_cfg


def get_cfg() -> CfgNode:
    """A fresh config: detectron2's defaults plus every key of sor_ppa."""
    cfg = _detectron2_cfg()
    add_saliency_config(cfg)
    return cfg


def add_saliency_config(cfg: CfgNode) -> None:
    """Adds the keys of every system to ``cfg`` in place; calling it twice changes nothing."""
    if "SOR" in cfg.MODEL:
        return
    _add_common(cfg)
    _add_backbones(cfg)
    _add_fcos(cfg)
    _add_ranking(cfg)
    _add_dense(cfg)
    _add_unsupervised(cfg)
    _add_fixation(cfg)
    _add_engine(cfg)


def _add_common(cfg: CfgNode) -> None:
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


def _add_backbones(cfg: CfgNode) -> None:
    # True: `build_fcos_resnet_fpn_backbone` takes MobileNetV2 in place of a ResNet.
    cfg.MODEL.MOBILENET = False
    # MobileNetV2 pads for strides as TensorFlow does, where its weights were trained. (The bundled
    # ranking and saliency models were trained without.)
    cfg.MODEL.MOBILENETV2 = CfgNode({"SAME_PADDING": False})

    cfg.MODEL.VOVNET = CfgNode()
    # One of V-19-slim-dw-eSE, V-19-dw-eSE, V-19-slim-eSE, V-19-eSE, V-39-eSE, V-57-eSE, V-99-eSE.
    cfg.MODEL.VOVNET.CONV_BODY = "V-39-eSE"
    # Feature maps handed on: any of stem, stage2 ... stage5.
    cfg.MODEL.VOVNET.OUT_FEATURES = ["stage2", "stage3", "stage4", "stage5"]
    # Normalisation after each convolution.
    cfg.MODEL.VOVNET.NORM = "FrozenBN"
    # Unused; kept so that published configs merge.
    cfg.MODEL.VOVNET.OUT_CHANNELS = 256
    # Unused; kept so that published configs merge.
    cfg.MODEL.VOVNET.BACKBONE_OUT_CHANNELS = 256
    # Deformable 3x3 convolutions in stage2 ... stage5.
    cfg.MODEL.VOVNET.STAGE_WITH_DCN = (False, False, False, False)
    # Deformable convolutions with a learnt mask (DCNv2).
    cfg.MODEL.VOVNET.WITH_MODULATED_DCN = False
    # Offset groups of a deformable convolution.
    cfg.MODEL.VOVNET.DEFORMABLE_GROUPS = 1


def _add_fcos(cfg: CfgNode) -> None:
    fcos = cfg.MODEL.FCOS = CfgNode()
    # Object classes; 1 = "salient object".
    fcos.NUM_CLASSES = 1
    # Levels the head runs on, and their strides in pixels.
    fcos.IN_FEATURES = ["p3", "p4", "p5", "p6", "p7"]
    fcos.FPN_STRIDES = [8, 16, 32, 64, 128]
    # Extra levels above p5: 2 = p6 and p7, 1 = p6, 0 = none.
    fcos.TOP_LEVELS = 2
    # Probability of foreground that the class bias starts from.
    fcos.PRIOR_PROB = 0.01
    # Class probability above which a location is a candidate, in training and in test.
    fcos.INFERENCE_TH_TRAIN = 0.05
    fcos.INFERENCE_TH_TEST = 0.05
    # True: the threshold is compared with probability x centerness.
    fcos.THRESH_WITH_CTR = False
    # IoU above which the weaker of two boxes goes; <= 0 switches NMS off.
    fcos.NMS_TH = 0.6
    # Candidates kept per level before NMS, and boxes kept per image after it.
    fcos.PRE_NMS_TOPK_TRAIN = 1000
    fcos.PRE_NMS_TOPK_TEST = 1000
    fcos.POST_NMS_TOPK_TRAIN = 100
    fcos.POST_NMS_TOPK_TEST = 100
    # "GN" or "none" in the towers.
    fcos.NORM = "GN"
    # A learnt factor per level on the box distances.
    fcos.USE_SCALE = True
    # Focal loss.
    fcos.LOSS_ALPHA = 0.25
    fcos.LOSS_GAMMA = 2.0
    # Upper limit of the box distance (pixels) of each level but the last.
    fcos.SIZES_OF_INTEREST = [64, 128, 256, 512]
    # Unused; kept so that published configs merge.
    fcos.USE_RELU = True
    # Deformable convolutions in the box tower.
    fcos.USE_DEFORMABLE = False
    # Convolutions in the class, box and shared towers.
    fcos.NUM_CLS_CONVS = 4
    fcos.NUM_BOX_CONVS = 4
    fcos.NUM_SHARE_CONVS = 0
    # Only locations near a box's centre (radius in strides) are positive.
    fcos.CENTER_SAMPLE = True
    fcos.POS_RADIUS = 1.5
    # "giou", "iou" or "linear_iou".
    fcos.LOC_LOSS_TYPE = "giou"


def _add_ranking(cfg: CfgNode) -> None:
    # The mask-IoU head and the weight of its loss.
    cfg.MODEL.MASKIOU_ON = False
    cfg.MODEL.MASKIOU_LOSS_WEIGHT = 1.0
    # Unused in the published system; kept so that published configs merge.
    cfg.MODEL.DET_WEIGHTS = 1.0
    # Which level a box is pooled from: "ratio" (CenterMask, eq. 2) or "area" (FPN, eq. 1).
    cfg.MODEL.ROI_MASK_HEAD.ASSIGN_CRITERION = "area"
    # Unused here; kept so that published configs merge.
    cfg.MODEL.ROI_KEYPOINT_HEAD.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    cfg.MODEL.ROI_KEYPOINT_HEAD.ASSIGN_CRITERION = "ratio"

    head = cfg.MODEL.ROI_MASKIOU_HEAD = CfgNode()
    head.NAME = "MaskIoUHead"
    # Channels and number of 3x3 convolutions; width of the two hidden linear layers.
    head.CONV_DIM = 256
    head.NUM_CONV = 4
    head.DENSE_DIM = 1024

    sor = cfg.MODEL.SOR = CfgNode()
    # Published head name: how position enters and whether objects attend to each other.
    sor.NAME = "SinglePredictor"
    # Objects that get a rank; 1 = most salient ... NUM_RANKS.
    sor.NUM_RANKS = 5
    # Channels and number of 3x3 convolutions; widths of the two linear layers.
    sor.CONV_DIM = 256
    sor.NUM_CONV = 4
    sor.DENSE_DIM = 1024
    sor.OBJ_DIM = 1024
    # Cells a side of the quantised position grid.
    sor.QUANT_NUM = 4
    # Probability (softmax over the objects) that an object must exceed to be given a rank.
    sor.RANK_THRESHOLD = 0.1
    # Weight of the ranking loss.
    sor.LOSS_WEIGHT = 1.0
    # The "xywh" position's 4th number: True = y2 - y1, False = y2 + y1 as published.
    sor.XYWH_TRUE_HEIGHT = False

    transformer = sor.TRANSFORMER = CfgNode()
    # Width, heads and layers of the encoder over a picture's objects; feed-forward is 4 x width.
    transformer.D_MODEL = 256
    transformer.N_HEAD = 1
    transformer.LAYERS = 1
    transformer.DROPOUT = 0.1
    # Coordinate maps are pooled with the features.
    transformer.USE_POS = False
    # Canvas (pixels) by which coordinates are divided.
    transformer.IMG_WIDTH = 640
    transformer.IMG_HEIGHT = 480
    # True: divide by the padded input's own size instead.
    transformer.NORMALIZE_BY_INPUT = False

    # Ground-truth objects without a rank (0, or above NUM_RANKS) count as background, as in ASSR.
    cfg.INPUT.RANKING = CfgNode({"DROP_UNRANKED": True})

    test = cfg.TEST.RANKING = CfgNode()
    # Published evaluation protocol: "ppa", "irsr" or "seqrank" (see sor_ppa.evaluation.ranking).
    test.PROTOCOL = "ppa"
    # How rank maps are painted: "exact" masks or "published" (outlined polygons, see the docs).
    test.DRAWING = "exact"
    # Also run COCO AP/AR on boxes and masks, class-agnostic.
    test.COCO = True
    # Write rank maps and a results JSON under OUTPUT_DIR/inference.
    test.SAVE = True


def _add_dense(cfg: CfgNode) -> None:
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


def _add_unsupervised(cfg: CfgNode) -> None:
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


def _add_fixation(cfg: CfgNode) -> None:
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


def _add_engine(cfg: CfgNode) -> None:
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
