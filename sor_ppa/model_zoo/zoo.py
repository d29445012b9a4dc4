"""Config nodes and ready models by config name."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.modeling import build_model
from torch import nn

from sor_ppa.compat import available_device
from sor_ppa.config import get_cfg
from sor_ppa.model_zoo.files import get_config_file, weights_url


def get_config(name: str, trained: bool = False) -> CfgNode:
    """The config ``name`` on top of detectron2's and our defaults, not frozen.

    ``MODEL.DEVICE`` becomes ``"cpu"`` where there is no CUDA.

    Args:
        name: path below ``configs/``, e.g. ``"sor/ppa.yaml"``.
        trained: set ``MODEL.WEIGHTS`` to the weights that come with the package; otherwise it is
            what the file says (often a backbone to start training from).

    Raises:
        ConfigError: there is no such config, or no weights come with it.
    """
    cfg = get_cfg()
    cfg.merge_from_file(get_config_file(name), allow_unsafe=False)
    if trained:
        cfg.MODEL.WEIGHTS = weights_url(name)
    cfg.MODEL.DEVICE = available_device(cfg.MODEL.DEVICE)
    return cfg


def get(name: str, trained: bool = False, device: str | None = None) -> nn.Module:
    """The model of the config ``name``, in evaluation mode.

    Args:
        name: path below ``configs/``.
        trained: load the weights that come with the package; otherwise nothing is loaded and the
            weights are random.
        device: overrides the config's device.

    Raises:
        ConfigError: there is no such config, or no weights come with it.
    """
    cfg = get_config(name, trained=trained)
    if device is not None:
        cfg.MODEL.DEVICE = available_device(device)
    model = build_model(cfg)
    if trained:
        from sor_ppa.checkpoint import SaliencyCheckpointer

        SaliencyCheckpointer(model, strict=True).load(cfg.MODEL.WEIGHTS)
    return model.eval()
