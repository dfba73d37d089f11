"""What the host does while a GPU computes: draws, batches, reading what it found.

On PyTorch each would make the host wait for all that is queued. The other backends
run a step as one program, which draws by itself.
"""

import contextlib

import keras
import numpy as np
from keras import ops


def on_host():
    """Return the context to make random draws in, and the state they come from.

    On PyTorch Keras reads that state for every draw. On the host that is no waiting;
    and a run has the same draws on a GPU as on a CPU.

    Returns:
        Context manager.

    Example:
        >>> with on_host():
        ...     generator = keras.random.SeedGenerator(1)
        ...     draw = keras.random.uniform((2,), seed=generator)
        >>> tuple(from_host(draw).shape)
        (2,)
    """
    if keras.backend.backend() != "torch" or _device().type == "meta":
        return contextlib.nullcontext()
    return keras.device("cpu")


def from_host(value):
    """Bring what was drawn within `on_host` to the device; nothing waits for it.

    Args:
        value: Tensor.

    Returns:
        Tensor.
    """
    if keras.backend.backend() != "torch" or not getattr(value, "is_cpu", False):
        return value
    device = _device()
    if device.type == "cuda":
        return value.pin_memory().to(device, non_blocking=True)
    return value.to(device)


def pinned(shape, dtype):
    """Make an array to fill; for PyTorch on a GPU in memory that it can copy by itself.

    Args:
        shape: Tuple of integers.
        dtype: String.

    Returns:
        NumPy array, of any content.

    Example:
        >>> pinned((2, 3), "uint8").shape
        (2, 3)
    """
    if keras.backend.backend() == "torch":
        import torch

        if torch.cuda.is_available():
            tensor = torch.empty(shape, dtype=getattr(torch, dtype), pin_memory=True)
            return tensor.numpy()
    return np.empty(shape, dtype)


def upload(array):
    """Bring an array to the device where the backend doesn't do that by itself.

    Args:
        array: NumPy array; one of `pinned` is copied without waiting.

    Returns:
        Tensor on PyTorch, elsewhere the array.

    Example:
        >>> tuple(upload(pinned((2, 3), "uint8")).shape)
        (2, 3)
    """
    if keras.backend.backend() != "torch":
        return array
    import torch

    return torch.from_numpy(array).to(_device(), non_blocking=True)


def read_later(value):
    """Start to copy a tensor to the host.

    Args:
        value: Tensor.

    Returns:
        Function without arguments that returns it as a NumPy array. It waits until the
        tensor is computed, and not for what was queued after it.

    Example:
        >>> read = read_later(ops.array([1.0, 2.0]))
        >>> read().tolist()
        [1.0, 2.0]
    """
    if keras.backend.backend() != "torch":
        return lambda: ops.convert_to_numpy(value)
    import torch

    value = value.detach()
    copy = torch.empty(value.shape, dtype=value.dtype, pin_memory=value.is_cuda)
    copy.copy_(value, non_blocking=True)
    copied = torch.cuda.Event() if value.is_cuda else None
    if copied:
        copied.record()

    def read():
        if copied:
            copied.synchronize()
        return ops.convert_to_numpy(copy)

    return read


def _device():
    """Return the device on which Keras makes tensors, on PyTorch."""
    return ops.empty(()).device
