"""The flags of programs that use one saved network."""

from absl import flags

from keras_imas.models.logits import segmenter
from keras_imas.runs.flags import define_path
from keras_imas.runs.reading import reading_from_flags
from keras_imas.runs.saved_networks import classes_of, load_networks, model_file


def define_model_flags():
    """Define the flags of which network is used, and what its classes are called."""
    define_path("model", None, "File of a saved model, or directory of a run.")
    define_path(
        "classes",
        None,
        "CSV file of the classes' names and colors (name,id,r,g,b); default: those of "
        "the model's run.",
    )


def model_from_flags():
    """Load the network that the flags name, and say how it reads images.

    Returns:
        `(file, network, reading, classes)`: the path of its file, the Keras model, a
        `keras_imas.runs.reading.Reading`, and a `keras_imas.data.ClassTable` with
        colors.

    Raises:
        OSError: If a file is missing.
        ValueError: If it can't be loaded, or has another number of classes.
    """
    file = model_file(flags.FLAGS.model)
    # An IMAS model gives its teacher first.
    network = next(iter(load_networks([file]).values()))
    reading = reading_from_flags(file)
    table = reading.table if flags.FLAGS.classes else None
    num_classes = segmenter(network).output_shape[-1]
    return file, network, reading, classes_of(file, num_classes, table)
