"""What must hold of an example when a pipeline reads it."""

_SIZES = (
    "the label map of `{}` is {}, its image {} (height, width); they must have one size"
)
_IDS = (
    "the label map of `{{}}` contains {{}}; allowed are 0 to {last} (num_classes="
    "{num_classes}) and ignore_class={ignore_class}"
)
_COLOR = (
    "the mask of `{}` has the color ({}, {}, {}), which the table of classes does not "
    "list"
)


def check_example(example, num_classes, ignore_class, by_color):
    """Refuse a label map that doesn't fit, of an example that is read by itself.

    Args:
        example: dict of arrays "image" and "label_map", and of "name".
        num_classes: number of classes, or None for no check of the ids.
        ignore_class: the id that is allowed besides.
        by_color: whether a negative id is a color that the table of classes lacks.

    Raises:
        ValueError: if it doesn't.
    """
    name, label_map = example["name"], example["label_map"]
    lowest = int(label_map.min(initial=0))
    if by_color and lowest < 0:
        raise ValueError(_COLOR.format(name, *_channels(-1 - lowest)))
    size = example["image"].shape[:2]
    if label_map.shape != size:
        raise ValueError(_SIZES.format(name, list(label_map.shape), list(size)))
    if num_classes is None:
        return
    bad = ((label_map < 0) | (label_map >= num_classes)) & (label_map != ignore_class)
    if bad.any():
        message = _ids(num_classes, ignore_class)
        raise ValueError(message.format(name, label_map[bad].max()))


def _channels(code):
    return code // 65536, code // 256 % 256, code % 256


def _ids(num_classes, ignore_class):
    return _IDS.format(
        last=num_classes - 1, num_classes=num_classes, ignore_class=ignore_class
    )


def require(condition, template, *values, then):
    """Raise `tf.errors.InvalidArgumentError` when a pipeline runs.

    Args:
        condition: boolean scalar tensor.
        template: message, with "{}" for each of the values.
        *values: tensors.
        then: structure of tensors, for use where the condition holds.

    Returns:
        `then`, computed after the condition.
    """
    import tensorflow as tf

    # `tf.strings.format` alone would put strings in escaped quotes.
    head, *rest = template.split("{}")
    message = [head]
    for value, text in zip(values, rest, strict=True):
        is_text = value.dtype == tf.string
        message += [value if is_text else tf.strings.format("{}", value), text]
    check = tf.debugging.Assert(condition, [tf.strings.join(message)])
    with tf.control_dependencies([] if check is None else [check]):
        return tf.nest.map_structure(tf.identity, then)


def require_label_map(example, num_classes, ignore_class):
    """Raise, when the pipeline runs, what is wrong with a label map."""
    import tensorflow as tf

    name, label_map = example["name"], example["label_map"]
    size, label_size = tf.shape(example["image"])[:2], tf.shape(label_map)
    example = require(
        tf.reduce_all(size == label_size),
        _SIZES,
        name,
        label_size,
        size,
        then=example,
    )
    holds = range(label_map.dtype.min, label_map.dtype.max + 1)
    if num_classes is None or num_classes not in holds:
        return example
    bad = label_map >= num_classes
    if holds[0] < 0:
        bad = tf.logical_or(bad, label_map < 0)
    if ignore_class in holds:
        bad = tf.logical_and(bad, label_map != ignore_class)
    any_bad = tf.reduce_any(bad)
    return require(
        tf.logical_not(any_bad),
        _ids(num_classes, ignore_class),
        name,
        # Only where it is needed, as it takes as long as decoding.
        tf.cond(
            any_bad,
            lambda: tf.reduce_max(tf.cast(tf.boolean_mask(label_map, bad), tf.int32)),
            lambda: 0,
        ),
        then=example,
    )


def require_listed_colors(example):
    """Raise, when the pipeline runs, for a color that the table does not list."""
    import tensorflow as tf

    lowest = tf.reduce_min(example["label_map"])
    code = -1 - lowest
    return require(
        lowest >= 0,
        _COLOR,
        example["name"],
        *_channels(code),
        then=example,
    )
