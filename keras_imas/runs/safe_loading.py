"""Load models from untrusted files."""

import keras

from keras_imas.files.user_path import user_path


def load_model(path):
    """Load a saved model without running code from its file.

    This is Keras' safe mode: it refuses `Lambda` layers, and classes that nobody has
    registered.

    Args:
        path: Path of a `.keras` file.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        ValueError: If the file can't be loaded; the message names it.

    Example:
        >>> import tempfile
        >>> layers = [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]
        >>> network = keras.Sequential(layers)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = f"{directory}/network.keras"
        ...     network.save(path)
        ...     load_model(path).input_shape
        (None, 4, 4, 3)
    """
    path = user_path(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # of whatever kind Keras, h5py and zipfile raise
        hint = ""
        if isinstance(error, TypeError):  # Keras' own for classes that it doesn't know
            hint = (
                "\nA network with classes of its own needs the module that registers "
                "them, by keras.saving.register_keras_serializable, to be imported "
                "before"
            )
        raise ValueError(
            f"{str(path)!r} can't be loaded as a Keras model: {error}{hint}"
        ) from error
