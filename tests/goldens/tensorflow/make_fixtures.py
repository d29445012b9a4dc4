"""Writes small files in TensorFlow's three formats. Needs TensorFlow; not run by the tests.

    python tests/goldens/tensorflow/make_fixtures.py

A network with the names of MSI-Net's tensors and a 32nd of their channels: a frozen graph, a
SavedModel whose weights are constants inside functions, and a checkpoint bundle with the
optimiser's moments. What went in is ``expected.npz``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
MEAN = np.array([103.939, 116.779, 123.68], np.float32).reshape(1, 1, 1, 3)


def narrow(shape: list[int]) -> tuple[int, ...]:
    """The shape with a 32nd of the channels."""
    channels = [max(1, size // 32) if size > 3 else size for size in shape[-2:]]
    return (*shape[:-2], *channels) if len(shape) == 4 else (max(1, shape[0] // 32),)


def tensors() -> dict[str, np.ndarray]:
    """Random numbers under the published names."""
    table = json.loads((HERE.parent / "msinet_keys.json").read_text())["tensors"]
    rng = np.random.default_rng(0)
    return {t["tf"]: rng.standard_normal(narrow(t["tf_shape"])).astype(np.float32) for t in table}


def frozen(values: dict[str, np.ndarray]) -> None:
    """A graph whose variables were turned into constants."""
    v1 = tf.compat.v1
    with v1.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        image = v1.placeholder(tf.float32, (1, 8, 8, 3), name="input")
        outputs = [tf.reduce_sum(image - tf.constant(MEAN, name="Reshape/shape__cf__0"))]
        for name, value in values.items():
            variable = v1.get_variable(name, initializer=tf.constant(value))
            outputs.append(tf.reduce_sum(variable))
        outputs.append(tf.constant(1e-7, name="add/y"))
        tf.add_n(outputs, name="output")
        session.run(v1.global_variables_initializer())
        done = v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), ["output"]
        )
    (HERE / "frozen.pb").write_bytes(done.SerializeToString())


def saved_model(values: dict[str, np.ndarray]) -> None:
    """The frozen graph wrapped as the one on the model hubs is."""
    definition = tf.compat.v1.GraphDef.FromString((HERE / "frozen.pb").read_bytes())

    class Wrapped(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32)])
        def __call__(self, image: tf.Tensor) -> tf.Tensor:
            return tf.graph_util.import_graph_def(
                definition, {"input:0": image}, ["output:0"], name="import"
            )[0]

    folder = HERE / "saved"
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(Wrapped(), str(folder))
    shutil.rmtree(folder / "assets", ignore_errors=True)


def bundle(values: dict[str, np.ndarray]) -> None:
    """A checkpoint as tf.train.Saver writes it while training with Adam."""
    v1 = tf.compat.v1
    with v1.Graph().as_default(), v1.Session() as session:
        for name, value in values.items():
            v1.get_variable(name, initializer=tf.constant(value))
            for slot in ("Adam", "Adam_1"):
                v1.get_variable(f"{name}/{slot}", initializer=tf.zeros_like(value))
        for name in ("beta1_power", "beta2_power"):
            v1.get_variable(name, initializer=0.9)
        v1.get_variable("global_step", initializer=tf.constant(7, tf.int64))
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(
            session, str(HERE / "model.ckpt"), write_meta_graph=False, write_state=False
        )


def main() -> None:
    """Writes all files."""
    values = tensors()
    np.savez_compressed(HERE / "expected.npz", **values)
    frozen(values)
    saved_model(values)
    bundle(values)
    print(tf.__version__, {p.name: p.stat().st_size for p in HERE.rglob("*") if p.is_file()})


if __name__ == "__main__":
    main()
