"""Config keys: backbones, detector and heads of salient object ranking."""

from __future__ import annotations

from detectron2.config import CfgNode


def add_backbones(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
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


def add_fcos(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
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


def add_ranking(cfg: CfgNode) -> None:
    """Adds them to ``cfg`` in place."""
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
