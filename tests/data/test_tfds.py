import io
import zipfile

import numpy as np
import programs
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from keras_imas.data import check_labels, evaluation, semi_supervised
from keras_imas.data.cityscapes import _LABEL_IDS
from keras_imas.data.tfds import from_tfds

# TFDS reads 16 examples of a file, then 16 of the next, unless it is told otherwise.
COUNTS = {"train": 55, "test": 4}


def picture(index):
    return np.full((20, 24, 3), index, "uint8")


def label_map(index):
    return np.full((20, 24, 1), index % 3, "uint8")


class TinyShapes(tfds.core.GeneratorBasedBuilder):
    """Gray squares: the value of an image is its index, its class that modulo 3."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="png"),
                    "label_map": tfds.features.LabeledImage(labels=3),
                    "title": tfds.features.Text(),
                }
            ),
        )

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in COUNTS}

    def _generate_examples(self, split):
        for index in range(COUNTS[split]):
            index += 100 * (split == "test")
            features = {"image": picture(index), "label_map": label_map(index)}
            yield index, {**features, "title": f"square {index}"}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Directory with the set in three files a split."""
    data_dir = tmp_path_factory.mktemp("tiny")
    builder = tfds.builder("tiny_shapes", data_dir=data_dir)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(num_shards=3)
    )
    assert builder.info.splits["train"].num_shards == 3
    return data_dir


@pytest.fixture
def store(tmp_path):
    """A function that makes a set of the features and examples given."""

    def store(features, *examples):
        tfds.dataset_builders.store_as_tfds_dataset(
            name="made",
            version="1.0.0",
            data_dir=tmp_path,
            features=tfds.features.FeaturesDict(features),
            split_datasets={"train": list(enumerate(examples))},
            disable_shuffling=True,
        )
        return dict(name="made", split="train", data_dir=tmp_path)

    return store


def read(examples):
    records = examples.records.map(examples.read).as_numpy_iterator()
    return [{**r, "name": r["name"].decode()} for r in records]


def png(array, palette=None):
    image = Image.fromarray(array, "P" if palette is not None else None)
    if palette is not None:
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


SPLITS = [
    "train",
    "train[:30%]",
    "train[30%:]",
    "train[2:6]",
    "train[15:40]",
    "train[-1:]",
    "train[1shard:]",
    "train+test",
    "test[1:3]+train[5:]",
]


@pytest.mark.parametrize("split", SPLITS)
def test_names_are_the_ids_that_are_read(tiny, split):
    examples = from_tfds("tiny_shapes", split, data_dir=tiny)
    expected = tfds.load(
        "tiny_shapes",
        split=split,
        data_dir=tiny,
        read_config=tfds.ReadConfig(interleave_cycle_length=1, add_tfds_id=True),
    )
    expected = list(expected.as_numpy_iterator())
    ids = tuple(element["tfds_id"].decode() for element in expected)
    assert examples.names == ids and len(examples) == len(ids)
    rows = read(examples)
    assert tuple(row["name"] for row in rows) == ids
    for row, element in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(row["image"], element["image"])
        np.testing.assert_array_equal(row["label_map"], element["label_map"][..., 0])


def test_order_is_that_of_the_files(tiny):
    examples = from_tfds("tiny_shapes", "train", data_dir=tiny)
    lengths = tfds.builder("tiny_shapes", data_dir=tiny).info.splits["train"]
    assert examples.names == tuple(
        f"tiny_shapes-train.tfrecord-{file:05}-of-00003__{index}"
        for file, length in enumerate(lengths.shard_lengths)
        for index in range(length)
    )
    parts = [
        from_tfds("tiny_shapes", part, data_dir=tiny)
        for part in ("train[:30%]", "train[30%:]")
    ]
    assert parts[0].names + parts[1].names == examples.names
    images = [row["image"] for row in read(examples)]
    split = [row["image"] for part in parts for row in read(part)]
    np.testing.assert_array_equal(images, split)
    assert sorted(image[0, 0, 0] for image in images) == list(range(55))


def test_records_stay_encoded(tiny):
    examples = from_tfds("tiny_shapes", "train", data_dir=tiny)
    index, element = next(examples.records.as_numpy_iterator())
    assert index == 0 and set(element) == {"image", "label_map", "tfds_id"}
    assert element["image"].startswith(b"\x89PNG")
    assert element["label_map"].startswith(b"\x89PNG")
    unlabeled = from_tfds("tiny_shapes", "train", data_dir=tiny, labeled=False)
    _, element = next(unlabeled.records.as_numpy_iterator())
    assert set(element) == {"image", "tfds_id"}


def test_unlabeled(tiny):
    examples = from_tfds("tiny_shapes", "test", data_dir=tiny, labeled=False)
    assert not examples.labeled and len(examples) == 4
    assert set(read(examples)[0]) == {"image", "name"}


def test_image_size(tiny):
    examples = from_tfds("tiny_shapes", "test", data_dir=tiny, image_size=[8, 6])
    batches = list(evaluation(examples, batch_size=4, num_classes=3))
    assert batches[0][0].shape == (4, 8, 6, 3) and batches[0][1].shape == (4, 8, 6)


def test_label_table(tiny):
    examples = from_tfds("tiny_shapes", "train", data_dir=tiny, label_table=[255, 5, 0])
    for row in read(examples):
        expected = [255, 5, 0][row["image"][0, 0, 0] % 3]
        np.testing.assert_array_equal(row["label_map"], np.full((20, 24), expected))
        assert row["label_map"].dtype == "int32"


@pytest.mark.parametrize("table", [[0, 1], [0, 1, -1]])
def test_label_table_without_an_id(tiny, table):
    import tensorflow as tf

    examples = from_tfds("tiny_shapes", "train", data_dir=tiny, label_table=table)
    plain = from_tfds("tiny_shapes", "train", data_dir=tiny)
    name = next(row["name"] for row in read(plain) if row["label_map"][0, 0] == 2)
    message = f"`{name}` contains 2, which has no class in `label_table` .{len(table)}"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        read(examples)
    with pytest.raises(ValueError, match=message):
        check_labels(examples, num_classes=2)


@pytest.mark.parametrize("table", [[], [0.5], [[0, 1]], "abc"])
def test_label_table_that_is_none(tiny, table):
    with pytest.raises(ValueError, match="`label_table` must be a sequence"):
        from_tfds("tiny_shapes", "train", data_dir=tiny, label_table=table)


def test_bad_splits(tiny):
    with pytest.raises(ValueError, match=r"no examples.*'train\[:0\]'.*'train' \(55\)"):
        from_tfds("tiny_shapes", "train[:0]", data_dir=tiny)
    with pytest.raises(ValueError, match="Unknown split 'val'"):
        from_tfds("tiny_shapes", "val", data_dir=tiny)
    with pytest.raises(ValueError, match="twice"):
        from_tfds("tiny_shapes", "train+train[:1]", data_dir=tiny)
    with pytest.raises(ValueError, match="not found"):
        from_tfds("no_such_set", "train", data_dir=tiny)


def test_not_prepared(tmp_path):
    with pytest.raises(FileNotFoundError, match="tfds build tiny_shapes") as error:
        from_tfds("tiny_shapes", "train", data_dir=tmp_path)
    assert f"--data_dir={tmp_path}`" in str(error.value)
    assert f"data_dir='{tmp_path}').download_and_prepare()" in str(error.value)
    (tmp_path / "tiny_shapes" / "1.0.0").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="tfds build tiny_shapes"):
        from_tfds("tiny_shapes", "train", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="gtFine_trainvaltest.zip"):
        from_tfds("cityscapes/semantic_segmentation", "train", data_dir=tmp_path)


def test_keys_that_are_given(store):
    features = {
        "photo": tfds.features.Image(shape=(None, None, 1)),
        "depth": tfds.features.Image(shape=(None, None, 1)),
        "ids": tfds.features.Tensor(
            shape=(None, None), dtype=np.int64, encoding="zlib"
        ),
    }
    ids = np.arange(20 * 24).reshape(20, 24)
    source = store(
        features,
        {"photo": picture(3)[..., :1], "depth": label_map(1), "ids": ids},
    )
    examples = from_tfds(**source, image_key="photo", label_key="ids")
    [row] = read(examples)
    np.testing.assert_array_equal(row["image"], picture(3))
    np.testing.assert_array_equal(row["label_map"], ids)
    with pytest.raises(ValueError, match="Pass `image_key`(.|\n)*photo: Image"):
        from_tfds(**source)
    with pytest.raises(ValueError, match="No feature of made .*label_key(.|\n)*ids: T"):
        from_tfds(**source, image_key="photo")
    with pytest.raises(ValueError, match="`image_key` must name .*'ids'"):
        from_tfds(**source, image_key="ids")
    with pytest.raises(ValueError, match="`label_key` must name .*'mask'"):
        from_tfds(**source, image_key="photo", label_key="mask")
    with pytest.raises(ValueError, match="`label_key` must name .*'photo'"):
        from_tfds(**source, image_key="photo", label_key="photo")


def test_keys_that_are_found(store):
    features = {
        "picture": tfds.features.Image(shape=(None, None, 3)),
        "depth": tfds.features.Image(shape=(None, None, 1)),
        "regions": tfds.features.LabeledImage(labels=3),
    }
    source = store(
        features,
        {"picture": picture(3), "depth": label_map(1), "regions": label_map(2)},
    )
    [row] = read(from_tfds(**source))
    np.testing.assert_array_equal(row["image"], picture(3))
    np.testing.assert_array_equal(row["label_map"], label_map(2)[..., 0])


def test_keys_that_are_ambiguous(store):
    features = {
        "image": tfds.features.Image(),
        "image_left": tfds.features.Image(),
        "mask": tfds.features.Image(shape=(None, None, 1)),
        "annotation": tfds.features.Image(shape=(None, None, 1)),
    }
    example = {"image": picture(0), "image_left": picture(1)}
    source = store(
        features, {**example, "mask": label_map(0), "annotation": label_map(1)}
    )
    with pytest.raises(ValueError, match="image, image_left. Choose with `image_key`"):
        from_tfds(**source)
    with pytest.raises(ValueError, match="annotation, mask. Choose with `label_key`"):
        from_tfds(**source, image_key="image")
    [row] = read(from_tfds(**source, image_key="image_left", label_key="annotation"))
    np.testing.assert_array_equal(row["image"], picture(1))
    np.testing.assert_array_equal(row["label_map"], label_map(1)[..., 0])


def test_label_maps_with_three_channels(store):
    import tensorflow as tf

    features = {"image": tfds.features.Image(), "mask": tfds.features.Image()}
    good = {"image": picture(0), "mask": np.repeat(label_map(2), 3, -1)}
    bad = {"image": picture(1), "mask": good["mask"] * np.uint8([1, 0, 0])}
    examples = from_tfds(**store(features, good, bad))
    rows = iter(examples.records.map(examples.read))
    np.testing.assert_array_equal(next(rows)["label_map"], label_map(2)[..., 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="__1` has channels that"):
        next(rows)


@pytest.mark.parametrize("channels", [1, 3])
def test_label_maps_with_a_palette(store, channels):
    ids = np.arange(20 * 24, dtype="uint8").reshape(20, 24) % 21
    palette = np.random.default_rng(0).integers(0, 256, 768).tolist()
    features = {
        "image": tfds.features.Image(shape=(None, None, 4)),
        "mask": tfds.features.Image(shape=(None, None, channels)),
    }
    image = np.dstack([picture(9), np.full((20, 24), 128, "uint8")])
    examples = from_tfds(**store(features, {"image": image, "mask": png(ids, palette)}))
    [row] = read(examples)
    np.testing.assert_array_equal(row["image"], picture(9))
    np.testing.assert_array_equal(row["label_map"], ids)


@pytest.mark.parametrize("name", ["oxford_iiit_pet", "scene_parse150"])
def test_known_sets_with_made_up_examples(name):
    """TFDS makes up images and label maps of different sizes."""
    with tfds.testing.mock_data(num_examples=3, max_value=4):
        examples = from_tfds(name, "train")
        stored = from_tfds(name, "train", label_table=range(256))
        unlabeled = from_tfds(name, "train", labeled=False, image_size=(24, 24))
        rows = list(examples.records.map(examples.load).as_numpy_iterator())
        ids = list(stored.records.map(stored.load).as_numpy_iterator())
        images = read(unlabeled)
    assert len(examples) == len(rows) == 3 and examples.names is None
    assert not examples.sizes
    for row, stored_row, image in zip(rows, ids, images, strict=True):
        assert row["image"].shape[2:] == (3,) and row["image"].dtype == "uint8"
        assert row["label_map"].ndim == 2 and row["label_map"].dtype == "int32"
        assert set(np.unique(stored_row["label_map"])) == {0, 1, 2, 3}
        np.testing.assert_array_equal(
            row["label_map"], np.array([255, 0, 1, 2])[stored_row["label_map"]]
        )
        assert image["image"].shape == (24, 24, 3) and name in image["name"]


def test_class_of_scene_parse_is_in_the_red_channel(tmp_path, monkeypatch):
    """Builds the set from files as in the official archives, without a download."""
    ids = np.arange(101, dtype="uint8").repeat(4).reshape(4, 101)
    mask = np.dstack([ids, ids[::-1, ::-1], np.zeros_like(ids)])
    for split in ("training", "validation"):
        for folder, file, array in (
            ("images/images", "ADE_1.jpg", np.zeros((4, 101, 3), "uint8")),
            ("annotations/annotations_instance", "ADE_1.png", mask),
        ):
            path = tmp_path / folder / split / file
            path.parent.mkdir(parents=True)
            Image.fromarray(array).save(path)
    builder = tfds.builder("scene_parse150", data_dir=tmp_path / "data")
    extracted = {key: str(tmp_path / key) for key in ("images", "annotations")}
    monkeypatch.setattr(
        tfds.download.DownloadManager, "download_and_extract", lambda *_: extracted
    )
    builder.download_and_prepare()
    [row] = read(from_tfds("scene_parse150", "test", data_dir=tmp_path / "data"))
    expected = np.where(ids == 0, 255, ids.astype(int) - 1)
    np.testing.assert_array_equal(row["label_map"], expected)


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """Cityscapes as TFDS builds it of archives with made-up images of true size."""
    root = tmp_path_factory.mktemp("streets")
    random, images, label_ids = np.random.default_rng(0), {}, {}
    manual = root / "manual"
    manual.mkdir()
    with (
        zipfile.ZipFile(manual / "leftImg8bit_trainvaltest.zip", "w") as image_zip,
        zipfile.ZipFile(manual / "gtFine_trainvaltest.zip", "w") as label_zip,
    ):
        for split, city, number in (
            ("train", "aachen", 0),
            ("train", "aachen", 1),
            ("train", "ulm", 0),
            ("val", "lindau", 0),
            ("test", "bonn", 0),
        ):
            name = f"{city}_{number:06}_000019"
            blocks = random.integers(0, 256, (16, 32, 3), "uint8")
            images[name] = blocks.repeat(64, 0).repeat(64, 1)
            blocks = random.permutation(512).reshape(16, 32).astype("uint8") % 34
            label_ids[name] = blocks.repeat(64, 0).repeat(64, 1)
            image_zip.writestr(
                f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png", png(images[name])
            )
            label_zip.writestr(
                f"gtFine/{split}/{city}/{name}_gtFine_labelIds.png",
                png(label_ids[name]),
            )
    builder = tfds.builder("cityscapes/semantic_segmentation", data_dir=root / "data")
    builder.download_and_prepare(
        download_dir=root / "downloads",
        download_config=tfds.download.DownloadConfig(manual_dir=manual),
    )
    return root / "data", images, label_ids


def test_cityscapes(streets):
    data_dir, images, label_ids = streets
    read_from = dict(name="cityscapes/semantic_segmentation", data_dir=data_dir)
    train = from_tfds(**read_from, split="train")
    assert len(train) == 3 and train.sizes == {(1024, 2048)}
    assert train.names[0] == "cityscapes-train.tfrecord-00000-of-00001__0"
    in_order = tfds.load(**read_from, split="train").as_numpy_iterator()
    in_order = [element["image_id"].decode() for element in in_order]
    for row, name in zip(read(train), in_order, strict=True):
        np.testing.assert_array_equal(row["image"], images[name])
        expected = np.full((1024, 2048), 255)
        for train_id, label_id in enumerate(_LABEL_IDS):
            expected[label_ids[name] == label_id] = train_id
        np.testing.assert_array_equal(row["label_map"], expected)
        assert set(np.unique(row["label_map"])) == {*range(19), 255}
    val = from_tfds(**read_from, split="validation", label_table=range(34))
    [(image, label_map)] = evaluation(val, num_classes=34)
    np.testing.assert_array_equal(image[0], images["lindau_000000_000019"])
    np.testing.assert_array_equal(label_map[0], label_ids["lindau_000000_000019"])


def test_training_batches(tiny):
    labeled = from_tfds("tiny_shapes", "train[:2]", data_dir=tiny)
    unlabeled = from_tfds("tiny_shapes", "train[2:]", data_dir=tiny, labeled=False)
    batches = semi_supervised(
        labeled, unlabeled, crop_size=16, num_classes=3, padding_color=(0, 0, 0)
    )
    epochs = [list(batches) for _ in range(2)]
    inputs, label_map = epochs[0][0]
    assert len(batches) == 13 and label_map.shape == (4, 16, 16)
    assert inputs["unlabeled_strong"].shape == (4, 16, 16, 3)
    values = [row["image"][0, 0, 0] for row in read(unlabeled)]
    seen = []
    for epoch in epochs:
        seen.append(np.concatenate([inputs["unlabeled_index"] for inputs, _ in epoch]))
        images = np.concatenate([inputs["unlabeled"] for inputs, _ in epoch])
        brightest = images.max(axis=(1, 2, 3))
        np.testing.assert_allclose(brightest, np.take(values, seen[-1]), atol=1e-3)
        assert len(set(seen[-1])) == 52
    assert not np.array_equal(*seen)


def test_overlap_is_refused(tiny):
    labeled = from_tfds("tiny_shapes", "train[:3]", data_dir=tiny)
    unlabeled = from_tfds("tiny_shapes", "train[2:]", data_dir=tiny, labeled=False)
    with pytest.raises(ValueError, match=f"1 images are .*{labeled.names[2]}"):
        semi_supervised(labeled, unlabeled, crop_size=16)


@pytest.mark.full
def test_train_tfds(tiny, tmp_path):
    process = programs.run(
        programs.ROOT / "examples" / "train_tfds.py", "--name=tiny_shapes",
        f"--data_dir={tiny}", "--num_classes=3", "--labeled=train[:4]",
        "--unlabeled=train[4:12]", "--val=test", "--weights=none", "--crop_size=17",
        "--epochs=1", "--verbose=2",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "4 labeled and 8 unlabeled" in process.stdout
    assert (tmp_path / "runs" / "tfds-imas-1" / "predictions.png").is_file()
