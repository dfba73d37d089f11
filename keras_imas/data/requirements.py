"""What must hold of an example when a pipeline reads it."""


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
        "the label map of `{}` is {}, its image {} (height, width); they must have "
        "one size",
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
        "the label map of `{}` contains {}; allowed are 0 to "
        f"{num_classes - 1} (num_classes={num_classes}) and "
        f"ignore_class={ignore_class}",
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
        "the mask of `{}` has the color ({}, {}, {}), which the table of classes does "
        "not list",
        example["name"],
        code // 65536,
        code // 256 % 256,
        code % 256,
        then=example,
    )
