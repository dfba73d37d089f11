"""Checkpoints of other libraries, read as NumPy arrays."""

import os

import numpy as np


def read_tensors(filepath):
    """Read a checkpoint of tensors, without running code from it.

    A prefix that all names share (`module.`, `backbone.`) is left out.

    Args:
        filepath: A `.safetensors` file; or a PyTorch checkpoint (`.pth`, `.pt`, `.bin`)
            as `torch.save` writes a `state_dict`, which needs PyTorch.

    Returns:
        Dict from name to float32 array.

    Raises:
        ValueError: If the file can't be read as that; the message names it.
        ImportError: If PyTorch is not installed and needed.

    Example:
        >>> import tempfile
        >>> from safetensors.numpy import save_file
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = f"{directory}/model.safetensors"
        ...     save_file({"net.weight": np.ones(2), "net.bias": np.ones(3)}, path)
        ...     sorted(read_tensors(path))
        ['bias', 'weight']
    """
    if str(filepath).endswith(".safetensors"):
        kind, read = "safetensors file", _read_safetensors
    else:
        kind, read = "PyTorch checkpoint of tensors", _read_torch
    try:
        tensors = read(filepath)
    except ImportError:
        raise
    except Exception as error:  # of whatever kind PyTorch and safetensors raise
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{str(filepath)!r} can't be read as a {kind}: {reason or repr(error)}"
        ) from None
    prefix = os.path.commonprefix(list(tensors))
    prefix = prefix[: prefix.rfind(".") + 1]
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _read_safetensors(filepath):
    from safetensors.numpy import load_file

    return {name: x.astype("float32") for name, x in load_file(filepath).items()}


def _read_torch(filepath):
    import torch  # noqa: TID251  the format of the checkpoint is PyTorch's

    # Tensors alone: nothing that a pickle could run.
    tensors = torch.load(filepath, map_location="cpu", weights_only=True)
    tensors = dict(tensors.get("state_dict", tensors))
    return {name: np.asarray(x.detach().float()) for name, x in tensors.items()}
