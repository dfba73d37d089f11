"""Export a saved network to other formats, and check each in its own runtime.

    keras-imas export --model=runs/folder-imas-1 --image=a.jpg --output=served

`--output` gets saved_model/ (TensorFlow), model.onnx, model.tflite (LiteRT) and
openvino/, and export.json: the inputs and outputs, the names and colors of the classes,
and how far each export's logits are from the network's on the photograph. ONNX and
OpenVINO files contain this, too. If a format fails, the program says why and continues.
Needs pip install "keras-imas[export]".
"""

import os
import sys

import keras
import numpy as np
from absl import flags, logging
from PIL import Image

from keras_imas.data import files, pixels
from keras_imas.files import standard_json
from keras_imas.files.whole_file import write_whole
from keras_imas.inference.export import FORMATS, describe, export
from keras_imas.models.logits import segmenter
from keras_imas.models.size_rule import size_rule
from keras_imas.runs import provenance
from keras_imas.runs.flags import define_flags, define_path
from keras_imas.runs.model_flags import define_model_flags, model_from_flags
from keras_imas.runs.new_directory import claim_directory
from keras_imas.runs.reading import Reading

FLAGS = flags.FLAGS
FIRST = {"Flags": ("model", "image", "output", "formats", "size", "classes")}


def define():
    """Define its flags."""
    define_model_flags()
    define_path("output", None, "New directory.")
    define_path("image", None, "Photograph to compare logits on.")
    flags.DEFINE_list("formats", list(FORMATS), "Formats, separated by commas.")
    flags.DEFINE_list(
        "size",
        None,
        "height,width of the images to serve; default: the size that the network is "
        "built for, or that its run resized images to, or that of --image.",
    )
    define_flags(Reading, only=("image_range", "max_pixels"))
    flags.mark_flags_as_required(["model", "output", "image"])
    flags.register_validator(
        "formats",
        lambda names: set(names) <= set(FORMATS),
        f"must be of {', '.join(FORMATS)}",
    )
    flags.register_validator(
        "size",
        lambda size: size is None or len(size) == 2 and all(x.isdigit() for x in size),
        "must be height,width, such as 360,480",
    )


def main(argv):
    """Export a network as the flags say, and return the exit status.

    Args:
        argv: Command line, of which absl has taken the flags.

    Returns:
        0, or 1 if there are errors.
    """
    logging.set_verbosity(logging.ERROR)  # converters are talkative
    try:
        model_file, network, reading, classes = model_from_flags()
        network = segmenter(network)
        image_range = reading.image_range or None
        files.allow_pixels(reading.max_pixels)
        header = files.read_header(FLAGS.image, reading.max_pixels)
        problem = files.image_problem(header, image_range)
        if problem:
            raise ValueError(f"{FLAGS.image!r} {problem}")
        image = pixels.read_image(FLAGS.image, image_range)
        size = _size(network, reading.image_size or image.shape[:2])
        claim_directory(FLAGS.output, flag="output")
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    metadata = describe(size, classes, image_range)
    print(f"Images of {size[0]} x {size[1]} (height x width)")
    results, failed = {}, {}
    for name in FLAGS.formats:
        print(f"{name} ...", flush=True)
        try:
            result = export(
                network,
                FLAGS.output,
                name,
                size=size,
                metadata=metadata,
                photograph=np.asarray(resized),
            )
        except Exception as error:  # converters raise errors of many types
            failed[name] = " ".join(str(error).split())[:500] or repr(error)
            print(f"{name}: failed: {failed[name]}")
            continue
        results[name] = result
        print(
            f"{name}: {result['path']}, {result['megabytes']} MB, logits within "
            f"{result['largest_difference']:.2g} (they span "
            f"{result['logits_range']:.3g}), {result['same_class']:.3%} same classes"
        )
    content = {
        **metadata,
        "model": model_file,
        "versions": provenance.versions(),
        "exports": results,
        "failed": failed,
    }
    text = standard_json.dumps(content, indent=1) + "\n"
    write_whole(os.path.join(FLAGS.output, "export.json"), text)
    print(f"Written to {FLAGS.output}: {', '.join(results) or 'nothing'}")
    if failed and keras.backend.backend() != "tensorflow":
        print(
            f"{keras.backend.backend()} can't export all of these. Saved networks load "
            "on any backend: try KERAS_BACKEND=tensorflow."
        )
    return 1 if failed else 0


def _size(network, default):
    built = network.input_shape[1:3]
    size = tuple(map(int, FLAGS.size)) if FLAGS.size else None
    if None not in built:
        if size not in (None, built):
            raise ValueError(f"The network is built for {built}. Received: size={size}")
        return built
    size_rule(network).check("size", size or default)
    return size or default
