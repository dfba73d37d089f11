"""Segment photographs with a saved network.

    python scripts/predict.py --model=runs/folder-imas-1 --input=photos --output=out

`--model` is the directory of a run (its best teacher), a file that a run saved, or any
Keras model from images 0..255 to logits. `--input` is an image, a folder, or a pattern
in quotes. `--output` gets masks/ (class ids, with colors as palette), overlays/ and,
with --confidence, confidence/, all named like the images, and classes.csv. Run the same
command again to resume.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import math  # noqa: E402
import sys  # noqa: E402

from absl import app, flags  # noqa: E402
from PIL import Image  # noqa: E402

from keras_imas import data  # noqa: E402
from keras_imas.inference import image_files  # noqa: E402
from keras_imas.models.logits import segmenter  # noqa: E402
from keras_imas.runs import saved_networks  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "File of a saved model, or directory of a run.")
flags.DEFINE_string("input", None, "An image, a folder of images, or a pattern.")
flags.DEFINE_string("output", None, "Directory: new, or with the same predictions.")
flags.DEFINE_boolean("overlay", True, "Write the colors over the images.")
flags.DEFINE_float("opacity", 0.5, "Share of the colors in an overlay.", 0, 1)
flags.DEFINE_boolean(
    "confidence", False, "Write the probability of the predicted class."
)
flags.DEFINE_string(
    "classes",
    None,
    "CSV file of the classes' names and colors (name,id,r,g,b); default: those of the "
    "model's run.",
)
flags.DEFINE_integer(
    "window",
    0,
    "Side of a sliding window; 0: the size the network is built for, or whole images, "
    "very large ones by windows.",
)
flags.DEFINE_float(
    "stride", 2 / 3, "Step from one window to the next, as a fraction of its side."
)
flags.DEFINE_boolean("flip", False, "Average with the mirrored image.")
flags.DEFINE_list("scales", ["1"], "Average over images scaled by these factors.")
flags.DEFINE_integer("batch_size", 1, "Windows or whole images of one size at once.")
flags.DEFINE_integer("verbose", 1, "1: progress bar, 0: none.")
flags.mark_flags_as_required(["model", "input", "output"])


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(
            f"Unknown arguments: {' '.join(argv[1:4])} (a pattern needs quotes)"
        )
    try:
        images = image_files.find_images(FLAGS.input, leave_out=FLAGS.output)
        model_file = saved_networks.model_file(FLAGS.model)
        # An IMAS model gives its teacher first.
        network = next(iter(saved_networks.load_networks([model_file]).values()))
        num_classes = segmenter(network).output_shape[-1]
        _compare_sizes(
            saved_networks.image_size_of(model_file), next(iter(images.values()))
        )
        table = data.read_class_table(FLAGS.classes) if FLAGS.classes else None
        results = image_files.predict_files(
            network,
            images,
            FLAGS.output,
            saved_networks.classes_of(model_file, num_classes, table),
            made_by=model_file,
            overlays=FLAGS.overlay,
            confidence=FLAGS.confidence,
            opacity=FLAGS.opacity,
            window=FLAGS.window or None,
            verbose=FLAGS.verbose,
            stride=FLAGS.stride,
            flip=FLAGS.flip,
            scales=tuple(map(float, FLAGS.scales)),
            batch_size=FLAGS.batch_size,
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
    for path, reason in list(skipped.items())[:20]:
        print(f"  {path}: {reason}")
    if len(skipped) > 20:
        print(f"  ... all of them in {os.path.join(FLAGS.output, 'predictions.json')}")


def _compare_sizes(trained, path):
    """Print a note if the network was trained at a very different scale."""
    if trained is None or FLAGS.scales != ["1"]:
        return
    try:
        with Image.open(path) as image:
            width, height = image.size
    except OSError:  # it will be skipped and listed
        return
    scale = math.sqrt(trained[0] * trained[1] / (height * width))
    if not 0.8 < scale < 1.25:
        print(
            f"Note: the run resized its images to {trained[0]} x {trained[1]} (height "
            f"x width), and {path} is {height} x {width}. With --scales={scale:.2g} "
            "things are as large as in training."
        )


if __name__ == "__main__":
    app.run(main)
