"""The scripts, run as a user runs them."""

import csv
import json

import keras
import numpy as np
import programs
import pytest
from PIL import Image

import keras_imas

SCRIPTS = programs.ROOT / "scripts"


def run(program, *arguments, cwd):
    return programs.run(SCRIPTS / program, *arguments, cwd=cwd)


@pytest.fixture
def photographs(tmp_path):
    """Three photographs of different sizes with masks, and a network for them."""
    rng = np.random.default_rng(0)
    for number in range(3):
        size = (20 + number, 31)
        image = rng.integers(0, 256, (*size, 3), dtype="uint8")
        mask = rng.choice([0, 1, 2, 255], size).astype("uint8")
        for folder, array in (("images", image), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(array).save(tmp_path / folder / f"{number}.png")
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 255)]
    layers += [keras.layers.Conv2D(3, 3, padding="same")]
    model = keras_imas.IMAS(keras.Sequential(layers))
    model.teacher.set_weights([w + 1 for w in model.student.get_weights()])
    model.save(tmp_path / "model.keras")
    return tmp_path


FOLDERS = ("--model=model.keras", "--images=images", "--masks=masks")


@pytest.mark.full
def test_evaluate(photographs):
    process = run(
        "evaluate.py", *FOLDERS, "--window=16", "--flip", "--batch_size=3",
        "--class_names=sky,road,car",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for text in ("| **mean** |", "pixel accuracy of the student", "peak memory"):
        assert text in process.stdout
    output = photographs / "runs" / "evaluation-1"
    results = json.loads((output / "evaluation.json").read_text())
    model = keras.saving.load_model(photographs / "model.keras")
    for name in ("teacher", "student"):
        network = getattr(model, name)
        predictor = keras_imas.inference.Predictor(network, window=16, flip=True)
        examples = keras_imas.data.from_folder(
            photographs / "images", photographs / "masks"
        )
        confusion, loss = keras_imas.evaluation.evaluate(
            predictor, keras_imas.data.evaluation(examples), 3
        )
        assert results[name]["mean_iou"] == pytest.approx(confusion.mean_iou, abs=1e-4)
        assert results[name]["loss"] == pytest.approx(loss, rel=1e-4)
        with open(output / f"confusion_{name}.csv", newline="") as file:
            counts = [list(map(int, row[1:])) for row in list(csv.reader(file))[1:]]
        assert np.sum(counts) == confusion.counts.sum()
        with Image.open(output / f"confusion_{name}.png") as picture:
            assert picture.size[0] == picture.size[1]


@pytest.mark.full
def test_evaluate_tells_which_images_it_skips(photographs):
    damaged = photographs / "images" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:-30])
    process = run("evaluate.py", *FOLDERS, "--on_bad_image=skip", cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert "1 images could not be read and were skipped:" in process.stdout
    output = photographs / "runs" / "evaluation-1"
    results = json.loads((output / "evaluation.json").read_text())
    assert results["images"] == 2
    assert results["skipped"]["images"].keys() == {"1"}


@pytest.mark.full
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model=missing.keras", *FOLDERS[1:]), "no run 'missing.keras'"),
        (FOLDERS[:1], "one of --images, --cityscapes and --voc is needed"),
        ((*FOLDERS, "--class_names=a,b"), "has 3 classes, and 2 are named"),
    ],
)
def test_evaluate_says_what_is_wrong(arguments, message, photographs):
    process = run("evaluate.py", *arguments, cwd=photographs)
    assert process.returncode != 0
    assert message in process.stdout
    assert not (photographs / "runs").exists()


@pytest.mark.full
def test_evaluate_reads_and_predicts_as_each_network_s_run(photographs):
    model = keras.saving.load_model(photographs / "model.keras")
    networks = {"x": model.teacher, "y": model.student}
    for (name, network), size, window in zip(
        networks.items(), ("18,20", "16,24"), (16, 0), strict=True
    ):
        (photographs / name).mkdir()
        network.save(photographs / name / f"{name}.keras")
        facts = {"settings": {"image_size": size.split(",")}}
        facts["recipe"] = {"window": window}
        (photographs / name / "run.json").write_text(json.dumps(facts))
    both = ("--model=x/x.keras,y/y.keras", *FOLDERS[1:])
    process = run("evaluate.py", *both, cwd=photographs)
    assert process.returncode == 1
    assert (
        "Received: 'x/x.keras' with image_size=18,20 and 'y/y.keras' with image_size="
        "16,24. Evaluate them one at a time, or pass --image_size" in process.stdout
    )
    assert not (photographs / "runs").exists()

    process = run("evaluate.py", *both, "--image_size=18,20", cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert "  y/y.keras: window=0\n" in process.stdout
    output = photographs / "runs" / "evaluation-1"
    results = json.loads((output / "evaluation.json").read_text())
    assert "window" not in results and results["flip"] is False
    examples = keras_imas.data.from_folder(
        photographs / "images", photographs / "masks", image_size=(18, 20)
    )
    for name, window in (("x", 16), ("y", None)):
        predictor = keras_imas.inference.Predictor(networks[name], window=window)
        _, loss = keras_imas.evaluation.evaluate(
            predictor, keras_imas.data.evaluation(examples), 3
        )
        assert results[name]["window"] == window
        assert results[name]["loss"] == pytest.approx(loss, rel=1e-4)


@pytest.mark.full
def test_evaluate_refuses_networks_of_other_numbers_of_classes(photographs):
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)]
    keras.Sequential(layers).save(photographs / "four.keras")
    process = run(
        "evaluate.py", "--model=model.keras,four.keras", *FOLDERS[1:], cwd=photographs
    )
    assert process.returncode == 1
    assert "3 of 'teacher', 3 of 'student', 4 of 'four'" in process.stdout


PREDICT = ("--model=model.keras", "--input=images", "--output=out")


@pytest.mark.full
def test_predict(photographs):
    (photographs / "images" / "broken.png").write_bytes(b"no image")
    process = run("predict.py", *PREDICT, "--confidence", cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert "3 images predicted, 0 were there already, 1 skipped" in process.stdout
    for name in ("masks/0.png", "overlays/0.jpg", "confidence/0.png", "classes.csv"):
        assert (photographs / "out" / name).is_file()
    model = keras.saving.load_model(photographs / "model.keras")
    with Image.open(photographs / "images" / "0.png") as image:
        logits = model.predict(np.array(image)[None], verbose=0)
    with Image.open(photographs / "out" / "masks" / "0.png") as mask:
        np.testing.assert_array_equal(np.array(mask), logits[0].argmax(-1))
    process = run("predict.py", *PREDICT, "--confidence", cwd=photographs)
    assert "0 images predicted, 3 were there already" in process.stdout
    process = run("predict.py", *PREDICT, "--flip", cwd=photographs)
    assert process.returncode == 1
    assert "made in another way: flip=False, now True" in process.stdout
    assert "Traceback" not in process.stdout


@pytest.mark.full
def test_photographs_go_in_as_large_as_the_run_has_seen_them(photographs):
    model = keras.saving.load_model(photographs / "model.keras")
    model.teacher.save(photographs / "model.keras")
    settings = {"settings": {"image_size": ["10", "16"]}}
    (photographs / "run.json").write_text(json.dumps(settings))
    process = run("predict.py", *PREDICT, cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert json.loads((photographs / "out/predictions.json").read_text())[
        "image_size"
    ] == [10, 16]
    with Image.open(photographs / "out/masks/0.png") as mask:
        assert mask.size == (31, 20)
    process = run(
        "predict.py", *PREDICT[:2], "--output=own", "--image_size=", cwd=photographs
    )
    assert "--image_size= contradicts the run" in process.stdout
    listed = json.loads((photographs / "own/predictions.json").read_text())
    assert listed["image_size"] is None
    process = run(
        "export.py", "--model=model.keras", "--image=images/0.png", "--output=served",
        "--formats=openvino", cwd=photographs,
    )  # fmt: skip
    # Whether a backend exports to this format is another test's.
    assert "Images of 10 x 16 (height x width)" in process.stdout
    exported = json.loads((photographs / "served" / "export.json").read_text())
    assert exported["input"]["shape"] == [1, 10, 16, 3]


@pytest.mark.full
def test_a_table_names_the_classes_alike_in_all_programs(photographs):
    """Its last row is what the run ignored."""
    run_facts = {"settings": {"binary_masks": True}, "ignore_class": 9}
    (photographs / "run.json").write_text(json.dumps(run_facts))
    (photographs / "table.csv").write_text(
        "name,id,r,g,b\nsky,0,1,1,1\nroad,1,2,2,2\ncar,2,3,3,3\nvoid,9,0,0,0\n"
    )
    process = run("predict.py", *PREDICT, "--classes=table.csv", cwd=photographs)
    assert process.returncode == 0, process.stdout
    table = (photographs / "out" / "classes.csv").read_text()
    assert table.splitlines()[1:] == ["sky,0,1,1,1", "road,1,2,2,2", "car,2,3,3,3"]
    process = run(
        "export.py", "--model=model.keras", "--image=images/0.png", "--output=served",
        "--formats=openvino", "--classes=table.csv", cwd=photographs,
    )  # fmt: skip
    exported = json.loads((photographs / "served" / "export.json").read_text())
    assert exported["classes"] == ["sky", "road", "car"]


@pytest.mark.full
def test_images_are_read_as_the_run_has_read_them(photographs):
    model = keras.saving.load_model(photographs / "model.keras")
    model.teacher.save(photographs / "model.keras")
    recipe = {"recipe": {"window": 16, "scale": 1.5, "flip": True, "size_multiple": 0}}
    (photographs / "run.json").write_text(json.dumps(recipe))
    process = run("evaluate.py", *FOLDERS, cwd=photographs)
    assert process.returncode == 0, process.stdout
    process = run(
        "evaluate.py", *FOLDERS, "--window=0", "--noflip", "--scales=1", cwd=photographs
    )
    assert process.returncode == 0, process.stdout
    first, second = (
        json.loads((photographs / f"runs/evaluation-{n}/evaluation.json").read_text())
        for n in (1, 2)
    )
    assert (first["window"], first["scales"], first["flip"]) == (16, [1.5], True)
    assert (second["window"], second["scales"], second["flip"]) == (None, [1], False)

    process = run("predict.py", *PREDICT, cwd=photographs)
    assert process.returncode == 0, process.stdout
    predictor = keras_imas.inference.Predictor(
        model.teacher, window=16, scales=(1.5,), flip=True
    )
    with Image.open(photographs / "images" / "0.png") as image:
        expected = next(predictor([np.array(image)])).argmax(-1)
    with Image.open(photographs / "out" / "masks" / "0.png") as mask:
        np.testing.assert_array_equal(np.array(mask), expected)
