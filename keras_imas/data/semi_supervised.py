"""The training pipeline: labeled and unlabeled batches side by side."""

from typing import Any

import numpy as np

from keras_imas.arguments import check_choice
from keras_imas.augment.strong import StrongView
from keras_imas.augment.strong_views import described
from keras_imas.batch_checks import check_num_classes, check_two_classes
from keras_imas.data.as_examples import as_examples
from keras_imas.data.device.batches import on_device
from keras_imas.data.fingerprint import fingerprint
from keras_imas.data.kind import Kind, require_parts
from keras_imas.data.pipelines import choose_pipeline
from keras_imas.data.position import Position
from keras_imas.data.splits import check_separate
from keras_imas.data.tensorflow_batches import by_tensorflow
from keras_imas.imagenet import MEAN_COLOR
from keras_imas.typing import Batches, Color, Size, Source

# Streams of random numbers; the labeled one is the same with and without the other.
_LABELED, _UNLABELED = 0, 1


def semi_supervised(
    labeled: Source,
    unlabeled: Source,
    *,
    crop_size: int | Size,
    labeled_batch_size: int = 4,
    unlabeled_batch_size: int = 4,
    num_classes: int | None = None,
    ignore_class: int = 255,
    scale_range: tuple[float, float] = (0.5, 2.0),
    flip: bool = True,
    strong: Any = None,
    strong_views: int = 1,
    labeled_strong: Any = None,
    padding_color: Color = MEAN_COLOR,
    seed: int = 0,
    shuffle_buffer: int = 1024,
    num_parallel_calls: int | None = None,
    part: tuple[int, int] = (0, 1),
    allow_shared: bool = False,
    unlabeled_labels: bool = False,
    pipeline: str = "auto",
) -> Batches:
    """Return the batches that `IMAS` trains on.

    An epoch is one pass over the unlabeled images, in a new order each time the
    dataset is iterated; an incomplete last batch is dropped. The labeled images repeat
    to that length, freshly shuffled in each pass.

    Every draw is a function of `seed`, the epoch (in `IMAS.fit` that of `fit`, else how
    many times the dataset has been iterated), the pass and the index of the image: two
    datasets made with the same arguments agree bit by bit, epoch by epoch, whatever the
    threads do and whatever the global seed is.

    Args:
        labeled: images with label maps: `Examples`, arrays or a `tf.data.Dataset` (see
            `as_examples`).
        unlabeled: images; label maps, if there are any, aren't read.
        crop_size: pixels of the square crop, or `(height, width)`.
        labeled_batch_size: labeled images a step. Defaults to 4.
        unlabeled_batch_size: unlabeled images a step. Defaults to 4.
        num_classes: if given, ids other than 0..num_classes − 1 and `ignore_class`
            raise when they are read.
        ignore_class: id of pixels without label, and of padding. Defaults to 255.
        scale_range: `(low, high)` of the random scale. Defaults to `(0.5, 2.0)`.
        flip: whether to mirror half of the images. Defaults to True.
        strong: the strong view: one of `keras_imas.augment`, or, for the pipeline
            "tf.data", a callable `(image, seed) -> image` or a Keras or KerasCV layer
            that moves no pixels. With a layer, batches are only as reproducible as the
            layer's own draws; `keras_imas.augment.rand_augment` has KerasCV's
            RandAugment with ours. Defaults to `StrongView()`.
        strong_views: number of strong views of a crop, 1 or 2; the second has draws of
            its own, and the first those that it has alone. For the same argument of
            `keras_imas.IMAS`. Defaults to 1.
        labeled_strong: a strong view of the labeled images, as `strong`. Defaults to
            None: they have their weak view alone.
        padding_color: RGB value of padding, 0..255. Defaults to the mean colour of
            ImageNet.
        seed: integer. Defaults to 0.
        shuffle_buffer: elements to hold in memory for shuffling where a source is a
            `tf.data.Dataset`; files and arrays are always shuffled as a whole. Defaults
            to 1024.
        num_parallel_calls: images prepared in parallel. Defaults to the number of
            cores, 16 at most.
        part: `(i, n)` for the i-th of n equal parts of each batch, for the i-th of n
            processes that train together; only these images are read. Defaults to
            `(0, 1)`: the whole batch.
        allow_shared: whether labeled images may be among the unlabeled ones too, as
            other methods have it. Defaults to False: they are refused, as published.
        unlabeled_labels: whether to add the label maps of the unlabeled crops, which
            `IMAS` does not look at. For studies of pseudo labels. Defaults to False.
        pipeline: what reads and makes the views, see
            `keras_imas.data.pipelines.choose_pipeline`; the two draw other numbers.
            Defaults to "auto".

    Returns:
        `tf.data.Dataset`, or of the pipeline "device" a `keras.utils.PyDataset`, of
        `len(unlabeled) // unlabeled_batch_size` elements `(inputs, label_map)`, all
        shapes static. `inputs` is a dict:

        - "labeled": `(B_l, h, w, 3)` float32, 0..255
        - "unlabeled", "unlabeled_strong": `(B_u, h, w, 3)` float32, 0..255, the weak
          and the strong view of the same crop; and "unlabeled_strong_2" with
          `strong_views=2`
        - "unlabeled_valid": `(B_u, h, w)` float32, 1 for image and 0 for padding
        - "unlabeled_label_map": `(B_u, h, w)` int32, with `unlabeled_labels`
        - "labeled_index", "unlabeled_index": `(B_l,)`, `(B_u,)` int32, positions in
          `Examples.names`

        `label_map` is `(B_l, h, w)` int32. The dataset's attribute `position`, a
        `keras_imas.data.position.Position`, tells where an iteration starts: images
        before it are not read. (They are where `on_bad_image` is "skip", as which ones
        are skipped depends on what is in them, and where a source is a
        `tf.data.Dataset`.) What is made of the dataset by `map` and the like needs
        `made.position = dataset.position` to be resumed in the middle of an epoch.

    Raises:
        ValueError: if there are fewer unlabeled images than a batch takes, if an
            image is both labeled and unlabeled, if `strong` moves pixels, or
            `strong_views` is neither 1 nor 2.

    Example:
        >>> import numpy as np
        >>> labeled = np.zeros((2, 32, 32, 3)), np.zeros((2, 32, 32), int)
        >>> unlabeled = np.zeros((9, 32, 32, 3))
        >>> batches = semi_supervised(labeled, unlabeled, crop_size=16)
        >>> len(batches)
        2
        >>> inputs, label_map = next(iter(batches))
        >>> tuple(inputs["unlabeled_strong"].shape)
        (4, 16, 16, 3)
    """
    labeled, unlabeled = _as_labeled(labeled, ignore_class), as_examples(unlabeled)
    check_num_classes(num_classes, ignore_class)
    check_separate(labeled=labeled, unlabeled=unlabeled, allow_shared=allow_shared)
    check_choice("strong_views", strong_views, (1, 2))
    steps = _require_batch("unlabeled", unlabeled, unlabeled_batch_size)
    weak = _weak_options(crop_size, scale_range, flip, padding_color, ignore_class)
    return _batches(
        choose_pipeline(pipeline, labeled, unlabeled, strong=(strong, labeled_strong)),
        Kind(
            labeled,
            labeled_batch_size,
            _LABELED,
            num_classes=num_classes,
            labels=True,
            strong=labeled_strong,
        ),
        Kind(
            unlabeled,
            unlabeled_batch_size,
            _UNLABELED,
            num_classes=num_classes,
            labels=unlabeled_labels,
            strong=StrongView() if strong is None else strong,
            strong_views=strong_views,
        ),
        steps,
        weak,
        {
            "labeled_batch_size": labeled_batch_size,
            "unlabeled_batch_size": unlabeled_batch_size,
        },
        seed=seed,
        shuffle_buffer=shuffle_buffer,
        num_parallel_calls=num_parallel_calls,
        part=part,
    )


def supervised(
    labeled: Source,
    *,
    crop_size: int | Size,
    batch_size: int = 4,
    steps_per_epoch: int | None = None,
    num_classes: int | None = None,
    ignore_class: int = 255,
    scale_range: tuple[float, float] = (0.5, 2.0),
    flip: bool = True,
    labeled_strong: Any = None,
    padding_color: Color = MEAN_COLOR,
    seed: int = 0,
    shuffle_buffer: int = 1024,
    num_parallel_calls: int | None = None,
    part: tuple[int, int] = (0, 1),
    pipeline: str = "auto",
) -> Batches:
    """Return the labeled batches of `semi_supervised` alone, for the baseline.

    With the same arguments, `batch_size` equal to `labeled_batch_size` and as many
    `steps_per_epoch`, the labeled images are the same, bit by bit.

    Args:
        labeled: as in `semi_supervised`.
        crop_size: as in `semi_supervised`.
        batch_size: images a step. Defaults to 4.
        steps_per_epoch: steps in an epoch; the labeled set is repeated to that length.
            Defaults to one pass over it.
        num_classes: as in `semi_supervised`.
        ignore_class: as in `semi_supervised`.
        scale_range: as in `semi_supervised`.
        flip: as in `semi_supervised`.
        labeled_strong: as in `semi_supervised`.
        padding_color: as in `semi_supervised`.
        seed: as in `semi_supervised`.
        shuffle_buffer: as in `semi_supervised`.
        num_parallel_calls: as in `semi_supervised`.
        part: as in `semi_supervised`.
        pipeline: as in `semi_supervised`.

    Returns:
        `tf.data.Dataset`, or of the pipeline "device" a `keras.utils.PyDataset`, of
        `({"labeled": ..., "labeled_index": ...}, label_map)`, as
        in `semi_supervised`.

    Raises:
        ValueError: if there are fewer images than a batch takes and no
            `steps_per_epoch`.

    Example:
        >>> import numpy as np
        >>> source = np.zeros((9, 32, 32, 3)), np.zeros((9, 32, 32), int)
        >>> batches = supervised(source, crop_size=16)
        >>> len(batches), tuple(batches.element_spec[1].shape)
        (2, (4, 16, 16))
    """
    labeled = _as_labeled(labeled, ignore_class)
    check_num_classes(num_classes, ignore_class)
    if steps_per_epoch is None:
        steps_per_epoch = _require_batch("labeled", labeled, batch_size)
    weak = _weak_options(crop_size, scale_range, flip, padding_color, ignore_class)
    return _batches(
        choose_pipeline(pipeline, labeled, strong=(labeled_strong,)),
        Kind(
            labeled,
            batch_size,
            _LABELED,
            num_classes=num_classes,
            labels=True,
            strong=labeled_strong,
        ),
        None,
        steps_per_epoch,
        weak,
        {"batch_size": batch_size},
        seed=seed,
        shuffle_buffer=shuffle_buffer,
        num_parallel_calls=num_parallel_calls,
        part=part,
    )


def _batches(pipeline, labeled, unlabeled, steps, weak, sizes, *, part, **reading):
    """Return the batches of a pipeline, in an order that its position tells."""
    if not labeled.examples.labeled:
        raise ValueError(
            "`labeled` has no label maps. Pass `masks` to `from_folder`, or "
            "`(images, label_maps)`."
        )
    kinds = {"labeled": labeled, "unlabeled": unlabeled}
    kinds = {name: kind for name, kind in kinds.items() if kind is not None}
    for kind in kinds.values():
        require_parts(kind.examples, kind.batch_size, part[1])

    def settings():
        prints = {name: fingerprint(kind.examples) for name, kind in kinds.items()}
        drawn = {key: reading[key] for key in ("seed", "shuffle_buffer")}
        return {**weak, **prints, **sizes, **drawn, **own}

    # What tf.data draws has no name in checkpoints, which others wrote before; neither
    # has one strong view.
    own = {"pipeline": "device"} if pipeline == "device" else {}
    own["mask_values"] = labeled.examples.mask_values
    own["labeled_strong"] = described(labeled.strong)
    own["strong"] = unlabeled and described(unlabeled.strong)
    if unlabeled is not None and unlabeled.strong_views > 1:
        own["strong_views"] = unlabeled.strong_views
    make = on_device if pipeline == "device" else by_tensorflow
    return make(kinds, steps, weak, Position(settings), part=part, **reading)


def _as_labeled(labeled, ignore_class):
    examples = as_examples(labeled)
    if examples.labeled and isinstance(labeled, tuple | list):
        check_two_classes(labeled[1], ignore_class)
    return examples


def _weak_options(crop_size, scale_range, flip, padding_color, ignore_class):
    if ignore_class is None:
        raise ValueError(
            "`ignore_class` must be an id that is no class, such as 255: padding has "
            "it in the label maps. Received: ignore_class=None"
        )
    size = (crop_size, crop_size) if np.ndim(crop_size) == 0 else tuple(crop_size)
    if len(size) != 2 or any(int(side) != side or side < 1 for side in size):
        raise ValueError(
            "`crop_size` must be a positive integer or (height, width). "
            f"Received: crop_size={crop_size}"
        )
    if len(scale_range) != 2 or not 0 < scale_range[0] <= scale_range[1]:
        raise ValueError(
            "`scale_range` must be (low, high) with 0 < low <= high. "
            f"Received: scale_range={scale_range}"
        )
    return dict(
        crop_size=tuple(int(side) for side in size),
        scale_range=scale_range,
        flip=flip,
        padding_color=padding_color,
        ignore_class=ignore_class,
    )


def _require_batch(argument, examples, batch_size):
    if batch_size < 1:
        raise ValueError(f"A batch must have an image. Received: {batch_size}")
    if len(examples) < batch_size:
        raise ValueError(
            f"`{argument}` has {len(examples)} images, fewer than a batch takes "
            f"({batch_size}). Reduce the batch size or add images."
        )
    return len(examples) // batch_size
