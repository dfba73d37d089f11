"""Which of the two input pipelines reads and makes the views."""

from keras_imas.augment.strong import OPERATIONS
from keras_imas.backends.installed import has_tensorflow

PIPELINES = ("auto", "device", "tf.data")


def choose_pipeline(pipeline, *examples, strong=()):
    """Return the pipeline to take.

    Args:
        pipeline: "device": threads read, and the device makes the views; "tf.data":
            TensorFlow does both, on the processor; or "auto": "tf.data" where
            TensorFlow is installed, else "device".
        *examples: `Examples` that it is to read.
        strong: the strong views it is to make; `None` and `False` are none of their
            own. Defaults to none.

    Returns:
        "device" or "tf.data".

    Raises:
        ValueError: if there is no such pipeline, or it can't do it.

    Example:
        >>> choose_pipeline("device")
        'device'
    """
    if pipeline not in PIPELINES:
        raise ValueError(
            f"`pipeline` must be one of {', '.join(PIPELINES)}. Received: {pipeline!r}"
        )
    problem = None
    if any(part.fetch is None for part in examples):
        problem = "a `tf.data.Dataset` or a set of TensorFlow Datasets as its source"
    for view in filter(None, strong):
        if not hasattr(view, "draw"):
            problem = f"the strong view {type(view).__name__}, which TensorFlow makes"
        blur = getattr(view, "operations", {}).get("gaussian_blur", (0.0,))
        if max(blur) > max(OPERATIONS["gaussian_blur"]):
            problem = f"a Gaussian blur of {max(blur):g} pixels, whose kernel it cuts"
    if pipeline == "auto":
        return "tf.data" if problem or has_tensorflow() else "device"
    if pipeline == "device" and problem:
        raise ValueError(
            f'`pipeline="device"` does not go with {problem}. Pass pipeline="tf.data" '
            "(--pipeline=tf.data)"
        )
    if pipeline == "tf.data" and not has_tensorflow():
        raise ValueError(
            '`pipeline="tf.data"` needs TensorFlow, which is not installed: `pip '
            'install tensorflow`, or pass pipeline="device"'
        )
    return pipeline
