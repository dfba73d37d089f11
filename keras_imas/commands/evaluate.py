r"""Evaluate a saved segmentation network: accuracy by class and confusion matrix.

    keras-imas evaluate --images=val_photos --masks=val_masks --window=129 \
      --model=runs/folder-imas-1/teacher_last.keras,runs/folder-imas-1/student_last.keras

`--model` names files saved by a training program, a run's directory, or any Keras
models from images 0..255 to logits. For a whole `IMAS`, saved by `model.save`, teacher
and student are both evaluated. Images and masks are read as in the models' runs, which
must agree: classes, colors, ignored pixels, mask names and sizes; a flag that
contradicts a run overrides it, with a warning. Each network predicts as its own run
evaluated: by windows, at a scale. Prints a table and writes `evaluation.json`, and
`confusion_NAME.csv` and `confusion_NAME.png` for each network, to a new directory.
"""

import os
import sys

from absl import app, flags

from keras_imas import data, evaluation
from keras_imas.command_line.own_command import command_line
from keras_imas.files import standard_json
from keras_imas.files.whole_file import write_whole
from keras_imas.inference import drawing
from keras_imas.inference.predictor import Predictor
from keras_imas.models.logits import segmenter
from keras_imas.runs import saved_networks
from keras_imas.runs.flags import (
    define_flags,
    define_path,
    define_verbose,
)
from keras_imas.runs.new_directory import (
    claim_directory,
    unused_directory,
)
from keras_imas.runs.one_line import in_one_line
from keras_imas.runs.prediction_flags import define_prediction_flags
from keras_imas.runs.reading import Reading
from keras_imas.runs.results import skipped
from keras_imas.runs.several_networks import (
    common_reading,
    different_options,
    options_of_each,
    run_of_each,
)

FLAGS = flags.FLAGS
FIRST = {
    "Network": ("model",),
    "Images": (
        "images",
        "masks",
        "names",
        "cityscapes",
        "voc",
        "num_classes",
        "class_names",
        "classes",
        "ignore_class",
    ),
    "Prediction": ("window", "stride", "flip", "scales", "batch_size"),
    "Result": ("output_dir", "verbose"),
}


def define():
    """Define its flags."""
    flags.DEFINE_list(
        "model",
        None,
        "Saved models (.keras) or directories of runs, separated by commas.",
    )
    define_path("images", None, "Folder of images, searched recursively.")
    define_path(
        "masks", None, "Folder of masks: NAME.png, a class id or color per pixel."
    )
    define_path("names", None, "List of images, one name per line; default: all.")
    define_path(
        "cityscapes", None, "Directory of leftImg8bit and gtFine, instead of --images."
    )
    define_path("voc", None, "Directory of JPEGImages, instead of --images.")
    define_flags(Reading)
    define_prediction_flags()
    flags.DEFINE_integer(
        "size_multiple",
        0,
        "Pad whole images to multiples of this many pixels, as each size is compiled "
        "again; 0: as the run evaluated; else 64 if there are more than 8 sizes.",
    )
    define_path("output_dir", None, "New directory; default: runs/evaluation-N.")
    define_verbose()
    flags.mark_flag_as_required("model")
    flags.register_multi_flags_validator(
        ["images", "cityscapes", "voc"],
        lambda given: sum(map(bool, given.values())) == 1,
        "one of --images, --cityscapes and --voc is needed",
    )


@in_one_line
def main(argv):
    """Evaluate networks as the flags say.

    Args:
        argv: Command line, of which absl has taken the flags.
    """
    files = [saved_networks.model_file(path) for path in FLAGS.model]
    reading = common_reading(
        files, mask_folder=bool(FLAGS.images), alone="evaluate them one at a time"
    )
    networks = saved_networks.load_with_files(files)
    num_classes = _number_of_classes(networks)
    examples, table = _read(reading)
    run = run_of_each(files)[files[0]]
    class_names = saved_networks.classes_of(run, num_classes, table).names
    data.check_labels(examples, num_classes, reading.ignore_class)
    output_dir = FLAGS.output_dir or unused_directory("runs/evaluation")
    claim_directory(output_dir)

    options = options_of_each(files, examples, FLAGS.size_multiple)
    different = different_options(options)
    numbers, columns = {}, {}
    for name, (file, network) in networks.items():
        confusion, loss = evaluation.evaluate(
            Predictor(network, **options[file]),
            data.evaluation(examples),
            num_classes,
            ignore_class=reading.ignore_class,
            verbose=FLAGS.verbose,
        )
        columns[name] = confusion.iou
        own = {option: options[file].get(option) for option in sorted(different)}
        numbers[name] = own | _numbers(confusion, loss, class_names)
        path = os.path.join(output_dir, f"confusion_{name}")
        confusion.save_csv(f"{path}.csv", class_names)
        drawing.confusion_picture(confusion.counts, class_names).save(f"{path}.png")
    print(drawing.class_table(class_names, columns, confusion.labeled))
    for name in networks:
        if confusion.labeled.any():
            accuracy = numbers[name]["pixel_accuracy"]
            print(f"pixel accuracy of the {name}: {accuracy:.3f}")
        for remark in numbers[name]["remarks"]:
            print(f"{name}: {remark}")
    results = {
        "command": command_line(),
        "images": len(examples) - len(examples.bad),
        **skipped({"images": examples.bad}),
        **{k: v for k, v in options[files[0]].items() if k not in different},
        **numbers,
    }
    peak = _peak_memory()
    if peak is not None:
        results["peak_host_memory_gib"] = round(peak, 2)
        print(f"peak memory of the process on the host: {peak:.2f} GiB")
    text = standard_json.dumps(results, indent=1) + "\n"
    write_whole(os.path.join(output_dir, "evaluation.json"), text)
    print(f"Written to {output_dir}")


def _numbers(confusion, loss, class_names):
    """Return the numbers of a network, and what is to be said about them."""
    return {
        "mean_iou": confusion.mean_iou,
        "mean_iou_labeled": confusion.mean_iou_labeled,
        "pixel_accuracy": confusion.pixel_accuracy,
        "loss": loss,
        "iou": evaluation.by_class(class_names, confusion.iou),
        "remarks": evaluation.remarks(confusion, class_names),
    }


def _number_of_classes(networks):
    """Return how many classes networks have, and refuse those that have others."""
    numbers = {
        name: segmenter(network).output_shape[-1]
        for name, (_, network) in networks.items()
    }
    if len(set(numbers.values())) > 1:
        said = ", ".join(f"{number} of {name!r}" for name, number in numbers.items())
        raise ValueError(
            f"The networks must have the same classes. Received: {said}. Evaluate them "
            "one at a time"
        )
    return next(iter(numbers.values()))


def _peak_memory():
    """Return the peak memory of this process in GiB; `None` where it is not known."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # bytes, or else KiB


def _read(reading):
    """Return the examples, and the table of their classes where it is known."""
    names = reading.table
    if FLAGS.images:
        if not FLAGS.masks:
            raise app.UsageError("--images needs --masks.")
        return reading.read_folder(FLAGS.images, FLAGS.masks, FLAGS.names), names
    for name in ("masks", "mask_name", "binary_masks"):
        if FLAGS[name].present:
            raise app.UsageError(
                f"--{name} only works with --images: Cityscapes and VOC come with "
                "their masks."
            )
    options = {
        "on_bad_image": reading.on_bad_image,
        "max_pixels": reading.max_pixels,
        "follow_links": reading.follow_links,
        "image_size": reading.image_size or None,
        "image_range": reading.image_range or None,
    }
    if FLAGS.cityscapes:
        examples = data.cityscapes.read(FLAGS.cityscapes, "val", FLAGS.names, **options)
        return examples, names or data.ClassTable(data.cityscapes.CLASSES)
    default = os.path.join(FLAGS.voc, "ImageSets", "Segmentation", "val.txt")
    examples = data.voc.read(FLAGS.voc, FLAGS.names or default, **options)
    return examples, names or data.ClassTable(data.voc.CLASSES)
