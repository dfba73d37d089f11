"""Export a network, and check each export in its own runtime."""

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_imas.backends.export import export_network
from keras_imas.data.classes import ClassTable
from keras_imas.files import standard_json
from keras_imas.files.user_path import user_path
from keras_imas.typing import ArrayLike, Size, StrPath


@dataclasses.dataclass(frozen=True)
class Format:
    """A format that Keras exports to.

    Attributes:
        path: Path of the export, relative to the output directory.
        packages: Dict from module to the package that provides it, for those that
            exporting or running needs besides Keras' backends.
        load: Function that takes the path and returns a function from images to logits,
            both NumPy arrays.
        describe: Function that takes the path and metadata in JSON, and writes them
            into the export. `None` if the format can't hold them.
    """

    path: str
    packages: dict
    load: Callable
    describe: Callable | None = None


def export(
    network: keras.Model,
    directory: StrPath,
    format: str,
    *,
    size: Size,
    metadata: dict[str, Any],
    photograph: ArrayLike,
) -> dict[str, Any]:
    """Export a network, load the export in its own runtime, and compare logits.

    Args:
        network: Keras model from images to logits, as `keras_imas.inference.segmenter`
            returns.
        directory: Directory to export into.
        format: Name of one of `FORMATS`.
        size: `(height, width)` of the images.
        metadata: Dict of what the network takes and returns, as from `describe`.
        photograph: `(height, width, 3)`, 0..255, to compare logits on.

    Returns:
        Dict of `"path"`, `"megabytes"`, `"largest_difference"` of the logits,
        `"logits_range"`, and `"same_class"`, the share of pixels of the same class.

    Raises:
        ModuleNotFoundError: If a package is missing; the message names it.
        ValueError: If the export returns other logits than the network.
        Exception: Whatever Keras or the runtime raises if it can't export or run it.
    """
    what = FORMATS[format]
    missing = [p for m, p in what.packages.items() if not importlib.util.find_spec(m)]
    if missing:
        raise ModuleNotFoundError(f"it needs: pip install {' '.join(missing)}")
    path = os.path.join(user_path(directory), what.path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    signature = [keras.InputSpec(shape=(1, *size, 3), dtype="float32", name="images")]
    export_network(network, path, format, verbose=False, input_signature=signature)
    if what.describe is not None:
        what.describe(path, standard_json.dumps(metadata))

    images = np.asarray(photograph, "float32")[None]
    expected = keras.ops.convert_to_numpy(network(images, training=False))
    logits = np.asarray(what.load(path)(images))
    if logits.shape != expected.shape:
        raise ValueError(
            f"the export returns the shape {logits.shape}, the network {expected.shape}"
        )
    difference = float(np.abs(logits - expected).max())
    spread = float(expected.max() - expected.min())
    same = float((logits.argmax(-1) == expected.argmax(-1)).mean())
    if not difference <= 1e-2 * max(spread, 1e-3):
        raise ValueError(
            "the export computes something else: its logits differ by "
            f"{difference:.3g} where the network's span {spread:.3g}, and {same:.2%} "
            "of the pixels have the same class"
        )
    return {
        "path": path,
        "megabytes": round(_bytes(path) / 1e6, 2),
        "largest_difference": difference,
        "logits_range": spread,
        "same_class": same,
    }


def describe(
    size: Size, classes: ClassTable, image_range: tuple[float, float] | None = None
) -> dict[str, Any]:
    """Describe what an exported network takes and returns.

    Args:
        size: `(height, width)` of the images.
        classes: `keras_imas.data.ClassTable` with colors.
        image_range: `(low, high)`, the values in files that become 0 and 255. Defaults
            to `None`: those that the files' bits can hold.

    Returns:
        Dict of lists, numbers and strings.

    Example:
        >>> from keras_imas.data import ClassTable
        >>> table = ClassTable(("sky",), ((1, 2, 3),))
        >>> describe((8, 16), table)["input"]["shape"]
        [1, 8, 16, 3]
    """
    return {
        "input": {
            "shape": [1, *size, 3],
            "dtype": "float32",
            "colors": "RGB",
            "range": [0, 255],
            "values_in_files": None if image_range is None else list(image_range),
            "scaling": "none needed: the network scales its input",
        },
        "output": {
            "shape": [1, *size, len(classes.names)],
            "dtype": "float32",
            "meaning": "logits; the largest along the last axis is the class",
        },
        "classes": list(classes.names),
        "colors": [list(color) for color in classes.colors],
    }


def _bytes(path):
    """Return the size of an export: a file, with its weights beside it, or a folder."""
    if os.path.isfile(path):
        stem = os.path.splitext(path)[0]
        paths = {path, f"{stem}.bin"} if path.endswith(".xml") else {path}
        return sum(os.path.getsize(p) for p in paths if os.path.exists(p))
    return sum(
        os.path.getsize(os.path.join(folder, name))
        for folder, _, names in os.walk(path)
        for name in names
    )


def _load_saved_model(path):
    import tensorflow as tf  # noqa: TID251  the runtime of this format

    loaded = tf.saved_model.load(path)

    def run(images):
        return loaded.serve(tf.constant(images)).numpy()

    return run


def _load_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images})[0]


def _describe_onnx(path, metadata):
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"keras_imas": metadata})
    onnx.save(model, path)


def _load_litert(path):
    from ai_edge_litert.interpreter import Interpreter

    def run(images):
        interpreter = Interpreter(model_path=path)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])

    return run


def _load_openvino(path):
    import openvino

    # By default it computes in half precision where the processor supports it.
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", options)
    return lambda images: model([images])[0]


def _describe_openvino(path, metadata):
    import openvino

    model = openvino.Core().read_model(path)
    model.set_rt_info(metadata, "keras_imas")
    part = f"{os.path.splitext(path)[0]}_described.xml"
    openvino.save_model(model, part, compress_to_fp16=False)
    del model  # it holds the file of weights open
    for suffix in (".xml", ".bin"):
        stem = os.path.splitext(path)[0]
        os.replace(f"{stem}_described{suffix}", f"{stem}{suffix}")


FORMATS = {
    "tf_saved_model": Format(
        "saved_model", {"tensorflow": "tensorflow"}, _load_saved_model
    ),
    "onnx": Format(
        "model.onnx",
        {"onnx": "onnx", "onnxruntime": "onnxruntime"},
        _load_onnx,
        _describe_onnx,
    ),
    "litert": Format(
        "model.tflite", {"ai_edge_litert": "ai-edge-litert"}, _load_litert
    ),
    "openvino": Format(
        "openvino/model.xml",
        {"openvino": "openvino"},
        _load_openvino,
        _describe_openvino,
    ),
}
