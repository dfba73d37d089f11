import dataclasses
import json

import keras
import numpy as np
import pytest

import keras_imas
from keras_imas.runs import compared_runs
from keras_imas.runs.recipe import Recipe

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (9, 10, 12, 3)).astype("uint8")
LABELS = (IMAGES[..., 0] // 86).astype("uint8")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "network.keras"
    network = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(3, 3, padding="same"),
        ]
    )
    network.save(path)
    return Recipe(
        steps=4,
        crop_size=9,
        labeled_batch_size=2,
        unlabeled_batch_size=2,
        learning_rate=0.5,
        start_from=str(path),
        evaluate_every=2,
    )


def parts(validation=True):
    return dict(
        labeled=(IMAGES[:4], LABELS[:4]),
        unlabeled=IMAGES[4:6],
        validation=(IMAGES[6:], LABELS[6:]) if validation else None,
        class_names=["a", "b", "c"],
    )


def run(recipe, images, output_dir, **options):
    return compared_runs.run(
        recipe, images, output_dir=str(output_dir), verbose=0, **options
    )


def mean_iou(pairs):
    """Compute the mean IoU by sets of pixels, of `(network, images, labels)`."""
    predicted, true = [], []
    for network, images, labels in pairs:
        logits = network.predict(images.astype("float32"), verbose=0)
        predicted.append(logits.argmax(-1).ravel())
        true.append(labels.ravel())
    predicted, true = np.concatenate(predicted), np.concatenate(true)
    return np.mean(
        [
            ((predicted == c) & (true == c)).sum()
            / ((predicted == c) | (true == c)).sum()
            for c in range(3)
        ]
    )


def test_two_methods_are_trained_scored_and_the_better_one_predicts(
    recipe, tmp_path, capsys
):
    facts = run(recipe, parts(), tmp_path / "both", compare=True)
    for method in ("supervised", "imas"):
        run_json = json.loads((tmp_path / "both" / method / "run.json").read_text())
        assert run_json["recipe"]["method"] == method and run_json["finished"]
        teacher = keras.models.load_model(
            tmp_path / "both" / method / "teacher_last.keras"
        )
        score = mean_iou([(teacher, IMAGES[6:], LABELS[6:])])
        assert facts["mean_iou"][method] == pytest.approx(score, abs=1e-3)
    scores = facts["mean_iou"]
    assert facts["better"] == facts["network"] == max(scores, key=scores.get)
    difference = facts["difference"]
    assert difference["mean"] == pytest.approx(
        scores["imas"] - scores["supervised"], abs=2e-4
    )
    assert difference["low"] <= difference["high"]
    saved = json.loads((tmp_path / "both" / "run.json").read_text())
    assert saved == json.loads(json.dumps(facts)) and saved["finished"]
    loaded = keras_imas.load(tmp_path / "both")
    assert loaded.file.startswith(str(tmp_path / "both" / facts["better"]))
    printed = capsys.readouterr().out
    assert "mIoU of imas over supervised" in printed
    with pytest.raises(FileExistsError, match="holds a finished run"):
        run(recipe, parts(), tmp_path / "both", compare=True)


@pytest.mark.full
def test_one_image_is_scored_and_tells_nothing(recipe, tmp_path, capsys):
    images = {**parts(), "validation": (IMAGES[:1] // 2, LABELS[:1] % 2)}
    facts = run(recipe, images, tmp_path / "both", compare=True)
    assert "difference" not in facts and facts["finished"]
    means = facts["mean_iou_labeled"]
    assert facts["better"] == max(means, key=means.get)
    assert keras_imas.load(tmp_path / "both").file.startswith(str(tmp_path / "both"))
    printed = capsys.readouterr().out
    assert "It takes two images with labels to tell" in printed
    # The validation image has no pixel of class "c".
    table = printed.split("IoU of the last teacher")[1]
    assert "| c | only predicted | only predicted |" in table
    assert "| **mean of labeled classes** | " in table


@pytest.mark.full
def test_each_labeled_image_is_held_out_once_and_then_none(recipe, tmp_path):
    images = parts(validation=False)
    facts = run(recipe, images, tmp_path / "folds", folds=2)
    left = []
    for fold in (1, 2):
        directory = tmp_path / "folds" / f"fold-{fold}" / "imas"
        run_json = json.loads((directory / "run.json").read_text())
        assert (run_json["labeled"], run_json["validation"]) == (2, 2)
        left.append(keras.models.load_model(directory / "teacher_last.keras"))
    assert facts["network"] == "all" and "difference" not in facts
    assert facts["scored_images"] == 4
    order = np.random.default_rng(recipe.seed).permutation(4)
    held_out = [sorted(order[:2]), sorted(order[2:])]
    score = mean_iou(
        [
            (network, IMAGES[indices], LABELS[indices])
            for network, indices in zip(left, held_out, strict=True)
        ]
    )
    assert facts["mean_iou"]["imas"] == pytest.approx(score, abs=1e-3)
    final = json.loads((tmp_path / "folds" / "all" / "run.json").read_text())
    assert final["labeled"] == 4 and "validation" not in final
    assert keras_imas.load(tmp_path / "folds").file.startswith(
        str(tmp_path / "folds" / "all")
    )


@pytest.mark.full
def test_an_interrupted_comparison_resumes(recipe, tmp_path):
    """A second call trains what is missing, and nothing again."""
    before = run(recipe, parts(), tmp_path / "both", compare=True)
    path = tmp_path / "both" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    kept = tmp_path / "both" / "supervised" / "teacher_last.keras"
    lost = tmp_path / "both" / "imas"
    trained = kept.stat().st_mtime_ns
    for file in lost.iterdir():
        file.unlink()
    lost.rmdir()
    after = run(recipe, parts(), tmp_path / "both", compare=True)
    assert kept.stat().st_mtime_ns == trained
    assert after["mean_iou"] == pytest.approx(before["mean_iou"], abs=1e-3)
    path.write_text(json.dumps({**json.loads(path.read_text()), "finished": False}))
    other = dataclasses.replace(recipe, learning_rate=0.1)
    with pytest.raises(FileExistsError, match="another configuration.*learning_rate"):
        run(other, parts(), tmp_path / "both", compare=True)


@pytest.mark.parametrize(
    ("method", "validation", "options", "message"),
    [
        ("supervised", True, dict(compare=True), "supervised beside another method"),
        ("imas", False, dict(compare=True), "needs labeled images to score on"),
        ("imas", True, dict(folds=2), "without validation images"),
        ("imas", False, dict(folds=5), r"from 2 to .* labeled images, 4"),
        ("imas", False, dict(folds=1), "from 2 to"),
    ],
)
def test_what_can_not_be_compared_is_refused_before_anything_is_written(
    recipe, method, validation, options, message, tmp_path
):
    recipe = dataclasses.replace(recipe, method=method)
    with pytest.raises(ValueError, match=message):
        run(recipe, parts(validation), tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_writes_nothing(recipe, tmp_path, capsys):
    assert run(recipe, parts(), tmp_path / "run", compare=True, dry_run=True) is None
    assert not (tmp_path / "run").exists()
    assert "2 runs: supervised, imas" in capsys.readouterr().out
