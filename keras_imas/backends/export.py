"""Export a network as Keras does, and where Keras fails."""

from typing import Any

import keras

from keras_imas.backends.onnx_from_tensorflow import helped_tf2onnx
from keras_imas.typing import StrPath


def export_network(
    network: keras.Model, filepath: StrPath, format: str, **options: Any
) -> None:
    """Export a network as `keras.Model.export` does, and where that fails.

    Args:
        network: Keras model from images to logits, as `keras_imas.inference.segmenter`
            returns.
        filepath: Where to write.
        format: See `keras.Model.export`.
        **options: See there.

    Raises:
        ValueError: If the network takes any size, on PyTorch, and no `input_signature`
            tells one.
    """
    if (
        keras.backend.backend() == "torch"
        and None in network.input_shape[1:3]
        and options.get("input_signature") is None
    ):
        # Keras would take 1 x 1, and the export compute something else at others.
        raise ValueError(
            "The network takes images of any size, and on PyTorch an export takes one. "
            "Pass `input_signature=[keras.InputSpec(shape=(1, height, width, 3), "
            'dtype="float32", name="images")]`'
        )
    network(network.inputs[0])  # Keras refuses ONNX of what was never called
    with helped_tf2onnx(network):
        network.export(filepath, format=format, **options)
