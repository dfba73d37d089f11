"""The same bits from the same run, as far as a backend can."""

import math
import os
import random

import keras
import numpy as np


def make_deterministic():
    """Let the backend compute the same bits each time; call it before anything else.

    On TensorFlow and PyTorch by their own switches, which take ops that are slower
    where need be and raise where there is none. On JAX by flags of XLA: on a CPU one
    thread multiplies, as several add up in any order.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        # It asks for a seed of whatever draws.
        keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    else:
        flags = "--xla_cpu_multi_thread_eigen=false --xla_gpu_deterministic_ops=true"
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()


def global_draws():
    """Return the states of the random generators that belong to no layer.

    Of Python, NumPy and, on that backend, PyTorch, from which layers without a seed
    draw there, such as `keras.layers.Dropout`.

    Returns:
        Dict of NumPy arrays.

    Example:
        >>> states = global_draws()
        >>> drawn = np.random.uniform()
        >>> set_global_draws(states)
        >>> drawn == np.random.uniform()
        True
    """
    _, numbers, waiting = random.getstate()
    _, key, pos, has_waiting, numpy_waiting = np.random.get_state()
    states = {
        "python": np.array(numbers, "uint32"),
        "numpy": np.append(key, np.uint32(pos)),
        # Normal draws come in pairs: the second one, NaN where none waits.
        "waiting": np.array(
            [
                math.nan if waiting is None else waiting,
                numpy_waiting if has_waiting else math.nan,
            ]
        ),
    }
    if keras.backend.backend() == "torch":
        import torch

        states["torch"] = torch.get_rng_state().numpy()
        for number, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"torch_{number}"] = state.numpy()
    return states


def set_global_draws(states):
    """Let the random generators continue from what `global_draws` returned.

    Args:
        states: Dict of NumPy arrays; those of devices that are not there don't count.
    """
    # Checkpoints of earlier versions have none that wait.
    first, second = map(float, states.get("waiting", (math.nan, math.nan)))
    first = None if math.isnan(first) else first
    random.setstate((3, tuple(map(int, states["python"])), first))
    *key, pos = states["numpy"]
    waits = not math.isnan(second)
    key = np.array(key, "uint32")
    np.random.set_state(("MT19937", key, int(pos), int(waits), second if waits else 0))
    if keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.from_numpy(states["torch"]))
        for number in range(torch.cuda.device_count()):
            if f"torch_{number}" in states:
                state = torch.from_numpy(states[f"torch_{number}"])
                torch.cuda.set_rng_state(state, number)


def draw_as_reading():
    """Draw from the global generators what beginning to read data does.

    PyTorch's `DataLoader` draws a seed for its workers then, even where it has none.
    """
    if keras.backend.backend() == "torch":
        import torch

        iter(torch.utils.data.DataLoader([0]))
