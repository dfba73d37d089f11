import dataclasses
import json
import os
import shutil
import signal
import threading
import time

import keras
import numpy as np
import pyarrow.parquet
import pytest
from tiers import core_and_full, full_on

from keras_imas.runs import experiment
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.unlabeled_part import METHODS
from keras_imas.training.stop_signals import Interrupted

RECIPE = Recipe(steps=2, crop_size=9, learning_rate=1e-6, ohem_min_kept=50)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (7, 10, 12, 3)).astype("uint8")
LABELS = RNG.integers(0, 3, (7, 10, 12)).astype("uint8")


def run(recipe, output_dir, labels=LABELS, validation=True):
    network = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")],
        name="network",
    )
    return experiment.run(
        recipe,
        (IMAGES[:2], labels[:2]),
        IMAGES[2:6],
        (IMAGES[6:], labels[6:]) if validation else None,
        class_names=["a", "b", "c"],
        output_dir=str(output_dir),
        student=network,
        verbose=0,
    )


@pytest.mark.parametrize("method", core_and_full(["imas"], METHODS))
def test_a_run_leaves_models_numbers_and_pictures(method, tmp_path, capsys):
    recipe = dataclasses.replace(RECIPE, method=method)
    results = run(recipe, tmp_path / "run")
    logged = set() if method == "supervised" else {"hardness.parquet"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == logged | {
        "MODEL_CARD.md",
        "hardness.png",
        "history.jsonl",
        "predictions.png",
        "run.json",
        "student_last.keras",
        "teacher_best.keras",
        "teacher_last.keras",
    }
    saved = json.loads((tmp_path / "run" / "run.json").read_text())
    assert saved == json.loads(json.dumps(results))
    assert saved["recipe"] == json.loads(json.dumps(dataclasses.asdict(recipe)))
    assert saved["versions"]["keras"] == keras.__version__
    assert {"git_revision", "command", "split", "labeled", "validation"} < set(saved)
    assert saved["steps"] == 2  # two epochs of one step
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert ("hardness" in json.loads(lines[0])) == (method != "supervised")
    teacher = keras.models.load_model(tmp_path / "run" / "teacher_last.keras")
    assert teacher.predict(IMAGES[:1], verbose=0).shape == (1, 10, 12, 3)
    printed = capsys.readouterr().out
    assert "| **mean** |" in printed and f"{method} on 2 labeled" in printed
    assert ("the images to label next" in printed) == (method != "supervised")


@pytest.fixture
def remove():
    """A function that removes a directory once it has a file."""
    threads = []

    def once(path):
        def wait():
            while not path.exists():
                time.sleep(0.001)
            while path.parent.exists():
                shutil.rmtree(path.parent, ignore_errors=True)

        threads.append(threading.Thread(target=wait, daemon=True))
        threads[-1].start()

    yield once
    for thread in threads:
        thread.join()


@full_on("jax", "torch")
@pytest.mark.parametrize("validation", core_and_full([True], [True, False]))
def test_a_directory_that_is_removed_while_training(validation, remove, tmp_path):
    recipe = dataclasses.replace(RECIPE, steps=12)
    remove(tmp_path / "run" / "history.jsonl")
    with pytest.raises(FileNotFoundError, match=f"'{tmp_path}/run.*was removed"):
        run(recipe, tmp_path / "run", validation=validation)
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"teacher_last.keras", "student_last.keras", "history.jsonl"} < left
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 13))
    table = pyarrow.parquet.read_table(tmp_path / "run" / "hardness.parquet")
    assert len(table) == 12 * 4


def test_runs_without_validation_images(tmp_path, capsys):
    recipe = dataclasses.replace(RECIPE, method="supervised")
    results = run(recipe, tmp_path / "run", validation=False)
    # There are unlabeled ones, too, which it does not train on.
    assert f"supervised on {results['labeled']} labeled images," in (
        capsys.readouterr().out
    )
    assert "teacher_last" not in results
    assert (tmp_path / "run" / "teacher_last.keras").is_file()
    assert not (tmp_path / "run" / "teacher_best.keras").exists()


@pytest.mark.parametrize(("index", "name"), [(1, "#1"), (6, "#0")])
def test_bad_labels_are_named_before_anything_is_written(index, name, tmp_path):
    """Of labeled images and of those to validate on."""
    labels = LABELS.copy()
    labels[index, 0, 0] = 9
    with pytest.raises(ValueError, match=rf"{name}.* contains 9; allowed are 0 to 2"):
        run(RECIPE, tmp_path / "run", labels)
    assert not (tmp_path / "run").exists()


def test_a_network_that_can_not_be_built_leaves_no_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file and no run .*none\.keras"):
        experiment.run(
            dataclasses.replace(RECIPE, start_from=str(tmp_path / "none.keras")),
            (IMAGES[:2], LABELS[:2]),
            IMAGES[2:6],
            class_names=["a", "b", "c"],
            output_dir=str(tmp_path / "run"),
            verbose=0,
        )
    assert not (tmp_path / "run").exists()


def test_too_few_images_are_refused_before_anything_is_written(tmp_path):
    recipe = dataclasses.replace(RECIPE, unlabeled_batch_size=5)
    with pytest.raises(ValueError, match="`unlabeled` has 4 images"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "precious.txt").write_text("thesis")
    with pytest.raises(FileExistsError, match="is not empty"):
        run(RECIPE, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


@pytest.fixture
def stop():
    """A function that has this process stopped once there is a file."""
    threads = []

    def at(path):
        def wait():
            while not path.exists():
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGTERM)

        threads.append(threading.Thread(target=wait, daemon=True))
        threads[-1].start()

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # should it come too late
    yield at
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGTERM, before)


@pytest.mark.full
def test_a_stopped_run_goes_on(stop, tmp_path, capsys):
    recipe = dataclasses.replace(RECIPE, steps=4, learning_rate=1e-4)
    keras.utils.set_random_seed(0)
    expected = run(recipe, tmp_path / "expected")
    keras.utils.set_random_seed(0)
    stop(tmp_path / "run" / "history.jsonl")
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "run")
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    before = (tmp_path / "run" / "history.jsonl").read_bytes()

    # Another one is refused, and nothing is touched.
    other = dataclasses.replace(recipe, steps=7)
    reason = "unfinished run of another configuration: .*recipe.steps was 4, is 7"
    with pytest.raises(FileExistsError, match=reason):
        run(other, tmp_path / "run")
    assert (tmp_path / "run" / "history.jsonl").read_bytes() == before

    results = run(recipe, tmp_path / "run")
    assert "holds an unfinished run" in capsys.readouterr().out
    assert results.pop("resumed") == [int(checkpoint.name.removeprefix("step-"))]
    different = {"minutes"}
    for name in expected.keys() - different:
        assert results[name] == expected[name], name
    logs = [
        (tmp_path / name / "history.jsonl").read_text().splitlines()
        for name in ("run", "expected")
    ]
    for lines in zip(*logs, strict=True):
        ours, theirs = map(json.loads, lines)
        iou = ours.pop("iou", None), theirs.pop("iou", None)
        assert ours == pytest.approx(theirs, abs=1e-5)
        assert (iou[0] is None) == (iou[1] is None)
        for network in iou[1] or ():
            assert iou[0][network] == pytest.approx(iou[1][network], abs=2e-4)
    ours, theirs = (
        pyarrow.parquet.read_table(tmp_path / name / "hardness.parquet").to_pydict()
        for name in ("run", "expected")
    )
    assert ours.keys() == theirs.keys() and ours["image"] == theirs["image"]
    for name in ours.keys() - {"image"}:
        assert ours[name] == pytest.approx(theirs[name], abs=2e-4), name
    assert not (tmp_path / "run" / "checkpoints").exists()
    with pytest.raises(FileExistsError, match="it holds a finished run"):
        run(recipe, tmp_path / "run")


@pytest.mark.full
def test_selects_on_held_out_images(tmp_path, capsys):
    recipe = dataclasses.replace(RECIPE, steps=3, window=8, flip=True)
    network = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )
    results = experiment.run(
        recipe,
        (IMAGES[:2], LABELS[:2]),
        IMAGES[2:6],
        (IMAGES[6:], LABELS[6:]),
        select_on=(255 - IMAGES[5:6], LABELS[5:6]),
        class_names=["a", "b", "c"],
        output_dir=str(tmp_path / "run"),
        student=network,
        verbose=0,
    )
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    logs = [json.loads(line) for line in lines]
    scores = [log["select_mean_iou"] for log in logs]
    best = scores.index(max(scores))
    assert results["best_epoch"] == best + 1
    for network, prefix in (("teacher", "val_"), ("student", "val_student_")):
        expected = logs[best][f"{prefix}mean_iou"]
        assert results[f"{network}_selected"] == pytest.approx(expected, abs=1e-4)
    assert "the best on the images to select on" in capsys.readouterr().out


def test_nothing_to_select_among(tmp_path):
    with pytest.raises(ValueError, match="`select_on` chooses among .*missing"):
        experiment.run(
            RECIPE,
            (IMAGES[:2], LABELS[:2]),
            IMAGES[2:6],
            select_on=(IMAGES[5:], LABELS[5:]),
            class_names=["a", "b", "c"],
            output_dir=str(tmp_path / "run"),
        )


@pytest.mark.parametrize(
    "precision", core_and_full(["float32"], ["float32", "mixed_float16"])
)
def test_a_dry_run_writes_nothing(precision, tmp_path, capsys):
    network = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )
    result = experiment.run(
        dataclasses.replace(RECIPE, precision=precision),
        (IMAGES[:2], LABELS[:2]),
        IMAGES[2:6],
        class_names=["a", "b", "c"],
        output_dir=str(tmp_path / "run"),
        student=network,
        dry_run=True,
    )
    assert result is None and not (tmp_path / "run").exists()
    printed = capsys.readouterr().out
    for text in (
        "2 epochs of 1 steps",
        "unlabeled: 4 images",
        "first batch: unlabeled_strong (4, 9, 9, 3) float32",
        "a step takes about",
    ):
        assert text in printed


def test_a_dry_run_takes_crops_that_the_network_takes(tmp_path, capsys):
    images = keras.Input((None, None, 3))
    deep = keras.layers.UpSampling2D(16)(keras.layers.MaxPooling2D(16)(images))
    both = keras.layers.Concatenate()([images, deep])
    fixed = keras.Input((288, 288, 3))
    flat = keras.layers.Reshape((288, 288, 3))(fixed)
    for network in (
        keras.Model(images, keras.layers.Conv2D(3, 1)(both)),
        keras.Model(fixed, keras.layers.Conv2D(3, 1)(flat)),
    ):
        experiment.run(
            dataclasses.replace(RECIPE, crop_size=288, unlabeled_batch_size=2),
            (IMAGES[:1], LABELS[:1]),
            IMAGES[2:5],
            class_names=["a", "b", "c"],
            output_dir=str(tmp_path / "run"),
            student=network,
            dry_run=True,
        )
        assert "a step takes about" in capsys.readouterr().out


def test_as_many_weights_as_classes_are_needed(tmp_path):
    recipe = dataclasses.replace(RECIPE, class_weights="1,2", ohem_min_kept=0)
    with pytest.raises(ValueError, match="each of the 3 classes.*'1,2'"):
        run(recipe, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "epoch_over", core_and_full(["unlabeled"], ["unlabeled", "labeled"])
)
def test_both_senses_of_supervised_only(epoch_over, tmp_path):
    recipe = Recipe(
        method="supervised",
        epoch_over=epoch_over,
        epochs=2,
        crop_size=9,
        labeled_batch_size=1,
        unlabeled_batch_size=1,
        learning_rate=1e-6,
    )
    results = run(recipe, tmp_path / "run", validation=False)
    assert results["steps"] == {"unlabeled": 8, "labeled": 4}[epoch_over]


def labeled_alone(recipe, output_dir):
    network = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 3, padding="same")]
    )
    return experiment.run(
        recipe,
        (IMAGES[:5], LABELS[:5]),
        None,
        (IMAGES[6:], LABELS[6:]),
        class_names=["a", "b", "c"],
        output_dir=str(output_dir),
        student=network,
        verbose=0,
    )


def test_labeled_images_alone(tmp_path, capsys):
    recipe = dataclasses.replace(
        RECIPE, method="supervised", class_weights="balanced", ohem_min_kept=0
    )
    results = labeled_alone(recipe, tmp_path / "run")
    assert results["labeled"] == 5 and "unlabeled" not in results
    assert results["steps"] == 2  # of one step an epoch: an epoch passes over them
    printed = capsys.readouterr().out
    assert "supervised on 5 labeled images," in printed
    assert "A page about the run is made by" in printed  # which lists none to label
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"predictions.png", "teacher_last.keras"} < names
    assert "hardness.png" not in names


def test_other_methods_need_unlabeled_images(tmp_path):
    with pytest.raises(ValueError, match="method='imas' needs unlabeled.*supervised"):
        labeled_alone(RECIPE, tmp_path / "run")
    assert not (tmp_path / "run").exists()
