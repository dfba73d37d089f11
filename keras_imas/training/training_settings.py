"""What a training is, so that a checkpoint of another one is not resumed."""

import types

import keras
import numpy as np

from keras_imas.files import standard_json
from keras_imas.training.checkpoint_store import differences

# They tell when training stops, and change nothing before.
_FREE = ("max_skipped_steps",)
# Not in the checkpoints of earlier versions.
_LATER = ("loss_weights", "strong", "labeled_strong", "mask_values")


def training_settings(model, options, steps):
    """Describe what a resumed training must agree in.

    Args:
        model: Compiled `keras_imas.training.resilient_model.ResilientModel`.
        options: Dict of the arguments of `fit`.
        steps: Number of batches of an epoch, or `None`.

    Returns:
        Dict as JSON has it.
    """
    position = getattr(options["x"], "position", None)
    settings = {
        "backend": keras.backend.backend(),
        "precision": model.dtype_policy.name,
        "optimizer": _plain(model.optimizer),
        "loss": _plain(model.loss),
        "loss_weights": _plain(model.loss_weights),
        "model": {k: _plain(v) for k, v in model.settings().items() if k not in _FREE},
        "steps of an epoch": steps,
        "data": _plain(position.settings() if position else {}),
        "class_weight": _plain(options.get("class_weight")),
    }
    return standard_json.as_read(settings)


def check_settings(before, now, rates, directory):
    """Refuse to resume another training.

    Args:
        before: What `training_settings` returned for the training of the checkpoint.
        now: What it returns for this one.
        rates: The learning rates of the checkpoint's last step and of the model now. If
            they agree, what the rate was at first does not count: a callback has
            changed it since, in this process.
        directory: Directory of the checkpoint, for the error.

    Raises:
        ValueError: If they differ.

    Example:
        >>> check_settings({"loss": "a"}, {"loss": "a"}, (1.0, 1.0), "checkpoints")
    """
    if rates[0] == rates[1]:
        before, now = _without_rate(before), _without_rate(now)
    different = differences(before, _told(before, now))
    if different:
        raise ValueError(
            f"The checkpoint in {directory!r} is of a training with other settings: "
            f"{different}. Restore the former settings to resume it, or pass "
            "another directory to start a new training"
        )


def learning_rate(model):
    """Return the learning rate at this step.

    Args:
        model: Compiled model.

    Returns:
        Float.
    """
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _told(before, now):
    """Leave out what a checkpoint of an earlier version does not tell."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return now
    return {
        name: _told(before.get(name), value)
        for name, value in now.items()
        if name in before or name not in _LATER
    }


def _without_rate(settings):
    if not isinstance(settings, dict):
        return settings
    return {
        name: _without_rate(value)
        for name, value in settings.items()
        if not (name == "learning_rate" and isinstance(value, float))
    }


def _plain(value):
    """Return a value as JSON has it, that is the same for the same setting."""
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, dict):
        # Keras numbers names within a process: `sgd_1`.
        return {
            str(key): _plain(item)
            for key, item in value.items()
            if key not in ("name", "shared_object_id", "build_config")
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    try:
        return _plain(keras.saving.serialize_keras_object(value))
    except (TypeError, ValueError, NotImplementedError, AttributeError):
        return type(value).__qualname__
