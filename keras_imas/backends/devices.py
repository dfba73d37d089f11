"""Train on several devices, or in several processes."""

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import keras

from keras_imas.typing import StrPath

STRATEGIES = ("auto", "none", "mirrored", "multi_worker", "tpu")


def strategy_scope(strategy: str = "auto") -> contextlib.AbstractContextManager[int]:
    """Return the context to build and train a model in, on several devices.

    Args:
        strategy: `"mirrored"`: a replica on each GPU (without one, on each logical
            CPU), by `tf.distribute.MirroredStrategy` or, on JAX, by
            `keras.distribution.DataParallel`. `"tpu"`: on each core of a TPU, by
            `tf.distribute.TPUStrategy`, on JAX as `"mirrored"`. `"multi_worker"`, on
            JAX: on all devices of several processes, which
            `keras.distribution.initialize` makes known to each other by environment
            variables; nothing may have been computed before. `"none"`: one device.
            `"auto"`: `"mirrored"` where there are several GPUs, or on JAX several
            devices, else `"none"`. Defaults to `"auto"`.

    Returns:
        Context manager; its value is the number of replicas.

    Raises:
        ValueError: If the backend can't do it, there is no TPU, or the other processes
            are not known.

    Example:
        >>> with strategy_scope("none") as replicas:
        ...     replicas
        1
    """
    if strategy not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. Received: {strategy!r}"
        )
    backend = keras.backend.backend()
    if strategy == "multi_worker":
        if backend != "jax":
            raise ValueError(
                f"`strategy` can't be 'multi_worker' here: {_MULTI_WORKER}"
            )
        try:
            keras.distribution.initialize()
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{_NO_PROCESSES}. JAX says: {error}") from error
    if backend == "torch" and strategy not in ("auto", "none"):
        raise ValueError(
            "Keras trains on one device with PyTorch. For several choose "
            "KERAS_BACKEND=jax or tensorflow, or strategy='none'. Received: "
            f"strategy={strategy!r}"
        )
    if strategy != "none" and backend == "jax":
        import jax

        count = len(keras.distribution.list_devices())
        if strategy == "tpu" and jax.default_backend() != "tpu":
            raise ValueError(f"There is no TPU: JAX has found {jax.devices()}")
        if count > 1:
            return _data_parallel(count)
    if strategy != "none" and backend == "tensorflow":
        import tensorflow as tf

        if strategy == "tpu":
            return _tf_scope(_tpu_strategy())
        gpus = tf.config.list_logical_devices("GPU")
        devices = gpus or tf.config.list_logical_devices("CPU")
        if len(gpus) > 1 or strategy == "mirrored":
            names = tuple(device.name for device in devices)
            return _tf_scope(_mirrored_strategy(names))
    return contextlib.nullcontext(1)


_MULTI_WORKER = (
    "Keras on TensorFlow fails where several workers share a batch of several arrays. "
    "Train on several hosts with JAX: see docs/guides/many_gpus.md"
)


_NO_PROCESSES = (
    "`strategy` can't be 'multi_worker' as the processes don't know each other. Set "
    "KERAS_DISTRIBUTION_JOB_ADDRESSES to the address and port of the first one, "
    "KERAS_DISTRIBUTION_NUM_PROCESSES, and KERAS_DISTRIBUTION_PROCESS_ID to the number "
    "of each, from 0; on a TPU pod or under Slurm none is needed"
)


@contextlib.contextmanager
def _data_parallel(count):
    # Each process reads its part of a batch. Keras' own way knows no batches of several
    # sizes.
    with keras.distribution.DataParallel(auto_shard_dataset=False).scope():
        yield count


@contextlib.contextmanager
def _tf_scope(strategy):
    with strategy.scope():
        yield strategy.num_replicas_in_sync


@functools.cache
def _mirrored_strategy(names):
    # One for all runs of a process: TensorFlow's strategies number their reductions
    # from the same start, and a second one would meet the first one's, of other shapes.
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _tpu_strategy():
    import tensorflow as tf

    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise ValueError(f"There is no TPU that can be used: {error}") from error


def device_names():
    """List the devices that the backend computes on, by the names of their kinds.

    Returns:
        List of strings, such as `["CPU"]` or `["NVIDIA H200"]`.

    Example:
        >>> len(device_names()) > 0
        True
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        count = torch.cuda.device_count()
        names = [torch.cuda.get_device_name(number) for number in range(count)]
        if not names and torch.backends.mps.is_available():
            names = ["Apple GPU (mps)"]
    elif backend == "jax":
        import jax

        names = [device.device_kind for device in jax.devices()]
    else:
        import tensorflow as tf

        details = tf.config.experimental.get_device_details
        names = [
            details(device).get("device_name", device.name)
            for kind in ("GPU", "TPU")
            for device in tf.config.list_physical_devices(kind)
        ]
    return names or ["CPU"]


def scope_of(model: keras.Model) -> contextlib.AbstractContextManager[Any]:
    """Return the context that a model was made in, for what handles its variables.

    Args:
        model: `keras.Model`.

    Returns:
        Context manager.

    Example:
        >>> with scope_of(keras.Sequential()):
        ...     pass
    """
    strategy = getattr(model, "distribute_strategy", None)
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def device_count():
    """Return the number of devices that share a batch, outside of a step.

    Returns:
        An integer.

    Example:
        >>> device_count()
        1
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.distribute.get_strategy().num_replicas_in_sync
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def process_part():
    """Return which of several processes that train together this one is.

    Returns:
        `(number, count)`, for the `part` of `keras_imas.data.semi_supervised`.

    Example:
        >>> process_part()
        (0, 1)
    """
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


@contextlib.contextmanager
def first_process_writes(directory: StrPath) -> Iterator[StrPath]:
    """Let only the first of several processes that train together write and print.

    All of them must compute the same; what the others write is thrown away.

    Args:
        directory: The directory to write into.

    Yields:
        `directory`; in the other processes a temporary one.

    Example:
        >>> with first_process_writes("runs/1") as directory:
        ...     directory
        'runs/1'
    """
    process, _ = process_part()
    if process == 0:
        yield directory
        return
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
    ):
        yield os.path.join(elsewhere, "run")


def check_strategy(strategy: Any) -> None:
    """Raise for a strategy that can't train `IMAS`.

    Args:
        strategy: `tf.distribute.Strategy`, or `None`.

    Raises:
        ValueError: If it has several workers.
    """
    if "MultiWorker" in type(strategy).__name__:
        raise ValueError(f"{type(strategy).__name__}: {_MULTI_WORKER}")


def check_batch(
    name: str, batch_size: int, replicas: int, group_size: int | None = None
) -> None:
    """Raise where a batch can't be divided among replicas.

    Args:
        name: Name of the batch's size.
        batch_size: Images of the whole batch.
        replicas: Number of replicas.
        group_size: Images that must stay together, or `None`.

    Raises:
        ValueError: If it can't.

    Example:
        >>> check_batch("labeled_batch_size", 8, 4, group_size=2)
    """
    if batch_size % replicas or (batch_size // replicas) % (group_size or 1):
        groups = f" in groups of {group_size}" if group_size else ""
        raise ValueError(
            f"`{name}` must divide among {replicas} replicas{groups}. Received: "
            f"{batch_size}. It is the size of the whole batch, of all replicas"
        )
