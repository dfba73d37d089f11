import json

import geotiff
import keras
import numpy as np
import pytest
from PIL import Image
from tiers import full_on

import keras_imas
from keras_imas.data import ClassTable, read_class_table
from keras_imas.files import lock
from keras_imas.inference.image_files import find_images, predict_files
from keras_imas.inference.predictor import Predictor
from keras_imas.runs.saved_networks import classes_of, load_networks

CLASSES = ClassTable(("sky", "road", "car"), ((9, 9, 9), (250, 0, 0), (0, 250, 0)))
FILES = ("a.png", "street/a.jpg", "street/b.png")


def network(shape=(None, None, 3)):
    keras.utils.set_random_seed(1)
    layers = [keras.Input(shape), keras.layers.Rescaling(1 / 50)]
    return keras.Sequential([*layers, keras.layers.Conv2D(3, 3, padding="same")])


@pytest.fixture
def photographs(tmp_path):
    """Three photographs of two sizes in two folders, and a file that is none."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(FILES):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rng.integers(0, 256, (20 + number % 2, 30, 3), dtype="uint8")
        Image.fromarray(image).save(path)
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no image")
    return tmp_path / "photos"


def predict(photographs, model=None, **options):
    return predict_files(
        model or network(),
        find_images(photographs),
        photographs.parent / "out",
        CLASSES,
        verbose=0,
        **options,
    )


def test_each_photograph_gets_its_files(photographs):
    results = predict(photographs, confidence=True, opacity=1.0)
    output = photographs.parent / "out"
    assert results["predicted"] == 3 and results["kept"] == 0
    assert [path[-10:] for path in results["skipped"]] == ["broken.jpg"]
    images = [np.array(Image.open(photographs / name)) for name in FILES]
    for name, expected in zip(FILES, Predictor(network())(images), strict=True):
        stem = name[:-4]
        with Image.open(output / "masks" / f"{stem}.png") as mask:
            labels = np.array(mask)
            assert mask.mode == "P"
            colors = np.array(mask.convert("RGB"))
        np.testing.assert_array_equal(labels, expected.argmax(-1))
        np.testing.assert_array_equal(colors, np.array(CLASSES.colors)[labels])
        sure = np.array(Image.open(output / "confidence" / f"{stem}.png"))
        np.testing.assert_allclose(sure, 255 * expected.max(-1), atol=0.51)
        assert (output / "overlays" / f"{stem}.jpg").is_file()
    assert read_class_table(output / "classes.csv").colors == CLASSES.colors
    made = json.loads((output / "predictions.json").read_text())
    assert made["skipped"] == results["skipped"]
    assert not list(output.rglob(".*"))


def test_goes_on_where_it_was(photographs):
    predict(photographs)
    mask = photographs.parent / "out" / "masks" / "street" / "a.png"
    mask.unlink()
    kept = photographs.parent / "out" / "masks" / "a.png"
    before = kept.stat().st_mtime_ns
    results = predict(photographs)
    assert (results["predicted"], results["kept"]) == (1, 2)
    assert mask.is_file() and kept.stat().st_mtime_ns == before
    # What is asked for in addition is made for all.
    assert predict(photographs, confidence=True)["predicted"] == 3


def test_files_that_a_killed_process_left_are_removed(photographs):
    predict(photographs)
    output = photographs.parent / "out"
    for folder in ("", "masks", "masks/street", "overlays"):
        (output / folder / ".part-0123456789abcdef.png").write_bytes(b"half")
    assert predict(photographs)["kept"] == 3
    assert not list(output.rglob(".part-*"))


def test_does_not_mix_what_was_made_otherwise(photographs):
    predict(photographs)
    with pytest.raises(FileExistsError, match="flip=False, now True"):
        predict(photographs, flip=True)
    # What says as much is no other way, nor is what changes no prediction.
    options = {"flip": False, "scales": (1,), "batch_size": 4}
    assert predict(photographs, **options)["kept"] == 3
    (photographs.parent / "out" / "predictions.json").unlink()
    with pytest.raises(FileExistsError, match="nothing is overwritten"):
        predict(photographs)


@full_on("jax")
def test_what_is_left_out_is_the_default_and_not_what_was_before(photographs):
    predict(photographs, flip=True, scales=(1.0, 2.0))
    with pytest.raises(FileExistsError, match=r"flip=True, now False; scales="):
        predict(photographs)


def test_reads_files_in_the_range_of_the_training(tmp_path):
    gray = np.random.default_rng(0).integers(0, 256, (20, 30))
    masks = []
    for name, image, options in (
        ("bits_8", gray.astype("uint8"), {}),
        ("bits_12", (gray * 16).astype("uint16"), {"image_range": (0, 4080)}),
    ):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "a.png")
        images = find_images(tmp_path / name)
        out = tmp_path / f"out_{name}"
        predict_files(network(), images, out, CLASSES, verbose=0, **options)
        with Image.open(out / "masks" / "a.png") as mask:
            masks.append(np.array(mask))
    assert len(np.unique(masks[0])) > 1
    np.testing.assert_array_equal(*masks)


def test_a_network_of_one_size_goes_by_windows(photographs):
    model = network((16, 24, 3))
    predict(photographs, model)
    image = np.array(Image.open(photographs / "a.png"))
    expected = next(Predictor(model, window=(16, 24))([image])).argmax(-1)
    labels = np.array(Image.open(photographs.parent / "out" / "masks" / "a.png"))
    np.testing.assert_array_equal(labels, expected)


def test_finds_one_image_a_pattern_and_not_its_own_output(photographs):
    assert list(find_images(photographs / "a.png")) == ["a"]
    assert list(find_images(photographs / "*" / "*.png")) == ["street/b"]
    found = find_images(photographs, leave_out=photographs / "street")
    assert sorted(found) == ["a", "broken"]
    Image.new("RGB", (4, 4)).save(photographs / "a.jpg")
    assert {"a.jpg", "a.png"} <= set(find_images(photographs))
    with pytest.raises(FileNotFoundError, match="no images"):
        find_images(photographs / "*.gif")


@pytest.mark.parametrize("where", ["", "street", "a.png"])
def test_the_folder_of_the_images_is_not_that_of_the_predictions(photographs, where):
    with pytest.raises(ValueError, match="output='.*photos', which holds all images"):
        find_images(photographs / where, leave_out=photographs)
    for path in photographs.glob("*.*"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match="no images"):  # but predictions
        find_images(photographs, leave_out=photographs / "street")


def test_more_classes_than_a_byte_holds(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    table = classes_of("nowhere", 300)
    layers = [keras.Input((4, 4, 3)), keras.layers.Conv2D(300, 1)]
    model = keras.Sequential(layers)
    model.layers[0].bias.assign(np.eye(300)[299])
    images = find_images(tmp_path)
    predict_files(model, images, tmp_path / "out", table, verbose=0)
    labels = np.array(Image.open(tmp_path / "out" / "masks" / "a.png"))
    assert (labels == 299).all()


def test_loads_what_a_run_left(tmp_path):
    network().save(tmp_path / "teacher_last.keras")
    run = {"class_names": CLASSES.names, "colors": CLASSES.colors}
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert list(load_networks([tmp_path])) == ["teacher_last"]
    assert classes_of(tmp_path, 3) == ClassTable(CLASSES.names, CLASSES.colors)
    assert classes_of(tmp_path, 4).names == ("0", "1", "2", "3")
    with pytest.raises(ValueError, match="has 4 classes, and 3 are named: sky"):
        classes_of(tmp_path, 4, CLASSES)
    keras_imas.IMAS(network()).save(tmp_path / "whole.keras")
    assert list(load_networks([tmp_path / "whole.keras"])) == ["teacher", "student"]


def test_networks_of_several_runs_have_names_that_tell_them_apart(tmp_path):
    files = [tmp_path / run / "teacher_last.keras" for run in ("a", "b")]
    for file in files:
        file.parent.mkdir()
        network().save(file)
    names = ["a_teacher_last", "b_teacher_last"]
    assert list(load_networks([file.parent for file in files])) == names
    whole = tmp_path / "b" / "whole.keras"
    keras_imas.IMAS(network()).save(whole)
    assert list(load_networks([files[0], whole])) == [
        "teacher_last", "teacher", "student",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="must be given once.*teacher_last.keras"):
        load_networks([files[0], files[0].parent])


def test_names_what_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        load_networks([tmp_path / "missing.keras"])
    with pytest.raises(FileNotFoundError, match="neither teacher_best.keras"):
        load_networks([tmp_path])
    (tmp_path / "cut.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="cut.keras' can't be loaded"):
        load_networks([tmp_path / "cut.keras"])


@pytest.mark.parametrize("content", ["", "[]", '{"network": "12'])
def test_a_damaged_list_is_written_anew(content, photographs, capsys):
    predict(photographs)
    listed = photographs.parent / "out" / "predictions.json"
    listed.write_text(content)
    assert predict(photographs)["kept"] == 3
    assert "predictions.json' is damaged" in capsys.readouterr().err
    # Its masks still tell what made them.
    listed.write_text(content)
    assert predict(photographs, flip=True)["kept"] == 0
    assert json.loads(listed.read_text())["flip"] is True


def test_masks_of_another_network_are_not_taken(photographs):
    predict(photographs)
    other = network()
    other.layers[-1].bias.assign([1.0, 2.0, 3.0])
    with pytest.raises(FileExistsError, match="network='"):
        predict(photographs, other)


def test_a_replaced_photograph_is_predicted_anew(photographs):
    predict(photographs)
    Image.new("RGB", (30, 20), "white").save(photographs / "a.png")
    results = predict(photographs)
    assert (results["predicted"], results["kept"]) == (1, 2)
    damaged = photographs.parent / "out" / "masks" / "a.png"
    damaged.write_bytes(damaged.read_bytes()[:20])
    assert predict(photographs)["predicted"] == 1


def test_no_file_of_an_old_photograph_stays_beside_a_new_mask(photographs):
    output = photographs.parent / "out"
    overlay = output / "overlays" / "a.jpg"
    predict(photographs, opacity=0.0, confidence=True)
    before = overlay.read_bytes()
    Image.new("RGB", (30, 20), "white").save(photographs / "a.png")
    predict(photographs, opacity=0.0, overlays=False)
    assert not overlay.exists() and not (output / "confidence" / "a.png").exists()
    assert (output / "overlays" / "street" / "a.jpg").is_file()
    results = predict(photographs, opacity=0.0)
    assert (results["predicted"], results["kept"]) == (1, 2)
    assert overlay.read_bytes() != before and np.array(Image.open(overlay)).min() > 250

    # What is made in addition leaves what is there.
    predict(photographs, opacity=0.0, overlays=False, confidence=True)
    assert overlay.is_file()
    image = np.zeros((20, 30, 3), "uint8")
    (photographs / "a.png").unlink()
    geotiff.write_geotiff(photographs / "a.tif", image)
    predict(photographs, opacity=0.0)
    assert [path.name for path in (output / "masks").glob("a.*")] == ["a.tif"]


def test_a_damaged_photograph_has_no_mask_of_the_old_one(photographs):
    predict(photographs)
    (photographs / "a.png").write_bytes(b"no image")
    assert str(photographs / "a.png") in predict(photographs)["skipped"]
    assert not list((photographs.parent / "out").glob("*/a.*"))


def test_names_that_differ_by_suffixes_keep_all_masks(tmp_path):
    for name in ("a.jpg", "a.png", "a.jpg.png", "b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert sorted(find_images(tmp_path)) == ["a.jpg", "a.jpg.png", "a.png", "b"]


def test_a_name_that_is_too_long_stops_one_image(photographs):
    for suffix in ("png", "jpg"):  # of one stem: the masks' names hold the suffix too
        Image.new("RGB", (8, 8)).save(photographs / f"{'x' * 250}.{suffix}")
    for _ in range(2):
        results = predict(photographs)
        assert sum("x" * 250 in path for path in results["skipped"]) == 2
        assert results["predicted"] + results["kept"] == 3


def test_what_no_jpeg_can_hold_has_a_smaller_overlay(photographs):
    Image.new("RGB", (65_600, 2)).save(photographs / "aa_long.png")
    results = predict(photographs, window=(2, 4096))
    assert results["predicted"] == 4 and len(results["skipped"]) == 1
    output = photographs.parent / "out"
    assert Image.open(output / "masks" / "aa_long.png").size == (65_600, 2)
    assert Image.open(output / "overlays" / "aa_long.jpg").size == (65_500, 2)


def test_a_file_that_cannot_be_written_stops_one_image(photographs):
    """The overlay of one is where the folder of the others' must be."""
    (photographs / "a.png").rename(photographs / "street.png")
    (photographs / "street").rename(photographs / "street.jpg")
    for _ in range(2):
        results = predict(photographs)
        skipped = [
            path
            for path, reason in results["skipped"].items()
            if "its overlays can't be written" in reason
        ]
        assert 1 <= len(skipped) <= 2
        assert results["predicted"] + results["kept"] == 3 - len(skipped)


def test_an_image_of_which_the_network_makes_nan_is_skipped(photographs):
    model = network()
    Image.new("RGB", (30, 20)).save(photographs / "a.png")  # black, which stays finite
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([np.full_like(kernel, 3e38), 0 * bias])
    results = predict(photographs, model)
    assert results["predicted"] == 1
    nan = [
        why for why in results["skipped"].values() if "returns NaN for an image" in why
    ]
    assert len(nan) == 2
    masks = (photographs.parent / "out" / "masks").rglob("*.png")
    assert [mask.name for mask in masks] == ["a.png"]


def test_two_predictions_into_one_folder_are_kept_apart(photographs):
    predict(photographs)
    output = photographs.parent / "out"
    with (
        lock.locked(output),
        pytest.raises(FileExistsError, match="is in use by process"),
    ):
        predict(photographs)
    assert not (output / "lock").exists()


def test_images_are_seen_in_the_size_of_the_run(photographs):
    predict(photographs, image_size=(10, 12), confidence=True)
    assert Image.open(photographs.parent / "out/masks/a.png").size == (30, 20)
    with pytest.raises(FileExistsError, match="image_size"):
        predict(photographs)


def test_the_home_folder_is_where_it_is(photographs, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    predict_files(network(), find_images("~/photos"), "~/mine", CLASSES, verbose=0)
    assert (tmp_path / "mine/masks/a.png").is_file()


def test_masks_of_geotiffs_have_their_georeference(photographs):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype="uint8")
    geotiff.write_geotiff(photographs / "field.tif", image)
    results = predict(photographs, confidence=True)
    assert (results["predicted"], results["georeferenced"]) == (4, 1)
    output = photographs.parent / "out"
    for kind in ("masks", "confidence"):
        made = output / kind / "field.tif"
        assert geotiff.place_of(made) == geotiff.place_of(photographs / "field.tif")
        assert not (output / kind / "field.png").exists()
    results = predict(photographs, confidence=True)
    assert (results["kept"], results["georeferenced"]) == (4, 1)


@full_on("jax", "torch")
def test_windows_of_a_large_photograph_are_what_the_network_takes(tmp_path):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (2049, 2049)).save(tmp_path / "photos" / "large.png")
    images = keras.Input((None, None, 3))
    thirds = keras.layers.UpSampling2D(3)(keras.layers.AveragePooling2D(3)(images))
    logits = keras.layers.Add()([images, thirds])  # 1024 is no multiple of 3
    results = predict(tmp_path / "photos", keras.Model(images, logits), overlays=False)
    assert results["predicted"] == 1 and not results["skipped"]
