"""Exported files of half the size: weights stored as float16, computed with as float32.

Runtimes turn the weights back once, when they load a file, so a pass takes as long as before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Below this many numbers a float16 copy saves nothing worth a node.
_LEAST = 64


def halve_weights(model: Any) -> None:  # noqa: ANN401 - onnx.ModelProto
    """Rounds the large float32 constants of a graph to float16, in place.

    Each gets a node that turns it back. Constants whose numbers float16 cannot hold stay.

    Args:
        model: an ``onnx.ModelProto``.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        values = numpy_helper.to_array(tensor)
        with np.errstate(over="ignore"):
            small = values.astype(np.float16)
        if not np.isfinite(small).all():
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}_half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
