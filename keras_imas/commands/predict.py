"""Segment photographs with a saved network.

    keras-imas predict --model=runs/folder-imas-1 --input=photos --output=out

`--model` is the directory of a run (its best teacher), a file that a run saved, or any
Keras model from images 0..255 to logits. `--input` is an image, a folder, or a pattern
in quotes. Images are resized as in the model's run, and masks have the images' own
size. `--output` gets masks/ (class ids, with the class colors as palette), overlays/
and, with --confidence, confidence/, all named like the images, and classes.csv. Rerun
the command to resume.
"""

import os
import sys

from absl import app, flags

from keras_imas.inference import image_files
from keras_imas.runs.flags import (
    define_flags,
    define_path,
    define_verbose,
)
from keras_imas.runs.model_flags import define_model_flags, model_from_flags
from keras_imas.runs.prediction_flags import (
    define_prediction_flags,
    options_from_flags,
)
from keras_imas.runs.reading import Reading

FLAGS = flags.FLAGS
TAKES_ARGUMENTS = True
FIRST = {
    "What to predict": ("model", "input", "output"),
    "What is written": ("overlay", "opacity", "confidence", "classes"),
    "Prediction": ("window", "flip", "scales", "batch_size", "image_size"),
}


def define():
    """Define its flags."""
    define_model_flags()
    define_path("input", None, "An image, a folder of images, or a pattern.")
    define_path("output", None, "New directory, or an earlier one to resume.")
    flags.DEFINE_boolean(
        "overlay",
        True,
        "Write the colors over the images, scaled down to the 65,500 pixels a side "
        "that a JPEG can have.",
    )
    flags.DEFINE_float("opacity", 0.5, "Share of the colors in an overlay.", 0, 1)
    flags.DEFINE_boolean(
        "confidence", False, "Write the probability of the predicted class."
    )
    define_flags(Reading, only=("image_size", "image_range", "max_pixels"))
    define_prediction_flags(
        "the size the network is built for, or whole images, very large ones by windows"
    )
    define_verbose()
    flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    """Predict images as the flags say.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    if len(argv) > 1:
        raise app.UsageError(
            f"Unknown arguments: {' '.join(argv[1:4])} (a pattern needs quotes)"
        )
    try:
        images = image_files.find_images(FLAGS.input, leave_out=FLAGS.output)
        model_file, network, reading, classes = model_from_flags()
        options = options_from_flags(model_file)
        del options["size_multiple"]  # chosen by the images' sizes
        results = image_files.predict_files(
            network,
            images,
            FLAGS.output,
            classes,
            made_by=model_file,
            overlays=FLAGS.overlay,
            confidence=FLAGS.confidence,
            opacity=FLAGS.opacity,
            image_size=reading.image_size or None,
            image_range=reading.image_range or None,
            max_pixels=reading.max_pixels,
            verbose=FLAGS.verbose,
            **options,
        )
    except (ValueError, OSError) as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to resume.")
    skipped = results["skipped"]
    print(
        f"{results['predicted']} images predicted, {results['kept']} were there "
        f"already, {len(skipped)} skipped. Written to {FLAGS.output}"
    )
    if results["georeferenced"]:
        print(f"{results['georeferenced']} masks are GeoTIFFs, like their photographs")
    for path, reason in list(skipped.items())[:20]:
        # A name that is no UTF-8 must not end the list.
        print(f"  {path}: {reason}".encode(errors="backslashreplace").decode())
    if len(skipped) > 20:
        print(f"  ... all of them in {os.path.join(FLAGS.output, 'predictions.json')}")
