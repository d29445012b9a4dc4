"""Bodies and feature pyramids; importing the package registers them with detectron2."""

from __future__ import annotations

from sor_ppa.modeling.backbone.fpn import (
    LastLevelP6,
    LastLevelP6P7,
    build_fcos_mobilenetv2_fpn_backbone,
    build_fcos_resnet_fpn_backbone,
    build_fcos_vovnet_fpn_backbone,
    build_fpn,
    build_mobilenetv2_fpn_backbone,
    build_top_block,
    build_vovnet_fpn_backbone,
)
from sor_ppa.modeling.backbone.mobilenet import MobileNetV2, build_mnv2_backbone
from sor_ppa.modeling.backbone.res2net import Res2Net50, build_res2net50_backbone
from sor_ppa.modeling.backbone.resnet import ResNet50Maps, build_resnet50_maps_backbone
from sor_ppa.modeling.backbone.swin import SwinTransformer, build_swin_b_backbone
from sor_ppa.modeling.backbone.vgg import DilatedVGG16, build_dilated_vgg16_backbone
from sor_ppa.modeling.backbone.vovnet import BODIES, VoVNet, build_vovnet_backbone

__all__ = [
    "BODIES",
    "DilatedVGG16",
    "LastLevelP6",
    "LastLevelP6P7",
    "MobileNetV2",
    "Res2Net50",
    "ResNet50Maps",
    "SwinTransformer",
    "VoVNet",
    "build_dilated_vgg16_backbone",
    "build_fcos_mobilenetv2_fpn_backbone",
    "build_fcos_resnet_fpn_backbone",
    "build_fcos_vovnet_fpn_backbone",
    "build_fpn",
    "build_mnv2_backbone",
    "build_mobilenetv2_fpn_backbone",
    "build_res2net50_backbone",
    "build_resnet50_maps_backbone",
    "build_swin_b_backbone",
    "build_top_block",
    "build_vovnet_backbone",
    "build_vovnet_fpn_backbone",
]
