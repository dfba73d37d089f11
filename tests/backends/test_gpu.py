import keras
import pytest

from keras_imas.backends.gpu import set_up_gpu


@pytest.mark.parametrize("tf32", [False, True])
def test_says_how_float32_is_multiplied(tf32):
    set_up_gpu(tf32=tf32)
    if keras.backend.backend() == "torch":
        import torch

        assert torch.backends.cuda.matmul.allow_tf32 is tf32
        assert torch.backends.cudnn.allow_tf32 is tf32
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        assert tf.config.experimental.tensor_float_32_execution_enabled() is tf32
    else:
        import jax

        assert (jax.config.jax_default_matmul_precision is None) is tf32
