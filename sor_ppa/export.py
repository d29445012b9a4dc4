"""Networks of dense saliency and of fixations as ONNX files, for runtimes without PyTorch.

A file holds one pass of the network, from a normalised picture to its logits (of an InSPyReNet: to
the whole pyramid); what stands around it (resizing, blending) is told by the config. Its metadata
say how pictures are normalised and which sizes it takes, so that
:mod:`sor_ppa.engine.onnx_backend` needs nothing else. Networks that see a second modality beside
the picture are not exported.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from detectron2.config import CfgNode
from torch import nn

from sor_ppa import __version__
from sor_ppa.checkpoint.atomic import atomic_open
from sor_ppa.errors import ConfigError
from sor_ppa.exporting.graphs import (
    FIXATION_FORMAT,
    FIXATION_NAMES,
    INPUT_NAME,
    LOGITS_NAMES,
    OUTPUT_NAMES,
    ExportGraph,
    FixationGraph,
    LogitsGraph,
    PyramidGraph,
)
from sor_ppa.exporting.half_weights import halve_weights
from sor_ppa.modeling.meta_arch.a2s import A2S
from sor_ppa.modeling.meta_arch.cornet import CoRNet
from sor_ppa.modeling.meta_arch.msinet import MSINet

logger = logging.getLogger(__name__)

__all__ = ["FIXATION_NAMES", "LOGITS_NAMES", "OUTPUT_NAMES", "compare", "export_onnx"]

#: Sides of a file of dynamic size go up to this.
SIZE_LIMIT = 4096
# Not square, and at least two of Swin's windows a side at the coarsest stage: a size of 1 there
# would be taken for a constant.
_EXAMPLE_HW = (416, 480)


def export_onnx(
    cfg: CfgNode,
    path: str | os.PathLike[str],
    *,
    model: nn.Module | None = None,
    dynamic: bool = True,
    size_hw: Sequence[int] | None = None,
    half: bool = False,
    name: str = "",
) -> Path:
    """Writes the network of a config as an ONNX file, at once or not at all.

    Args:
        cfg: of a dense network that sees only the picture, or of a fixation network;
            ``MODEL.WEIGHTS`` are loaded.
        path: file to write.
        model: use this network instead of building and loading one.
        dynamic: let height and width be any multiples of 32 (fixations: of 8). Where a network
            cannot, the size is fixed and a warning says why.
        size_hw: (height, width) of a file of fixed size; by default that of the config's test.
        half: store weights as float16, in about half the bytes; see
            :mod:`sor_ppa.exporting.half_weights`.
        name: of the config, for the metadata.

    Returns:
        The path.

    Raises:
        ConfigError: the config is of another kind of network, the size is no multiple of 4
            (fixations: of 8), or a package for ONNX is missing.
    """
    _require("onnx", "onnxscript")
    graph = _graph(cfg, model)
    size = _fixed_size(cfg, graph, size_hw)
    program = None
    if dynamic and size_hw is None:
        try:
            program = _export(graph, _EXAMPLE_HW, dynamic=True)
        except Exception as error:  # the exporter raises whatever its passes raise
            reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
            logger.warning("the size is fixed at %d x %d: dynamic export failed: %s", *size, reason)
    is_dynamic = program is not None
    if program is None:
        program = _export(graph, size, dynamic=False)
    about = _metadata(cfg, graph, name, None if is_dynamic else size)
    program.model.metadata_props.update(about)
    proto = program.model_proto
    if half:
        halve_weights(proto)
    with atomic_open(path) as file:
        file.write(proto.SerializeToString())
    return Path(path)


def compare(
    cfg: CfgNode,
    path: str | os.PathLike[str],
    sizes: Iterable[Sequence[int]],
    *,
    model: nn.Module | None = None,
    seed: int = 0,
) -> float:
    """Largest difference of the maps (0 ... 1) of an ONNX file and of PyTorch, on made-up inputs.

    Args:
        cfg: as it was exported.
        path: of the file.
        sizes: (height, width) of the inputs.
        model: as it was exported.
        seed: of the inputs, blurred noise.
    """
    from sor_ppa.engine.onnx_file import OnnxFile

    graph = _graph(cfg, model)
    file = OnnxFile(path)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (file.pixel_mean, file.pixel_std))
    rng = torch.Generator().manual_seed(seed)
    worst = 0.0
    for height, width in sizes:
        coarse = torch.rand(1, 3, -(-height // 16), -(-width // 16), generator=rng)
        image = nn.functional.interpolate(255 * coarse, (height, width), mode="bicubic")
        image = (image - mean) / std
        with torch.inference_mode():
            want = graph(image)[0]
        (got,) = file.run(image, graph.names[:1])
        worst = max(worst, float((got - want).abs().max()))
    return worst


def _graph(cfg: CfgNode, model: nn.Module | None) -> ExportGraph:
    """What is exported of the network of a config, or of the given one."""
    name = cfg.MODEL.META_ARCHITECTURE
    if cfg.INPUT.DENSE.TEST_MODALITIES:
        kinds = ", ".join(cfg.INPUT.DENSE.MODALITIES)
        raise ConfigError(
            f"MODEL.META_ARCHITECTURE {name!r} sees {kinds} beside the picture: networks of two "
            "inputs have no ONNX export; use PyTorch"
        )
    if model is None:
        from sor_ppa.engine.predictor import Predictor

        model = Predictor(cfg, device="cpu").model
    model = model.cpu().eval()
    if hasattr(model, "pyramid"):
        return PyramidGraph(model).eval()
    if isinstance(model, (A2S, CoRNet)):
        return LogitsGraph(model).eval()
    if isinstance(model, MSINet):
        return FixationGraph(model).eval()
    raise ConfigError(
        f"MODEL.META_ARCHITECTURE {name!r} has no ONNX export; only dense saliency out of one "
        "picture (InSPyReNet, A2S, CoRNet) and fixations (MSINet) have"
    )


def _fixed_size(cfg: CfgNode, graph: ExportGraph, size_hw: Sequence[int] | None) -> tuple[int, int]:
    if graph.format == FIXATION_FORMAT:
        step, least, usual = graph.step, graph.step, cfg.INPUT.FIXATION.SIZE
    else:
        dense = cfg.INPUT.DENSE
        static = dense.TEST_RESIZE == "static"
        step, least, usual = 4, 32, dense.TEST_SIZE if static else dense.LR_SIZE
    height, width = size_hw or usual
    if height < least or width < least or height % step or width % step:
        raise ConfigError(
            f"the size must be multiples of {step} from {least} on, got {height} x {width}"
        )
    return int(height), int(width)


def _export(graph: ExportGraph, size_hw: tuple[int, int], *, dynamic: bool) -> Any:  # noqa: ANN401
    """The exporter's program for pictures of that size, or of that size and others."""
    shapes = None
    if dynamic:
        most = SIZE_LIMIT // graph.step
        height, width = (torch.export.Dim(n, min=1, max=most) for n in ("height", "width"))
        shapes = {"image": {2: graph.step * height, 3: graph.step * width}}
    with torch.no_grad():
        return torch.onnx.export(
            graph,
            (torch.zeros(1, 3, *size_hw),),
            dynamo=True,
            verbose=False,
            input_names=[INPUT_NAME],
            output_names=list(graph.names),
            dynamic_shapes=shapes,
        )


def _metadata(
    cfg: CfgNode, graph: ExportGraph, name: str, size_hw: tuple[int, int] | None
) -> dict[str, str]:
    """What the file says about itself; every value is JSON but for plain words."""
    return {
        "format": graph.format,
        "sor_ppa": __version__,
        "config": name,
        "channels": "RGB" if cfg.INPUT.FORMAT == "RGB" else "BGR",
        "pixel_mean": json.dumps([float(v) for v in cfg.MODEL.PIXEL_MEAN]),
        "pixel_std": json.dumps([float(v) for v in cfg.MODEL.PIXEL_STD]),
        "normalize": json.dumps(bool(cfg.MODEL.INSPYRENET.NORMALIZE)),
        "size_hw": json.dumps(size_hw),  # null: any multiples of size_step
        "size_step": json.dumps(graph.step),
        **graph.about(),
    }


def _require(*packages: str) -> None:
    for package in packages:
        try:
            __import__(package)
        except ImportError as error:
            raise ConfigError(
                f"the package {package} is missing; install it with: pip install 'sor_ppa[onnx]'"
            ) from error
