"""What a network may not do, if it is to be trained as a student."""

from keras_imas.models.final_activation import check_returns_logits
from keras_imas.models.moving_layers import moving_layer


def check_student(student):
    """Refuse a network whose layers move pixels at random, or without logits.

    Label maps and pseudo labels would stay where they were. Layers that change colors
    pass: they draw in the training pass alone.

    Args:
        student: Keras model.

    Raises:
        ValueError: If it has such a layer, in a model within too, one output channel,
            or a softmax at its end.

    Example:
        >>> import keras
        >>> layers = [keras.Input((8, 8, 3)), keras.layers.RandomFlip()]
        >>> check_student(keras.Sequential(layers))
        Traceback (most recent call last):
        ...
        ValueError: ...
    """
    check_returns_logits("student", student)
    layer = moving_layer(student)
    if layer is not None:
        raise ValueError(
            f"`student` has a layer that moves pixels: {type(layer).__name__}, "
            f"named {layer.name!r}. Label maps and pseudo labels would no longer "
            "fit the images. Leave it out of the network: `keras_imas.data` flips, "
            "scales and crops images and label maps together"
        )
