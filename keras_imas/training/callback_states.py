"""What Keras' callbacks know of a training, to go through a stop and a resume."""

import contextlib
import copy
import os

import keras
import numpy as np

# What they count and compare; the rest are arguments, or is made anew.
_COUNTS = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "cooldown_counter", "best"),
    keras.callbacks.ModelCheckpoint: (
        "best",
        "_batches_seen_since_last_saving",
        "_last_batch_seen",
    ),
    keras.callbacks.TensorBoard: ("_global_train_batch",),
}
_REFUSED = {
    keras.callbacks.BackupAndRestore: "it restores the networks too, at another step. "
    "Leave it out: `Checkpoint` does what it does, in mid-epoch too",
    keras.callbacks.SwapEMAWeights: "it exchanges the weights behind the checkpoints. "
    "Leave it out: the teacher is the moving average already",
}
_WEIGHTS = "best_weights"


def check_resumable(callbacks):
    """Refuse callbacks of Keras that a checkpoint can't hold.

    Args:
        callbacks: List of `keras.callbacks.Callback`.

    Raises:
        ValueError: If there is one.
    """
    for callback in callbacks:
        for kind, reason in _REFUSED.items():
            if isinstance(callback, kind):
                raise ValueError(
                    f"`{kind.__name__}` does not go with a `Checkpoint`: {reason}"
                )


def has_state(callback):
    """Tell whether a callback has a state to keep.

    Args:
        callback: `keras.callbacks.Callback`.

    Returns:
        Whether it has `get_state` and `set_state`, or is one of Keras' that count.

    Example:
        >>> has_state(keras.callbacks.EarlyStopping()), has_state(object())
        (True, False)
    """
    kinds = (*_COUNTS, keras.callbacks.CSVLogger)
    return hasattr(callback, "get_state") or isinstance(callback, kinds)


def get_state(callback):
    """Return the state of a callback, and the arrays that belong to it.

    Args:
        callback: One that `has_state`.

    Returns:
        `(state, arrays)`: a dict as JSON has it, and a list of NumPy arrays.

    Example:
        >>> stopping = keras.callbacks.EarlyStopping()
        >>> stopping.wait = 2
        >>> get_state(stopping)[0]["wait"]
        2
    """
    if hasattr(callback, "get_state"):
        # A copy, as it is written later, when the callback may have gone on.
        return copy.deepcopy(callback.get_state()), []
    if isinstance(callback, keras.callbacks.CSVLogger):
        written = 0
        with contextlib.suppress(FileNotFoundError):  # removed while training
            written = os.path.getsize(callback.filename) if callback.keys else 0
        return {"keys": callback.keys, "bytes": written}, []
    state = {name: _plain(getattr(callback, name, None)) for name in _counts(callback)}
    return state, list(getattr(callback, _WEIGHTS, None) or [])


def set_state(callback, state, arrays=()):
    """Let a callback resume from what `get_state` returned.

    Args:
        callback: A callback of the same kind, once its training has begun.
        state: The state.
        arrays: The arrays.

    Example:
        >>> stopping = keras.callbacks.EarlyStopping()
        >>> set_state(stopping, {"wait": 2})
        >>> stopping.wait
        2
    """
    if hasattr(callback, "set_state"):
        callback.set_state(state)
    elif isinstance(callback, keras.callbacks.CSVLogger):
        callback.keys = state["keys"]
    else:
        for name, value in state.items():
            setattr(callback, name, value)
        if arrays:
            setattr(callback, _WEIGHTS, list(arrays))


def prepare(callback, state):
    """Ready a callback to resume, before its training begins.

    A `CSVLogger` continues its file instead of a new one, without the rows that were
    written after the checkpoint.

    Args:
        callback: One that `has_state`.
        state: What `get_state` returned.
    """
    if not isinstance(callback, keras.callbacks.CSVLogger):
        return
    with contextlib.suppress(FileNotFoundError):
        if os.path.getsize(callback.filename) > state["bytes"]:
            os.truncate(callback.filename, state["bytes"])
    callback.append = True


def states_of(callbacks):
    """Return the states of all callbacks that have one.

    Args:
        callbacks: List of `keras.callbacks.Callback`.

    Returns:
        `(states, arrays)`: list of kinds and states, as JSON has it; and a dict of the
        arrays that belong to them.

    Example:
        >>> [kind for kind, _ in states_of([keras.callbacks.EarlyStopping()])[0]]
        ['EarlyStopping']
    """
    states, arrays = [], {}
    for number, callback in enumerate(filter(has_state, callbacks)):
        state, its_arrays = get_state(callback)
        states.append([type(callback).__name__, state])
        for place, array in enumerate(its_arrays):
            arrays[f"callbacks/{number:03}/{place:05}"] = array
    return states, arrays


def matched(callbacks, states, arrays=None):
    """Yield the callbacks that saved states belong to, by their kinds and order.

    Args:
        callbacks: List of `keras.callbacks.Callback`.
        states: What `states_of` returned.
        arrays: The arrays; others among them don't count. Defaults to `None`: none.

    Yields:
        `(callback, state, arrays)`.
    """
    saved = list(enumerate(states))
    for callback in filter(has_state, callbacks):
        for entry in saved:
            number, (kind, state) = entry
            if kind == type(callback).__name__:
                prefix = f"callbacks/{number:03}/"
                own = sorted(key for key in arrays or () if key.startswith(prefix))
                yield callback, state, [arrays[key] for key in own]
                saved.remove(entry)
                break


def same_kinds(callbacks, states):
    """Tell whether all states belong to a callback, and the other way round.

    Args:
        callbacks: List of `keras.callbacks.Callback`.
        states: What `states_of` returned.

    Returns:
        Boolean.

    Example:
        >>> same_kinds([keras.callbacks.EarlyStopping()], [])
        False
    """
    kinds = [type(callback).__name__ for callback in filter(has_state, callbacks)]
    return sorted(kinds) == sorted(kind for kind, _ in states)


def _counts(callback):
    return [n for kind in _COUNTS if isinstance(callback, kind) for n in _COUNTS[kind]]


def _plain(value):
    """A number as JSON has it; Keras compares what the logs hold, tensors too."""
    if value is None or isinstance(value, bool | int | float):
        return value
    return np.asarray(keras.ops.convert_to_numpy(value)).item()
