"""A config for showing results, from what a user types on the command line."""

from __future__ import annotations

import os
from collections.abc import Sequence

from detectron2.config import CfgNode

from sor_ppa import model_zoo
from sor_ppa.compat import available_device
from sor_ppa.engine.setup import find_config, load_config
from sor_ppa.errors import ConfigError


def inference_config(
    config_file: str,
    opts: Sequence[str] = (),
    *,
    device: str | None = None,
    threshold: float | None = None,
    max_pixels: int | None = None,
) -> CfgNode:
    """A frozen config for :class:`~sor_ppa.engine.predictor.Predictor`.

    Args:
        config_file: path of a yaml file, or name of a config of the model zoo ("sor/tiny.yaml").
            A config of the zoo brings its bundled weights, where it has some.
        opts: KEY VALUE KEY VALUE ...; they win over the file and its bundled weights.
        device: overrides ``MODEL.DEVICE``.
        threshold: class probability from which something counts as an object. It acts before the
            ranking (the ranks compare the objects found), hence on the config's thresholds.
        max_pixels: overrides ``INPUT.MAX_PIXELS``.

    Raises:
        ConfigError: no such config, an unknown key, a value of the wrong type or range.
    """
    cfg = load_config(config_file, opts)
    if "MODEL.WEIGHTS" not in opts[::2]:
        cfg.MODEL.WEIGHTS = _bundled_weights(find_config(config_file)) or cfg.MODEL.WEIGHTS
    cfg.MODEL.DEVICE = available_device(device or cfg.MODEL.DEVICE)
    if threshold is not None:
        _set_threshold(cfg, threshold)
    if max_pixels is not None:
        cfg.INPUT.MAX_PIXELS = max_pixels
    cfg.freeze()
    return cfg


def _bundled_weights(path: str) -> str:
    """Address of the weights that come with a config of the zoo; "" for any other file."""
    if not os.path.isfile(path):
        return ""
    with_weights = filter(model_zoo.has_weights, model_zoo.available())
    same = (n for n in with_weights if os.path.samefile(path, model_zoo.get_config_file(n)))
    return next(map(model_zoo.weights_url, same), "")


def _set_threshold(cfg: CfgNode, threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise ConfigError(f"--confidence-threshold must lie in 0 ... 1, got {threshold}")
    cfg.MODEL.FCOS.INFERENCE_TH_TEST = threshold
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = threshold
