"""Examples from a TensorFlow Datasets (TFDS) set."""

import importlib.util
import io
import os
from collections.abc import Sequence

import numpy as np

from keras_imas.backends.installed import has_tensorflow
from keras_imas.data.cityscapes import TRAIN_IDS
from keras_imas.data.classes import mask_values
from keras_imas.data.examples import Examples
from keras_imas.data.requirements import require
from keras_imas.files.user_path import user_path
from keras_imas.typing import Size, StrPath

_IMAGE_KEYS = ("image", "image_left")
_LABEL_KEYS = (
    "label_map",
    "segmentation_mask",
    "segmentation_label",
    "annotation",
    "annotations",
    "mask",
)

_LABEL_TABLES = {
    "cityscapes": TRAIN_IDS,
    "oxford_iiit_pet": (255, 0, 1, 2),
    "scene_parse150": (255, *range(100)),
}
# Its green channel tells the instances of a class apart.
_CLASS_IN_RED = ("scene_parse150",)


def from_tfds(
    name: str,
    split: str,
    *,
    data_dir: StrPath | None = None,
    labeled: bool = True,
    image_size: Size | None = None,
    label_table: Sequence[int] | None = None,
    image_key: str | None = None,
    label_key: str | None = None,
) -> Examples:
    """List the examples of a split of a TFDS set that is prepared.

    Examples are in the order of the set's files. They stay encoded until they are
    read, so that a shuffle holds PNGs and JPEGs in memory. Those of Cityscapes take
    over 2 MB each: lower `shuffle_buffer` where 1024 of them are too many.

    Some sets store other ids than class ids. These are mapped unless `label_table` is
    given:

    | set | stored | classes |
    |---|---|---|
    | `cityscapes` | `labelIds`, 0..33 | the 19 `trainIds`, else 255 |
    | `oxford_iiit_pet` | 1 pet, 2 background, 3 border | 0, 1, 2 |
    | `scene_parse150` | 1..100, 0 for no object | 0..99, else 255 |

    Despite its name, TFDS' `scene_parse150` holds the annotation of the benchmark's
    instance task: 100 classes of objects in the red channel, and no sky or wall. For
    the 150 classes, use `from_folder`.

    Args:
        name: name of the set, such as "oxford_iiit_pet" or
            "cityscapes/semantic_segmentation".
        split: a split of the set or a part of one, such as "train", "train[:10%]" or
            "train+test".
        data_dir: directory of TFDS sets. Defaults to TFDS' own, `~/tensorflow_datasets`
            unless it is configured.
        labeled: whether to read label maps. Defaults to True.
        image_size: as in `from_folder`.
        label_table: class ids, one for each id that is stored, from 0 on; a negative
            one for an id that must not occur. `range(256)` takes the ids as they are.
            Defaults to the set's own, if it is listed above, else to the ids as they
            are.
        image_key: name of the feature that holds the images. Defaults to the one called
            "image" or "image_left", or else the only one with colour images.
        label_key: name of the feature that holds the label maps, integers `(H, W, 1)`,
            `(H, W)` or `(H, W, 3)` with equal channels. Defaults to the one called
            "label_map", "segmentation_mask", "segmentation_label", "annotation",
            "annotations" or "mask", or else the only `tfds.features.LabeledImage`.

    Returns:
        `Examples`, whose names are TFDS ids, "<file>__<position in it>"; they are
        known without reading the data.

    Raises:
        FileNotFoundError: if the set isn't prepared. Nothing is ever downloaded.
        ValueError: if TensorFlow Datasets is not installed, if there is no such set or
            split, if the split is empty or takes an example twice, or if its features
            aren't found or can't be used. While it is
            read, `tf.errors.InvalidArgumentError` if a label map contains an id that
            `label_table` does not map.

    Example:
        ```python
        labeled = keras_imas.data.from_tfds("oxford_iiit_pet", "train[:10%]")
        unlabeled = keras_imas.data.from_tfds(
            "oxford_iiit_pet", "train[10%:]", labeled=False
        )
        ```
    """
    if not importlib.util.find_spec("tensorflow_datasets") or not has_tensorflow():
        raise ValueError(
            f"{name} is read by TensorFlow Datasets, which is not installed here: `pip "
            "install tensorflow tensorflow-datasets`. Images in folders need neither, "
            "see `from_folder`"
        )
    import tensorflow_datasets as tfds

    data_dir = data_dir if data_dir is None else user_path(data_dir)
    builder = tfds.builder(name, data_dir=data_dir)
    features = builder.info.features
    image_key = _image_key(name, features, image_key)
    keys, table = [image_key], None
    if labeled:
        label_key = _label_key(name, features, label_key, image_key)
        keys.append(label_key)
        table = _label_table(label_table, builder.name)
    dataset = _encoded(builder, name, split, data_dir, keys)
    size = int(dataset.cardinality())
    names = _names(builder.info.splits, split)

    def load(index, element, wanted=("image", "label_map")):
        example = {"name": element["tfds_id"]}
        if "image" in wanted:
            example["image"] = _image(features[image_key], element[image_key])
        if "label_map" in wanted and labeled:
            label_map = _label_map(
                features[label_key],
                element[label_key],
                example["name"],
                equal_channels=builder.name not in _CLASS_IN_RED,
            )
            if table is not None:
                label_map = _mapped(label_map, table, example["name"])
            example["label_map"] = label_map
        return example

    image_shape = features[image_key].shape
    return Examples(
        dataset=dataset.enumerate(),
        load=load,
        size=size,
        labeled=labeled,
        # `tfds.testing.mock_data` makes up examples that are in no file.
        names=names if names is not None and len(names) == size else None,
        image_size=None if image_size is None else tuple(image_size),
        mask_values=mask_values({}, table),
        sizes=frozenset(() if None in image_shape[:2] else [image_shape[:2]]),
    )


def _encoded(builder, name, split, data_dir, keys):
    """Return the features `keys` as they are stored, with "tfds_id", in order."""
    import tensorflow_datasets as tfds

    splits = builder.info.splits
    if splits and not splits[split].num_examples:
        counts = ", ".join(f"{key!r} ({splits[key].num_examples})" for key in splits)
        raise ValueError(
            f"`split` has no examples. Received: split={split!r}; {name} has the "
            f"splits {counts}"
        )
    try:
        return builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders=tfds.decode.PartialDecoding(
                dict.fromkeys(keys, True),
                dict.fromkeys(keys, tfds.decode.SkipDecoding()),
            ),
            # One file after the other. TFDS would keep a small set in memory, and warn
            # wherever an iteration stops early.
            read_config=tfds.ReadConfig(
                interleave_cycle_length=1,
                add_tfds_id=True,
                try_autocache=False,
                skip_prefetch=True,
            ),
        )
    except (AssertionError, KeyError) as error:
        if splits:
            raise
        where = "" if data_dir is None else f" --data_dir={data_dir}"
        argument = "" if data_dir is None else f", data_dir={str(data_dir)!r}"
        by_hand = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
        by_hand = f" {' '.join(by_hand.split())}" if by_hand else ""
        raise FileNotFoundError(
            f"{name} is not prepared in {builder.data_dir}. Run `tfds build {name}"
            f"{where}` once, or `tfds.builder({name!r}{argument})"
            f".download_and_prepare()` in Python.{by_hand}"
        ) from error


def _names(splits, split):
    """Return the `tfds_id` of each example, as TFDS' reader makes them, or None."""
    if not splits:
        return None
    files = splits[split].file_instructions
    if len({os.path.dirname(file.filename) for file in files}) > 1:
        return None  # the ids of a set in several directories hold parts of these
    names = tuple(
        f"{os.path.basename(file.filename)}__{file.skip + index}"
        for file in files
        for index in range(file.take)
    )
    if len(set(names)) < len(names):
        raise ValueError(f"`split` takes examples twice. Received: split={split!r}")
    return names


def _image_key(name, features, key):
    import tensorflow_datasets as tfds

    usable = [
        other
        for other, feature in features.items()
        if isinstance(feature, tfds.features.Image)
        and feature.np_dtype == np.uint8
        and _channels(feature) in (1, 3, 4)
    ]
    rest = [other for other in usable if _channels(features[other]) == 3]
    what = "8-bit images"
    return _key(name, features, "image_key", key, what, usable, _IMAGE_KEYS, rest)


def _label_key(name, features, key, image_key):
    import tensorflow_datasets as tfds

    usable = [
        other
        for other, feature in features.items()
        if other != image_key
        and isinstance(feature, (tfds.features.Image, tfds.features.Tensor))
        and np.issubdtype(feature.np_dtype, np.integer)
        and _channels(feature) in (1, 3)
    ]
    # A single channel alone does not make a label map: it may be a depth.
    rest = [
        other
        for other in usable
        if isinstance(features[other], tfds.features.LabeledImage)
    ]
    what = "label maps (pass labeled=False to do without)"
    return _key(name, features, "label_key", key, what, usable, _LABEL_KEYS, rest)


def _key(name, features, argument, key, what, usable, known, rest):
    """Return `key` if it is usable, else the only known one, else the only other."""
    choice = [key] if key is not None else [k for k in known if k in usable] or rest
    if len(choice) == 1 and choice[0] in usable:
        return choice[0]
    if key is not None:
        problem = f"`{argument}` must name a feature that holds {what}"
    elif choice:
        problem = (
            f"Several features of {name} may hold {what}: {', '.join(choice)}. Choose "
            f"with `{argument}`"
        )
    else:
        problem = f"No feature of {name} is known to hold {what}. Pass `{argument}`"
    listed = "".join(f"\n  {other}: {features[other]}" for other in features)
    raise ValueError(f"{problem}. Received: {argument}={key!r}; features:{listed}")


def _channels(feature):
    """Return how many values a pixel has, or None for what isn't an image."""
    rank = len(feature.shape)
    return feature.shape[-1] if rank == 3 else 1 if rank == 2 else None


def _label_table(table, set_name):
    if table is None:
        table = _LABEL_TABLES.get(set_name)
        return None if table is None else np.asarray(table, "int32")
    array = np.asarray(table)
    if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(
            "`label_table` must be a sequence of class ids, one for each id that is "
            f"stored. Received: label_table={table!r}"
        )
    return array.astype("int32")


def _image(feature, encoded):
    import tensorflow as tf

    image = feature.decode_example(encoded)
    if _channels(feature) == 1:
        image = tf.image.grayscale_to_rgb(image)
    return tf.ensure_shape(image[..., :3], (None, None, 3))


def _label_map(feature, encoded, name, equal_channels):
    """Decode a label map to `(H, W)` int32."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def decoded():
        label_map = tf.cast(feature.decode_example(encoded), tf.int32)
        if label_map.shape.rank == 2:
            return label_map
        first, others = label_map[..., 0], label_map[..., 1:]
        if not equal_channels or _channels(feature) == 1:
            return first
        return require(
            tf.reduce_all(others == first[..., None]),
            "the label map of `{}` has channels that differ: it holds colors, and a "
            "label map must hold one id a pixel",
            name,
            then=first,
        )

    if not isinstance(feature, tfds.features.Image):
        return tf.ensure_shape(decoded(), (None, None))
    # TFDS would colorize a PNG with a palette, whose indices are the ids. Its color
    # type is byte 25.
    has_palette = tf.logical_and(
        tf.strings.substr(encoded, 0, 4) == b"\x89PNG",
        tf.strings.substr(encoded, 25, 1) == b"\x03",
    )
    label_map = tf.cond(
        has_palette,
        lambda: tf.numpy_function(_indices, [encoded], tf.int32),
        decoded,
    )
    return tf.ensure_shape(label_map, (None, None))


def _indices(encoded):
    """Read the values of a PNG with a palette."""
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        return np.array(image, "int32")


def _mapped(label_map, table, name):
    import tensorflow as tf

    known = tf.logical_and(label_map >= 0, label_map < len(table))
    mapped = tf.gather(table, tf.where(known, label_map, 0))
    bad = tf.logical_or(tf.logical_not(known), mapped < 0)
    return require(
        tf.logical_not(tf.reduce_any(bad)),
        "the label map of `{}` contains {}, which has no class in `label_table` ("
        f"{len(table)} entries, for the ids from 0 on)",
        name,
        tf.reduce_max(tf.where(bad, label_map, tf.int32.min)),
        then=mapped,
    )
