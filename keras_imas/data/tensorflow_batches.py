"""The training batches of `tf.data`."""

import keras

from keras_imas.augment.weak import weak_view
from keras_imas.batch_checks import STRONG
from keras_imas.data.epochs import finished, shuffled_batches
from keras_imas.models.moving_layers import moving_layer


def by_tensorflow(kinds, steps, weak, position, **reading):
    """Return training batches that TensorFlow reads and makes.

    Args:
        kinds: dict of `keras_imas.data.kind.Kind`: "labeled", and "unlabeled" if there
            are unlabeled images.
        steps: number of batches of an epoch.
        weak: dict of the arguments of `weak_view`.
        position: `keras_imas.data.position.Position`.
        **reading: `seed`, `part`, `shuffle_buffer` and `num_parallel_calls` of
            `semi_supervised`.

    Returns:
        `tf.data.Dataset`, see `semi_supervised`.
    """
    import tensorflow as tf

    reading["position"] = position
    labeled, unlabeled = kinds["labeled"], kinds.get("unlabeled")
    recolored = _clipped("labeled_strong", labeled.strong)

    def labeled_view(seed, index, example):
        image, label_map, _ = weak_view(
            example["image"], example["label_map"], seed=seed, **weak
        )
        if recolored is not None:
            own = tf.random.fold_in(seed, 1)
            image = tf.ensure_shape(recolored(image, own), image.shape)
        return {"labeled": image, "labeled_index": index}, label_map

    batches = shuffled_batches(
        labeled.examples,
        steps,
        labeled.batch_size,
        labeled.stream,
        labeled_view,
        labels=labeled.labels,
        num_classes=labeled.num_classes,
        ignore_class=weak["ignore_class"],
        **reading,
    )
    if unlabeled is None:
        return finished(batches, steps, position)
    strong = _clipped("strong", unlabeled.strong)

    def views(seed, index, example):
        seeds = tf.random.split(seed)
        labels = example["label_map"] if unlabeled.labels else None
        image, label_map, valid = weak_view(
            example["image"], labels, seed=seeds[0], **weak
        )
        made = {
            "unlabeled": image,
            "unlabeled_valid": valid,
            "unlabeled_index": index,
        }
        if unlabeled.labels:
            made["unlabeled_label_map"] = label_map
        drawn = seeds[1], tf.random.fold_in(seed, 2)
        for name, own in zip(STRONG[: unlabeled.strong_views], drawn, strict=False):
            made[name] = tf.ensure_shape(strong(image, own), image.shape)
        return made

    unlabeled_batches = shuffled_batches(
        unlabeled.examples,
        steps,
        unlabeled.batch_size,
        unlabeled.stream,
        views,
        labels=unlabeled.labels,
        num_classes=unlabeled.num_classes,
        ignore_class=weak["ignore_class"],
        **reading,
    )
    batches = tf.data.Dataset.zip(batches, unlabeled_batches).map(
        lambda labeled, unlabeled: ({**labeled[0], **unlabeled}, labeled[1])
    )
    return finished(batches, steps, position)


def _clipped(argument, strong):
    if strong is None:
        return None
    import tensorflow as tf

    is_layer = isinstance(strong, keras.layers.Layer)
    moving = moving_layer(strong) if is_layer else None
    if moving is not None:
        raise ValueError(
            f"`{argument}` moves pixels, by its layer {type(moving).__name__}: the "
            "labels of the weak view would no longer fit. Take a layer that changes "
            "colors alone, such as `keras_cv.layers.RandAugment(value_range=(0, 255), "
            f"geometric=False)`. Received: {argument}={strong!r}"
        )

    def clipped(image, seed):
        view = strong(image) if is_layer else strong(image, seed)
        return tf.clip_by_value(tf.cast(view, tf.float32), 0.0, 255.0)

    return clipped
