r"""Rank photographs by how hard they are for a network of your own.

    keras-imas hardness --images=photos \
      --models=epoch_10.keras,epoch_20.keras --output=hardness.csv

Pass two checkpoints of any Keras model from images 0..255 to logits (or, with
--probabilities, to probabilities), however it was trained. An image is hard if they are
unsure of it or disagree. Images are read and scored as in the models' run, where there
is one; two runs must have read them alike, and the later model's says how to score.
Writes a table of all images, best to label first: the hardest, without near-duplicates.
"""

import csv
import itertools
import math
import os

import keras
from absl import app, flags

import keras_imas
from keras_imas import data
from keras_imas.files.csv_text import to_cell
from keras_imas.files.whole_file import check_writable, whole_file
from keras_imas.models.logits import list_outputs
from keras_imas.progress import Progress
from keras_imas.report.label_next import label_next, thumbnail_features
from keras_imas.runs import run_directory
from keras_imas.runs.flags import define_flags, define_path
from keras_imas.runs.one_line import in_one_line
from keras_imas.runs.prediction_flags import define_prediction_flags
from keras_imas.runs.reading import Reading
from keras_imas.runs.saved_networks import load_networks, model_file
from keras_imas.runs.several_networks import (
    common_reading,
    options_of_each,
    run_of_each,
)
from keras_imas.runs.unlabeled_part import UnlabeledPart

FLAGS = flags.FLAGS
FIRST = {
    "Flags": ("images", "models", "output", "confidence_threshold", "probabilities"),
    "Prediction": ("window", "flip", "scales", "batch_size"),
}


def define():
    """Define its flags."""
    define_path("images", None, "Folder of images, or a pattern.")
    flags.DEFINE_list("models", None, "Two .keras files of one model, A.keras,B.keras.")
    define_path("output", "hardness.csv", "Table to write.")
    flags.DEFINE_float(
        "confidence_threshold",
        None,
        "Confidence from which a pixel counts as sure; default: that of the later "
        "model's run, else 0.7.",
        0,
        1,
    )
    flags.DEFINE_boolean("probabilities", False, "The models return probabilities.")
    define_flags(Reading, only=("image_size", "image_range", "max_pixels"))
    define_prediction_flags()
    flags.mark_flags_as_required(["images", "models"])


@in_one_line
def main(argv):
    """Rank images as the flags say.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    if len(FLAGS.models) != 2:
        raise app.UsageError("--models takes two files.")
    if os.path.exists(FLAGS.output):
        raise ValueError(f"{FLAGS.output!r} is there. Choose another --output")
    check_writable("output", FLAGS.output)
    files = [model_file(path) for path in FLAGS.models]
    reading = common_reading(files, mask_folder=False)
    examples = data.from_folder(
        FLAGS.images,
        image_size=reading.image_size or None,
        image_range=reading.image_range or None,
        max_pixels=reading.max_pixels,
        on_bad_image="skip",
    )
    options = options_of_each(files, examples)
    earlier, later = (_predictor(file, options[file]) for file in files)

    scoring = _scoring(run_of_each(files)[files[1]])
    names, features, scores = [], [], []

    def images():
        for index, example in examples.pick(range(len(examples))):
            names.append(examples.names[index])
            features.append(thumbnail_features(example["image"]))
            yield example["image"]

    progress = Progress(len(examples), "image", "Scored")
    for first, second in zip(
        *(predict(copy) for predict, copy in zip(
            (earlier, later), itertools.tee(images()), strict=True
        )),
        strict=True,
    ):  # fmt: skip
        hardness = keras_imas.hardness(
            first[None],
            second[None],
            from_logits=False,
            **scoring,
        )
        scores.append(float(hardness[0]))
        progress.add()

    known = [place for place, score in enumerate(scores) if not math.isnan(score)]
    if scores and not known:
        raise ValueError(
            f"The networks return NaN for all {len(scores)} images: look at their "
            "weights; or float16 overflows"
        )
    order, novelty = label_next(
        [scores[place] for place in known],
        [features[place] for place in known],
        count=len(known),
    )
    with (
        whole_file(FLAGS.output) as part,
        open(part, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(["rank", "image", "hardness", "novelty"])
        for rank, (chosen, new) in enumerate(zip(order, novelty, strict=True), 1):
            place = known[chosen]
            name = to_cell(names[place])
            row = [rank, name, round(scores[place], 4), round(float(new), 4)]
            writer.writerow(row)
            if rank <= 5:
                print(f"\n{names[place]}: hardness {scores[place]:.2f}", end="")
    print(f"\nWritten: {FLAGS.output}, {len(known)} images")
    for place in sorted({*range(len(scores))} - {*known}):
        print(f"Skipped: {names[place]}: a network returns NaN for it")
    for reason in examples.bad.values():
        print(f"Skipped: {reason}")


def _scoring(file):
    """Return options of `keras_imas.hardness`, as the run of a network scored."""
    run = run_directory.read(os.path.dirname(file)) or {}
    names = ("confidence_threshold", "background_class")
    said = {n: v for n, v in (run.get("recipe") or {}).items() if n in names}
    if FLAGS.confidence_threshold is not None:
        said["confidence_threshold"] = FLAGS.confidence_threshold
    options = UnlabeledPart(**said).imas_options()
    threshold = options["confidence_threshold"]
    print(f"A pixel counts as sure from a confidence of {threshold:g}.", flush=True)
    return {name: options[name] for name in names}


def _predictor(path, options):
    network = next(iter(load_networks([path]).values()))
    if FLAGS.probabilities:  # whose logarithms are logits of themselves
        probabilities = list_outputs(network.output)[0]
        logits = keras.ops.log(keras.ops.maximum(probabilities, 1e-7))
        network = keras.Model(network.input, logits)
    return keras_imas.inference.Predictor(network, **options)
