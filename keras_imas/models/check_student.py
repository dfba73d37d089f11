"""What a network may not do, if it is to be trained as a student."""

from keras_imas.models.final_activation import check_returns_logits
from keras_imas.models.moving_layers import moving_layer

_CHANNELS = (1, 3, 4)  # of images


def check_student(student):
    """Refuse a network that can't be a student, and say why.

    Where a layer moves pixels, label maps and pseudo labels would stay where they were.
    Layers that change colors pass: they draw in the training pass alone.

    Args:
        student: Keras model.

    Raises:
        ValueError: If it has a layer that moves pixels at random, in a model within
            too, one output channel, a softmax at its end, channels before height and
            width, or weights to train of 16 bits.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.RandomFlip()]
        >>> check_student(keras.Sequential(layers))
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    check_returns_logits("student", student)
    _check_channels_last(student)
    _check_precision(student)
    layer = moving_layer(student)
    if layer is not None:
        raise ValueError(
            f"`student` has a layer that moves pixels: {type(layer).__name__}, "
            f"named {layer.name!r}. Label maps and pseudo labels would no longer "
            "fit the images. Leave it out of the network: `keras_imas.data` flips, "
            "scales and crops images and label maps together"
        )


def _check_channels_last(student):
    shape = tuple(student.inputs[0].shape) if getattr(student, "inputs", None) else ()
    if len(shape) == 4 and shape[1] in _CHANNELS and shape[3] not in _CHANNELS:
        raise ValueError(
            "`student` must take images (batch, height, width, channels) and return "
            f"logits alike. Received: a student of images {shape}, with the channels "
            "first. Put `keras.layers.Permute((3, 1, 2))` before it and "
            "`keras.layers.Permute((2, 3, 1))` after it"
        )


def _check_precision(student):
    for variable in student.trainable_variables:
        dtype = variable.dtype
        if dtype in ("float16", "bfloat16"):
            raise ValueError(
                f"`student` has weights in {dtype}, too coarse for the small steps of "
                f"the teacher's average: {variable.path}. Make it with the policy "
                f'"mixed_{dtype}", which computes in {dtype} and keeps weights in '
                "float32"
            )
