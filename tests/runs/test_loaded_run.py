import json

import geotiff
import keras
import numpy as np
import pytest
from PIL import Image

import keras_imas
from keras_imas.data import ClassTable
from keras_imas.inference.image_files import find_images, predict_files

CLASSES = ClassTable(("sky", "road", "car"), ((9, 9, 9), (250, 0, 0), (0, 250, 0)))
IMAGE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype="uint8")


def save_run(directory, best=None, **facts):
    """Write what a run leaves; `best`: seed of its best teacher."""
    directory.mkdir(parents=True, exist_ok=True)
    facts = {"class_names": CLASSES.names, "colors": CLASSES.colors, **facts}
    (directory / "run.json").write_text(json.dumps(facts))
    save_network(directory / "teacher_last.keras", 1)
    if best is not None:
        save_network(directory / "teacher_best.keras", best)
    return directory


def save_network(path, seed):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 50)]
    convolution = keras.layers.Conv2D(3, 3, padding="same")
    keras.Sequential([*layers, convolution]).save(path)


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photos" / "photo.png"
    path.parent.mkdir()
    Image.fromarray(IMAGE).save(path)
    return path


@pytest.mark.parametrize(
    "recipe, settings, options",
    [
        ({}, {}, {}),
        (
            {"window": 16, "scale": 1.25, "flip": True, "size_multiple": 64},
            {},
            {"window": 16, "scales": (1.25,), "flip": True},
        ),
        ({}, {"image_size": [10, 12]}, {"image_size": (10, 12)}),
    ],
)
def test_predicts_what_the_program_writes(tmp_path, photo, recipe, settings, options):
    directory = save_run(tmp_path / "run", best=2, recipe=recipe, settings=settings)
    found = keras_imas.load(directory).predict(photo)
    network = keras.models.load_model(directory / "teacher_best.keras")
    images = find_images(photo)
    out = tmp_path / "out"
    predict_files(network, images, out, CLASSES, confidence=True, verbose=0, **options)
    with Image.open(out / "masks" / "photo.png") as mask:
        np.testing.assert_array_equal(found.classes, np.array(mask))
        np.testing.assert_array_equal(found.colors, np.array(mask.convert("RGB")))
    sure = np.array(Image.open(out / "confidence" / "photo.png"))
    np.testing.assert_allclose(255 * found.confidence, sure, atol=0.51)
    assert found.classes.dtype == "uint8" and found.classes.shape == (20, 30)
    assert len(np.unique(found.classes)) > 1
    assert found.class_table == CLASSES


def test_takes_paths_arrays_tensors_and_lists_of_them(tmp_path, photo):
    run = keras_imas.load(str(save_run(tmp_path / "run")))
    expected = run.predict(str(photo)).classes
    tensor = keras.ops.convert_to_tensor(IMAGE.astype("float32"))
    wide = np.tile(IMAGE, (1, 2, 1))
    for image in (IMAGE, Image.fromarray(IMAGE), tensor):
        np.testing.assert_array_equal(run.predict(image).classes, expected)
    found = run.predict([photo, wide, IMAGE])
    assert [f.classes.shape for f in found] == [(20, 30), (20, 60), (20, 30)]
    np.testing.assert_array_equal(found[2].classes, expected)
    np.testing.assert_array_equal(run.predict(IMAGE[None])[0].classes, expected)
    assert run.predict([]) == []


def test_a_picture_is_turned_as_its_file_would_be(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(IMAGE).save(tmp_path / "photo.png", exif=exif)
    run = keras_imas.load(save_run(tmp_path / "run"))
    expected = run.predict(tmp_path / "photo.png").classes
    assert expected.shape == (30, 20)
    with Image.open(tmp_path / "photo.png") as picture:
        np.testing.assert_array_equal(run.predict(picture).classes, expected)


def test_options_count_before_the_run(tmp_path):
    directory = save_run(tmp_path / "run", recipe={"flip": True})
    network = keras.models.load_model(directory / "teacher_last.keras")
    predictor = keras_imas.inference.Predictor(network)
    expected = next(predictor([IMAGE]))
    found = keras_imas.load(directory, flip=False).predict(IMAGE)
    np.testing.assert_allclose(found.confidence, expected.max(-1), atol=1e-5)
    with pytest.raises(ValueError, match="stride"):
        keras_imas.load(directory, stride=2)


@pytest.mark.parametrize("window", [0, 512, (512, 256)])
def test_a_batch_is_that_of_the_window_given(tmp_path, window):
    directory = save_run(tmp_path / "run", recipe={"window": 129})
    # The more images are in its batch, the surer it is.
    images = keras.Input((None, None, 3))
    logits = keras.layers.Conv2D(3, 1)(images / 255)
    logits += keras.ops.sum(logits, axis=0, keepdims=True)
    keras.Model(images, logits).save(directory / "teacher_last.keras")
    sure = [
        keras_imas.load(directory, window=window, **options).predict(IMAGE).confidence
        for options in ({}, {"batch_size": 1}, {"batch_size": 7})
    ]
    np.testing.assert_array_equal(sure[0], sure[1])
    assert (sure[1] < sure[2]).any()


def test_a_file_is_loaded_as_well_as_a_run(tmp_path):
    directory = save_run(tmp_path / "run", best=2)
    last = keras_imas.load(directory / "teacher_last.keras")
    assert (last.predict(IMAGE).classes != keras_imas.load(directory).predict(
        IMAGE).classes).any()  # fmt: skip
    assert last.class_table == CLASSES
    save_network(tmp_path / "other.keras", 3)
    assert keras_imas.load(tmp_path / "other.keras").class_table.names == (
        "0", "1", "2",
    )  # fmt: skip


def test_a_geotiff_in_gives_a_geotiff_out(tmp_path):
    photograph, mask = tmp_path / "field.tif", tmp_path / "mask.tif"
    geotiff.write_geotiff(photograph, IMAGE)
    run = keras_imas.load(save_run(tmp_path / "run"))
    found = run.predict(photograph)
    found.save(mask)
    assert geotiff.place_of(mask) == geotiff.place_of(photograph)
    np.testing.assert_array_equal(np.array(Image.open(mask)), found.classes)
    with pytest.warns(UserWarning, match="lacks the photograph's georeference"):
        found.save(tmp_path / "mask.png")
    run.predict(IMAGE).save(tmp_path / "mask.png")


def test_names_what_is_wrong(tmp_path, photo):
    with pytest.raises(FileNotFoundError, match="no file and no run"):
        keras_imas.load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="neither teacher_best.keras"):
        keras_imas.load(tmp_path / "empty")
    (tmp_path / "empty" / "run.json").write_text('{"finished": false}')
    with pytest.raises(FileNotFoundError, match="Rerun its command to resume"):
        keras_imas.load(tmp_path / "empty")
    directory = save_run(tmp_path / "run", versions={"keras": "2.9"})
    (directory / "teacher_last.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"other versions: keras 2\.9 \(here "):
        keras_imas.load(directory)
    with pytest.raises(ValueError, match=r"run\.json .* damaged"):
        keras_imas.load(save_run(tmp_path / "odd", settings=[1]))
    with pytest.raises(ValueError, match=r"run\.json .*`image_size` must be height"):
        keras_imas.load(save_run(tmp_path / "odd", image_size=[0, 5]))

    run = keras_imas.load(save_run(tmp_path / "good"), max_pixels=600)
    with pytest.raises(FileNotFoundError, match="no image"):
        run.predict("missing.jpg")
    with pytest.raises(ValueError, match="is a folder"):
        run.predict(photo.parent)
    with pytest.raises(ValueError, match=r"shape \(20, 30\)"):
        run.predict(IMAGE[..., 0])
    photo.write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"photo\.png' cannot be read"):
        run.predict([IMAGE, photo])
    Image.new("RGB", (31, 20)).save(photo)
    with pytest.raises(ValueError, match="620 pixels, more than max_pixels=600"):
        run.predict(photo)


def test_a_window_may_be_a_list(tmp_path):
    directory = save_run(tmp_path / "run")
    found = [
        keras_imas.load(directory, window=window).predict(IMAGE).confidence
        for window in ([16, 24], (16, 24))
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.filterwarnings("ignore:`images` must be 0..255")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_color_are_refused_at_any_size(tmp_path, value):
    image = IMAGE.astype("float32")
    image[3, 4] = value
    for facts in ({}, {"image_size": [10, 12]}):
        run = keras_imas.load(save_run(tmp_path / "run", **facts))
        with pytest.raises(ValueError, match="must be finite|returns NaN"):
            run.predict(image)
