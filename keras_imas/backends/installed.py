"""Which of the libraries that not everybody needs are installed."""

import functools
import importlib.util


@functools.cache
def has_tensorflow():
    """Tell whether TensorFlow is installed, without importing it.

    Returns:
        A boolean.
    """
    return importlib.util.find_spec("tensorflow") is not None
