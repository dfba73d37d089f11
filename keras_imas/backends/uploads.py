"""Numbers that a step computes with, without waiting for them."""

import contextlib
import numbers

import keras
import numpy as np


@contextlib.contextmanager
def without_uploads():
    """Make tensors of Python numbers on the device, in a context.

    On PyTorch Keras makes a tensor of each number that meets one, as in
    `keras.ops.maximum(x, 0.0)`: it copies the number to the GPU, and the host waits
    until all that was queued before is computed. Within this context such a tensor is
    filled by the device instead, by an operation that is queued like any other. The
    other backends compile numbers into their steps.

    Example:
        >>> with without_uploads():
        ...     float(keras.ops.maximum(keras.ops.array(-1.0), 0.5))
        0.5
    """
    if keras.backend.backend() != "torch":
        yield
        return
    import torch

    # Where Keras finds them, whatever layer, loss, metric or optimizer of it asks. A
    # function mode of PyTorch would see them too, and delay all else by a fifth.
    replaced = {name: getattr(torch, name) for name in ("as_tensor", "tensor")}
    for name, create in replaced.items():
        setattr(torch, name, _filled(create))
    try:
        yield
    finally:
        for name, create in replaced.items():
            setattr(torch, name, create)


def _filled(create):
    """Return a function like `torch.as_tensor` that fills tensors of a few numbers."""
    import torch

    def fill_or_create(data, dtype=None, device=None, **options):
        if isinstance(data, np.ndarray) and data.ndim == 0 and dtype is not None:
            data = data.item()
        if options:
            return create(data, dtype=dtype, device=device, **options)
        if _is_number(data):
            return torch.full((), data, dtype=dtype, device=device)
        if isinstance(data, list | tuple) and data and all(map(_is_number, data)):
            if dtype is None:
                dtype = create(data, device="cpu").dtype
            filled = torch.empty(len(data), dtype=dtype, device=device)
            for place, number in enumerate(data):
                filled[place].fill_(number)
            return filled
        return create(data, dtype=dtype, device=device)

    return fill_or_create


def _is_number(value):
    return isinstance(value, numbers.Number) and not isinstance(value, np.generic)
