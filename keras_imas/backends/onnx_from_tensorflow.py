"""Help tf2onnx, which converts TensorFlow's graphs to ONNX, where it fails."""

import contextlib
import functools

import keras
import numpy as np


@contextlib.contextmanager
def helped_tf2onnx(network):
    """Let a network be converted, in a context. Does nothing on other backends.

    - `Erfc`, of which GELU is made, becomes known to tf2onnx.
    - Mean and variance of `keras.layers.Normalization` become constants of the graph.
      As tensors outside of it they would become inputs of the converted model.

    Args:
        network: Keras model.

    Example:
        >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.ReLU()])
        >>> with helped_tf2onnx(network):
        ...     network.output_shape  # network.export(path, format="onnx")
        (None, 8, 8, 3)
    """
    if keras.backend.backend() != "tensorflow":
        yield
        return
    _teach_erfc()
    statistics = [
        (layer, name, getattr(layer, name))
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.Normalization)
        for name in ("mean", "variance")
    ]
    try:
        for layer, name, value in statistics:
            setattr(layer, name, keras.ops.convert_to_numpy(value))
        yield
    finally:
        for layer, name, value in statistics:
            setattr(layer, name, value)


@functools.cache
def _teach_erfc():
    """Convert `erfc(x)` to `1 - erf(x)`."""
    try:
        from tf2onnx import utils
        from tf2onnx.handler import tf_op
    except ImportError:  # Keras says what is missing
        return

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, graph, node, **_):
            kind = {"shapes": node.output_shapes, "dtypes": node.output_dtypes}
            dtype = utils.map_onnx_to_numpy_type(node.output_dtypes[0])
            erf = graph.make_node("Erf", node.input, **kind)
            one = graph.make_const(utils.make_name("one"), np.array(1, dtype))
            graph.remove_node(node.name)
            graph.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                outputs=node.output,
                name=node.name,
                **kind,
            )
