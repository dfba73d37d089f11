"""The scenarios, and how one is recorded."""

import contextlib
import functools
import importlib
import signal
import sys
import tempfile
import traceback
import warnings

import keras
from behaviours import facts

import keras_imas

# Modules of functions whose names are scenarios.
ROOMS = ("training", "interruptions", "models", "replicas", "misuse")


def prepare(devices):
    """Let the backend compute the same bits each time, on some devices."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * devices,
        )
    elif keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)


@functools.cache
def _functions():
    functions = {}
    for room in ROOMS:
        module = importlib.import_module(f"behaviours.{room}")
        functions |= {name: getattr(module, name) for name in module.SCENARIOS}
    return functions


def scenarios(only, backend):
    """Return the scenarios of a backend, each with the devices that it needs."""
    functions = _functions()
    names = only.split(",") if only else list(functions)
    unknown = [name for name in names if name not in functions]
    if unknown:
        raise SystemExit(
            f"--only must be of {','.join(functions)}. Received: {','.join(unknown)}"
        )
    needed = {name: getattr(functions[name], "devices", 1) for name in names}
    if backend == "torch":  # which trains on one device
        needed = {name: count for name, count in needed.items() if count == 1}
    return needed


def record(name, **options):
    """Run a scenario; return what it did, and what it warned of."""
    facts.fresh()
    handler = signal.getsignal(signal.SIGTERM)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        try:
            result = _functions()[name](directory, **options)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            result = {"crashed": facts.told(error)}
        finally:
            signal.signal(signal.SIGTERM, handler)
    result["warnings"] = [
        f"{warning.category.__name__}: {facts.cleaned(warning.message)}"
        for warning in caught
        if issubclass(warning.category, (UserWarning, RuntimeWarning))
    ]
    return result


def about():
    """Return what was recorded; it is not compared."""
    return {
        "package": keras_imas.__file__,
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
    }
