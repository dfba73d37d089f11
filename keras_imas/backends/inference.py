"""Run a network for its predictions, which stay where they were computed."""

import keras


def on_device(model):
    """Return a function like `model.predict_on_batch` whose result is a tensor.

    It is compiled once for each shape, and takes the weights as they are when it is
    called.

    Args:
        model: Built `keras.Model`.

    Returns:
        Function from a batch of images to what the model returns, not copied to the
        host.

    Example:
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
        >>> tuple(on_device(model)(keras.ops.ones((3, 4))).shape)
        (3, 2)
    """
    if keras.backend.backend() != "jax":
        model.make_predict_function()
        return lambda images: model.predict_function([(images,)])
    import jax

    @jax.jit
    def run(values, images):
        variables = zip(model.variables, values, strict=True)
        with keras.StatelessScope(variables):
            return model(images, training=False)

    return lambda images: run([v.value for v in model.variables], images)
