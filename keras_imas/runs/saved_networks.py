"""Saved networks, and what is known about their classes."""

import os

from keras_imas.data.classes import ClassTable
from keras_imas.data.colors import default_colors
from keras_imas.files.user_path import user_path
from keras_imas.imas import IMAS
from keras_imas.models.logits import segmenter
from keras_imas.models.precision import set_precision
from keras_imas.runs import run_directory
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.safe_loading import load_model


def load_networks(paths):
    """Load networks from `.keras` files.

    Args:
        paths: Paths of files, or directories of runs: of a run the best teacher is
            loaded, or the last one if it was not evaluated.

    Returns:
        Dict from name to Keras model: named after the file, or `"teacher"` and
        `"student"` for the two networks of an `IMAS`; where that is the same for two of
        them, after as much of the path as tells them apart, such as `"run_1_teacher"`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file holds no model, or is given twice.

    Example:
        >>> import keras, tempfile
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, "small.keras")
        ...     keras.Sequential(layers).save(path)
        ...     list(load_networks([path]))
        ['small']
    """
    return {name: network for name, (_, network) in load_with_files(paths).items()}


def load_with_files(paths):
    """Load networks from `.keras` files, and tell the file of each.

    Args:
        paths: See `load_networks`.

    Returns:
        Dict from name, as `load_networks` gives it, to `(file, network)`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: See `load_networks`.
    """
    files = [model_file(path) for path in paths]
    networks = []  # the parts of each one's name, its file, and itself
    for file in files:
        parts = os.path.abspath(os.path.splitext(file)[0]).split(os.sep)
        model = load_model(file)
        if isinstance(model, IMAS):
            for which in ("teacher", "student"):
                networks.append(([*parts, which], (file, getattr(model, which))))
        else:
            networks.append((parts, (file, model)))
    most = max((len(parts) for parts, _ in networks), default=1)
    for depth in range(1, most + 1):
        found = {"_".join(parts[-depth:]): network for parts, network in networks}
        if len(found) == len(networks):
            return found
    raise ValueError(f"A model must be given once. Received: {', '.join(files)}")


def model_file(path):
    """Return the file of a model.

    Args:
        path: Path of a `.keras` file, or of the directory of a run; of a comparison
            that of its better method counts.

    Returns:
        Path of a file.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = user_path(path)
    if os.path.isfile(path):
        return path
    if not os.path.isdir(path):
        raise FileNotFoundError(
            f"There is no file and no run {path!r} to load a model from"
        )
    run = run_directory.read(path) or {}
    if "network" in run:
        return model_file(os.path.join(path, run["network"]))
    for name in ("teacher_best.keras", "teacher_last.keras"):
        if os.path.isfile(os.path.join(path, name)):
            return os.path.join(path, name)
    if not run.get("finished", True):
        raise FileNotFoundError(
            f"The run in {path!r} is unfinished and has saved no network yet. Rerun "
            "its command to resume it"
        )
    raise FileNotFoundError(
        f"The directory {path!r} holds neither teacher_best.keras nor "
        "teacher_last.keras, as that of a finished run does"
    )


def load_student(path, num_classes, precision="float32"):
    """Load a network to train on from; of a whole `IMAS` its teacher.

    Args:
        path: Path of a file, or of the directory of a run.
        num_classes: Number of classes that it must have.
        precision: Policy in which it shall compute, whatever it was trained in.
            Defaults to `"float32"`.

    Returns:
        `keras.Model` of which every layer is trained.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no network, or one of another number of classes.

    Example:
        >>> import keras, tempfile
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = os.path.join(directory, "small.keras")
        ...     keras.Sequential(layers).save(path)
        ...     len(load_student(path, 2).trainable_weights)
        2
    """
    network = next(iter(load_networks([path]).values()))
    classes = segmenter(network).output_shape[-1]
    if classes != num_classes:
        raise ValueError(
            f"`start_from` must be a network of {num_classes} classes. Received: "
            f"{str(path)!r}, which has {classes}"
        )
    network.trainable = True
    set_precision(network, precision)
    return network


def classes_of(path, num_classes, table=None):
    """Return the names and colors of a network's classes.

    Args:
        path: Path of the network's file; `run.json` beside it names the classes.
        num_classes: Number of classes of the network.
        table: `keras_imas.data.ClassTable` to use instead. Defaults to `None`.

    Returns:
        `keras_imas.data.ClassTable` with colors; classes without a known name are named
        by their ids.

    Raises:
        ValueError: If the table has another number of classes.

    Example:
        >>> classes_of("nowhere.keras", 2).names
        ('0', '1')
    """
    if table is None:
        table = _of_run(model_file(path)) if os.path.exists(path) else None
        if table is None or len(table.names) != num_classes:
            table = ClassTable(tuple(map(str, range(num_classes))))
    if len(table.names) != num_classes:
        raise ValueError(
            f"The model has {num_classes} classes, and {len(table.names)} are named: "
            f"{', '.join(table.names)}"
        )
    colors = table.colors or default_colors(num_classes).tolist()
    return ClassTable(table.names, tuple(map(tuple, colors)))


def options_of_run(path, examples=None, **given):
    """Tell how a network predicts: as is given, and else as its run evaluated it.

    Args:
        path: Path of the network's file, beside which `run.json` tells it, or of the
            run's directory.
        examples: See `keras_imas.runs.prediction_options.prediction_options`. Defaults
            to `None`.
        **given: Options of `keras_imas.inference.Predictor`. The batch size and
            `size_multiple` go by the window that is given.

    Returns:
        Dict of options of `keras_imas.inference.Predictor`.

    Example:
        >>> options_of_run("nowhere.keras", window=257, stride=0.5)
        {'window': 257, 'batch_size': 1, 'size_multiple': 1, 'scales': (1.0,),
        'flip': False, 'stride': 0.5}
    """
    directory = path if os.path.isdir(path) else os.path.dirname(path)
    try:
        reading = reading_of(run_directory.read(directory)["recipe"])
    except (KeyError, TypeError):  # there is none, or none of ours
        reading = {}
    for name in given.keys() & {"window", "size_multiple"}:
        reading[name] = given.pop(name)
    return {**prediction_options(examples, **reading), **given}


def _of_run(path):
    """Return the classes that `run.json` beside a file names, or `None`."""
    run = run_directory.read(os.path.dirname(path))
    try:
        return ClassTable(tuple(run["class_names"]), run["colors"])
    except (ValueError, KeyError, TypeError):  # there is none, or none of ours
        return None
