"""How GPUs multiply and convolve."""

import keras


def set_up_gpu(*, tf32: bool = True) -> None:
    """Let GPUs compute as fast as training allows; nothing changes on a CPU.

    PyTorch tries the ways to convolve when it first meets a size, and takes the
    fastest. Where that must be the same each time, call
    `keras_imas.backends.determinism.make_deterministic` after this.

    Args:
        tf32: Whether products and convolutions of float32 take 10 bits of their
            factors' fractions (TF32), and add up in float32. Defaults to `True`.

    Example:
        >>> set_up_gpu(tf32=True)
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = True
    elif backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(tf32)
    else:
        import jax

        # By default it takes TF32 where there is such.
        precision = None if tf32 else "highest"
        jax.config.update("jax_default_matmul_precision", precision)
