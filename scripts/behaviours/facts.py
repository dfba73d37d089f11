"""What is written down of models, arrays, logs and errors."""

import hashlib
import re

import keras
import numpy as np
from keras import ops

_SHOWN = 4  # values of an array that are written as they are


def fresh(seed=0):
    """Begin as a new process does: names, draws, precision."""
    keras.utils.clear_session()
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed)


def number(value):
    """Return a number exactly, as text; `None` stays."""
    if value is None:
        return None
    value = np.asarray(ops.convert_to_numpy(value)).item()
    return value.hex() if isinstance(value, float) else str(value)


def array(value):
    """Return dtype, shape and hash of an array; the values too where they are few."""
    value = np.ascontiguousarray(ops.convert_to_numpy(value))
    if "bfloat16" in str(value.dtype):
        value = value.astype("float32")
    digest = hashlib.sha256(value.tobytes()).hexdigest()[:16]
    if value.size <= _SHOWN:
        digest = " ".join(number(item) for item in value.ravel())
    return f"{value.dtype}{list(value.shape)} {digest}"


def arrays(nested):
    """Return what `array` says of each array in dicts and lists."""
    return keras.tree.map_structure(array, _plain(nested))


def _plain(nested):
    if isinstance(nested, dict):
        return {str(name): _plain(part) for name, part in nested.items()}
    if isinstance(nested, (list, tuple)):
        return [_plain(part) for part in nested]
    return nested


def exactly(logs):
    """Return logs exactly, in their order."""
    return {name: number(value) for name, value in (logs or {}).items()}


def variables(model):
    """Return the hash of each variable of an `IMAS`, by group and path."""
    groups = {
        "student": model.student.variables,
        "teacher": model.teacher.variables,
        "optimizer": model.optimizer.variables if model.compiled else [],
        "metrics": model.metrics_variables,
    }
    known = {id(variable) for group in groups.values() for variable in group}
    groups["state"] = [v for v in model.variables if id(v) not in known]
    found = {}
    for group, members in groups.items():
        found[group] = {}
        for variable in members:
            path, again = variable.path, 1
            while path in found[group]:
                again += 1
                path = f"{variable.path} #{again}"
            try:
                found[group][path] = array(variable)
            except TypeError:  # Keras on JAX, after an error in the first step
                found[group][path] = "(no value)"
    return found


def cleaned(text):
    """Return a text without what differs from place to place: paths, lines of code."""
    text = re.sub(r'\s*File "[^"]*", line \d+, in [^\n]*\n[^\n]*', "", str(text))
    text = re.sub(r"(?<![\w.])/(?:[\w.~+-]+/)+", "", text)
    text = re.sub(r"\b(tmp\w{6,}|0x[0-9a-f]+)\b", "...", text)
    return re.sub(r"\s+", " ", text).strip()


def told(error):
    """Return kind and text of an error, and what else it tells."""
    told = {"error": f"{type(error).__name__}: {cleaned(error)}"}
    for name in ("step", "parts", "images"):
        if hasattr(error, name):
            told[name] = str(getattr(error, name))
    return told


def error_of(function):
    """Return what `told` says of the error that a function raises."""
    try:
        function()
    except (Exception, SystemExit) as error:
        return told(error)
    return {"error": None}


def fit(model, *args, callbacks=(), **kwargs):
    """Train; return the logs of steps and epochs, and the error if there is one."""
    steps = []
    step = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(
            {"batch": batch, **exactly(logs)}
        )
    )
    histories = keras.callbacks.History()
    result = error_of(
        lambda: model.fit(
            *args, verbose=0, callbacks=[step, *callbacks, histories], **kwargs
        )
    )
    result |= {"steps": steps, "epochs": getattr(histories, "epoch", None)}
    result["history"] = {
        name: [number(value) for value in values]
        for name, values in histories.history.items()
    }
    result["names"] = list(histories.history)
    return result
