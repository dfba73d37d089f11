"""The variables of a training, as arrays and back."""

import keras
import numpy as np

from keras_imas.backends.devices import scope_of
from keras_imas.backends.replicas import assign_replica_values, replica_values

PARTS = ("model", "optimizer", "metrics")


def arrays_of(model, chosen=lambda part, variable: True):
    """Return the values of a model's variables.

    Args:
        model: Compiled `keras_imas.IMAS`, with an optimizer that is built.
        chosen: Function from one of `PARTS` and a variable to whether it is wanted.
            Defaults to all.

    Returns:
        Dict of NumPy arrays.
    """
    with scope_of(model):
        return {
            f"{part}/{number:05}/{variable.path}": replica_values(variable)
            for part, variables in _variables(model).items()
            for number, variable in enumerate(variables)
            if chosen(part, variable)
        }


def changed_at_end_of_epoch(model):
    """Return the values of what callbacks change where an epoch ends.

    Args:
        model: See `arrays_of`.

    Returns:
        Dict of NumPy arrays: metrics, which they clear, and the learning rate.
    """

    def chosen(part, variable):
        rate = part == "optimizer" and variable.path.endswith("learning_rate")
        return part == "metrics" or rate

    return arrays_of(model, chosen)


def restore(model, arrays, parts, directory):
    """Assign what `arrays_of` returned, if the variables are the same ones.

    Args:
        model: See `arrays_of`.
        arrays: Dict of NumPy arrays.
        parts: Of `PARTS`.
        directory: Directory of the checkpoint, for errors.

    Raises:
        ValueError: If they are other variables.
    """
    for part in parts:
        _assign(_variables(model)[part], part, arrays, directory)


def _variables(model):
    return {
        "model": model.variables,
        "optimizer": model.optimizer.variables,
        "metrics": model.training_metrics_variables(),
    }


def _assign(variables, part, arrays, directory):
    saved = {key: value for key, value in arrays.items() if key.startswith(f"{part}/")}
    if len(saved) != len(variables):
        raise ValueError(
            f"The checkpoint in {directory!r} is of another {part}: it has "
            f"{len(saved)} variables, this one {len(variables)}"
        )
    for variable, (_, value) in zip(variables, sorted(saved.items()), strict=True):
        dtype = np.dtype(keras.backend.standardize_dtype(variable.dtype))
        try:
            assign_replica_values(
                variable, value.view(dtype) if value.dtype != dtype else value
            )
        except ValueError as error:
            raise ValueError(
                f"The checkpoint in {directory!r} is of another {part}: {error}"
            ) from error
