"""The validation pipeline: whole images, in order."""

from keras_imas.batch_checks import check_num_classes
from keras_imas.data.as_examples import as_examples
from keras_imas.data.device.whole_images import WholeImages
from keras_imas.data.examples import as_record
from keras_imas.data.pipelines import choose_pipeline
from keras_imas.data.requirements import require
from keras_imas.typing import Batches, Source


def evaluation(
    labeled: Source,
    *,
    batch_size: int = 1,
    ignore_class: int | None = 255,
    num_classes: int | None = None,
    pipeline: str = "auto",
) -> Batches:
    """Return whole images and label maps, in order, for `evaluate` and `fit`.

    Args:
        labeled: images with label maps: `Examples`, arrays or a `tf.data.Dataset` (see
            `as_examples`).
        batch_size: images a batch; with more than one, all images must have one size.
            Defaults to 1.
        ignore_class: the id that `num_classes` does not count. Defaults to 255.
        num_classes: if given, ids other than 0..num_classes − 1 and `ignore_class`
            raise when they are read.
        pipeline: see `keras_imas.data.pipelines.choose_pipeline`. Defaults to "auto".

    Returns:
        `tf.data.Dataset`, or of the pipeline "device" a `keras.utils.PyDataset`, of
        `(images, label_maps)`: `(B, H, W, 3)` float32, 0..255, and `(B, H, W)` int32.
        The last batch may be smaller.

    Raises:
        ValueError: if there are no label maps. While it is iterated, if the images of a
            batch differ in size; of "tf.data" `tf.errors.InvalidArgumentError`.

    Example:
        >>> import numpy as np
        >>> source = np.zeros((5, 32, 32, 3)), np.zeros((5, 32, 32), int)
        >>> [len(images) for images, label_maps in evaluation(source, batch_size=2)]
        [2, 2, 1]
    """
    labeled = as_examples(labeled)
    check_num_classes(num_classes, ignore_class)
    if not labeled.labeled:
        raise ValueError(
            "`labeled` has no label maps. Pass `masks` to `from_folder`, or "
            "`(images, label_maps)`."
        )
    checked = dict(num_classes=num_classes, ignore_class=ignore_class)
    if choose_pipeline(pipeline, labeled) == "device":
        return WholeImages(labeled, batch_size, **checked)
    return _from_tensorflow(labeled, batch_size, **checked)


def _from_tensorflow(labeled, batch_size, **checked):
    import tensorflow as tf

    def view(example, _):
        return (
            tf.cast(example["image"], tf.float32),
            tf.cast(example["label_map"], tf.int32),
            example["name"],
        )

    def require_one_size(expected, example):
        image, label_map, name = example
        size = tf.shape(image)[:2]
        expected = tf.where(expected == 0, size, expected)
        example = require(
            tf.reduce_all(size == expected),
            "`{}` is {} (height, width), the images before it {}: "
            f"batch_size={batch_size} needs one size. Use batch_size=1, or "
            "image_size= in from_folder",
            name,
            size,
            expected,
            then=example,
        )
        return expected, example

    examples = labeled.read_each(
        labeled.records.map(as_record),
        view,
        **checked,
    )
    if batch_size > 1:
        examples = examples.scan(tf.zeros(2, tf.int32), require_one_size)
    examples = examples.map(lambda image, label_map, _: (image, label_map))
    known = labeled.on_bad_image == "error"
    if known:
        examples = examples.apply(tf.data.experimental.assert_cardinality(len(labeled)))
    whole = known and len(labeled) % batch_size == 0
    return examples.batch(batch_size, drop_remainder=whole).prefetch(tf.data.AUTOTUNE)
