"""The example programs, run as a user runs them."""

import csv
import json
import os
import subprocess
import sys

import keras
import numpy as np
import programs
import pytest
from PIL import Image

import keras_imas

EXAMPLES = programs.ROOT / "examples"
TINY = (
    "--weights=none",
    "--crop_size=33",
    "--epochs=1",
    "--labeled_batch_size=2",
    "--unlabeled_batch_size=2",
)


def run(program, *arguments, cwd):
    return programs.run(EXAMPLES / program, *arguments, cwd=cwd)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def photographs(tmp_path):
    """Six photographs of which two have masks, and one to validate on."""
    rng = np.random.default_rng(0)
    for split, count, masks in (("train", 6, 2), ("val", 1, 1)):
        for number in range(count):
            image = rng.integers(0, 256, (40, 56, 3), dtype="uint8")
            save(tmp_path / split / f"{number}.png", image)
            if number < masks:
                mask = rng.integers(0, 3, (40, 56), dtype="uint8")
                save(tmp_path / f"{split}_masks" / f"{number}.png", mask)
    return tmp_path


FOLDER = ("--images=train", "--masks=train_masks", "--num_classes=3")
VALIDATION = ("--val_images=val", "--val_masks=val_masks")


@pytest.mark.full
def test_train_folder(photographs):
    process = run(
        "train_folder.py", *FOLDER, *VALIDATION, *TINY, "--warmup_steps=1",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for text in (
        "2 labeled and 4 unlabeled",
        "Epoch 1 of 1: mIoU ",
        "| **mean** |",
        "mIoU of the student",
    ):
        assert text in process.stdout
    assert "\b" not in process.stdout and "\x1b" not in process.stdout
    output = photographs / "runs" / "folder-imas-1"
    assert {path.name for path in output.iterdir()} == {
        "MODEL_CARD.md",
        "hardness.parquet",
        "hardness.png",
        "history.jsonl",
        "predictions.png",
        "run.json",
        "student_last.keras",
        "teacher_best.keras",
        "teacher_last.keras",
    }
    results = json.loads((output / "run.json").read_text())
    assert results["backend"] == keras.backend.backend()
    assert 0 <= results["teacher_last"] <= results["teacher_best"] <= 1

    pytest.importorskip("plotly")
    pytest.importorskip("jinja2")
    process = programs.run(
        programs.ROOT / "scripts" / "report.py", output, "--gallery=1",
        "--output=pages/new/report.html", cwd=photographs.parent,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    pages = photographs.parent / "pages" / "new"
    page = (pages / "report.html").read_text()
    for text in ("disagreement of ", "pseudo label (", "Label these next"):
        assert text in page
    with open(pages / "label_next_folder-imas-1.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"2", "3", "4", "5"}
    assert all((photographs / row["file"]).is_file() for row in rows)


@pytest.mark.full
def test_train_folder_on_labeled_images_alone(photographs):
    for number in range(2, 6):
        (photographs / "train" / f"{number}.png").unlink()
    process = run("train_folder.py", *FOLDER, *TINY, cwd=photographs)
    assert process.returncode == 1
    assert "all images are labeled" in process.stdout
    process = run(
        "train_folder.py", *FOLDER, *TINY, "--method=supervised", "--optimizer=adamw",
        "--class_weights=balanced", "--settings=defaults", cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "supervised on 2 labeled images" in process.stdout
    run_json = photographs / "runs" / "folder-supervised-1" / "run.json"
    recipe = json.loads(run_json.read_text())["recipe"]
    assert (recipe["learning_rate_warmup"], recipe["weight_decay"]) == (100, 0.01)


@pytest.mark.full
def test_train_folder_on_a_foundation_encoder(photographs):
    process = run(
        "train_folder.py", *FOLDER, *VALIDATION, *TINY, "--warmup_steps=0",
        "--backbone=dinov2_small", "--crop_size=28", "--output_dir=out",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    for taken in ("optimizer=adamw", "learning_rate=5e-06", "decoder_multiplier=40"):
        assert f"  --{taken}" in process.stdout
    scripts = programs.ROOT / "scripts"
    process = programs.run(
        scripts / "evaluate.py", "--model=out", "--images=val", "--masks=val_masks",
        "--output_dir=scores", cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    scores = json.loads((photographs / "scores" / "evaluation.json").read_text())
    lines = (photographs / "out" / "history.jsonl").read_text().splitlines()
    measured = json.loads(lines[-1])["val_mean_iou"]
    assert scores["teacher_best"]["mean_iou"] == pytest.approx(measured, abs=1e-4)
    process = programs.run(
        scripts / "predict.py", "--model=out", "--input=val", "--output=masks",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert (photographs / "masks" / "masks" / "0.png").exists()


@pytest.mark.full
def test_hardness_of_your_model(photographs):
    rng = np.random.default_rng(0)
    layers = [keras.Input((None, None, 3)), keras.layers.Rescaling(1 / 255)]
    network = keras.Sequential([*layers, keras.layers.Conv2D(3, 3, padding="same")])
    for name in ("early", "late"):
        weights = [rng.normal(size=w.shape) for w in network.weights]
        network.set_weights(weights)
        network.save(photographs / f"{name}.keras")
    (photographs / "train" / "broken.png").write_bytes(b"no image")
    arguments = ("--images=train", "--models=early.keras,late.keras")
    process = run("hardness_of_your_model.py", *arguments, cwd=photographs)
    assert process.returncode == 0, process.stdout
    assert "broken.png cannot be read" in process.stdout
    with open(photographs / "hardness.csv", newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert set(rows) == set("012345")
    files = (photographs / "early.keras", photographs / "late.keras")
    models = [keras.models.load_model(file) for file in files]
    for name, row in rows.items():
        with Image.open(photographs / "train" / f"{name}.png") as image:
            logits = [m.predict(np.array(image)[None], verbose=0) for m in models]
        expected = float(keras_imas.hardness(*logits)[0])
        assert float(row["hardness"]) == pytest.approx(expected, abs=1e-3)
    recipe = {"confidence_threshold": 0.4, "background_class": 1}
    facts = {"settings": {"image_size": ["8", "8"]}, "recipe": recipe}
    (photographs / "run.json").write_text(json.dumps(facts))
    small = "new/folder/small.csv"
    process = run(
        "hardness_of_your_model.py", *arguments, f"--output={small}", cwd=photographs
    )
    assert process.returncode == 0, process.stdout
    with open(photographs / small, newline="") as file:
        small = {row["image"]: row["hardness"] for row in csv.DictReader(file)}
    examples = keras_imas.data.from_folder(
        photographs / "train", image_size=(8, 8), on_bad_image="skip"
    )
    for index, example in examples.pick(range(len(examples))):
        logits = [m.predict(example["image"][None], verbose=0) for m in models]
        expected = float(keras_imas.hardness(*logits, **recipe)[0])
        assert float(small[examples.names[index]]) == pytest.approx(expected, abs=1e-3)
    assert not list((photographs / "new" / "folder").glob(".*"))
    process = run("hardness_of_your_model.py", *arguments, cwd=photographs)
    assert process.returncode == 1 and "Choose another --output" in process.stdout


@pytest.mark.full
def test_hardness_refuses_two_runs_that_read_otherwise(photographs):
    for name, size in (("a", 8), ("b", 9)):
        (photographs / name).mkdir()
        facts = {"settings": {"image_size": [size, size]}}
        (photographs / name / "run.json").write_text(json.dumps(facts))
        (photographs / name / "last.keras").write_bytes(b"is not loaded")
    models = "--models=a/last.keras,b/last.keras"
    process = run(
        "hardness_of_your_model.py", "--images=train", models, cwd=photographs
    )
    assert process.returncode == 1
    assert (
        "Received: 'a/last.keras' with image_size=8,8 and 'b/last.keras' with "
        "image_size=9,9. Pass --image_size" in process.stdout
    )


@pytest.mark.full
def test_hardness_says_before_scoring_that_it_can_write_no_table(photographs):
    (photographs / "file").write_text("no folder")
    process = run(
        "hardness_of_your_model.py", "--images=train", "--models=a.keras,b.keras",
        "--output=file/hardness.csv", cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 1
    assert "Error: `output` can't be written: " in process.stdout
    assert "Traceback" not in process.stdout


def test_train_folder_names_what_is_wrong_before_training(photographs):
    save(photographs / "train_masks" / "1.png", np.full((40, 56), 7, "uint8"))
    process = run("train_folder.py", *FOLDER, *TINY, cwd=photographs)
    assert process.returncode != 0
    assert "`1` of labeled: its label map contains 7" in process.stdout
    assert "Traceback" not in process.stdout
    assert not (photographs / "runs").exists()


def test_train_folder_overwrites_nothing(photographs):
    (photographs / "mine").mkdir()
    (photographs / "mine" / "thesis.txt").write_text("precious")
    process = run(
        "train_folder.py", *FOLDER, *TINY, "--output_dir=mine", cwd=photographs
    )
    assert process.returncode != 0
    assert "is not empty" in process.stdout
    assert os.listdir(photographs / "mine") == ["thesis.txt"]


@pytest.mark.full
def test_train_folder_goes_on_where_it_was_stopped(photographs):
    command = [sys.executable, EXAMPLES / "train_folder.py", *FOLDER, *VALIDATION]
    output = photographs / "runs" / "folder-imas-1"
    printed = programs.stop_after_an_epoch(
        [*command, *TINY, "--epochs=20"], output, cwd=photographs
    )
    # The same command finds it; the printed one names it.
    again = printed.split("To resume:\n")[1].strip()
    assert again.endswith("--output_dir=runs/folder-imas-1")
    process = run("train_folder.py", *FOLDER, *VALIDATION, *TINY, cwd=photographs)
    assert "unfinished" not in process.stdout  # as it has other epochs
    assert (photographs / "runs" / "folder-imas-2" / "predictions.png").exists()
    process = subprocess.run(
        again, shell=True, cwd=photographs, capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "runs/folder-imas-1 holds an unfinished run" in process.stdout
    lines = (output / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, 21))
    assert json.loads((output / "run.json").read_text())["finished"]


@pytest.fixture
def cityscapes(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 1)):
        for number in range(count):
            name = f"{split}/town/town_{number:06}"
            image = rng.integers(0, 256, (40, 80, 3), dtype="uint8")
            label_ids = rng.choice([0, 7, 8, 33], (40, 80)).astype("uint8")
            save(tmp_path / "leftImg8bit" / f"{name}_leftImg8bit.png", image)
            save(tmp_path / "gtFine" / f"{name}_gtFine_labelIds.png", label_ids)
    return tmp_path


@pytest.mark.full
def test_train_cityscapes(cityscapes):
    process = run(
        "train_cityscapes.py", "--data_dir=.", "--labeled_share=0.5", *TINY,
        "--backbone=mobilenet_v2", "--multi_grid=", "--window=33",
        "--pairing_group_size=2", "--ohem_group_size=2", "--method=uniform",
        cwd=cityscapes,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "2 labeled and 2 unlabeled" in process.stdout
    assert (cityscapes / "runs" / "cityscapes-uniform-1" / "predictions.png").is_file()


@pytest.mark.full
@pytest.mark.parametrize("method", ["imas", "supervised"])
def test_train_cityscapes_on_scenes(tmp_path, method):
    process = run(
        "train_cityscapes.py", "--epochs=1", "--verbose=2", f"--method={method}",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "training on the built-in street scenes" in process.stdout
    assert (tmp_path / "runs" / f"cityscapes-{method}-1" / "hardness.png").is_file()


@pytest.mark.full
def test_train_folder_selects_on_held_out_images(photographs):
    mask = np.zeros((40, 56), "uint8")
    save(photographs / "train_masks" / "5.png", mask)
    (photographs / "held_out.txt").write_text("5\n")
    process = run(
        "train_folder.py", *FOLDER, *VALIDATION, *TINY, "--select_on=held_out.txt",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "2 labeled and 3 unlabeled" in process.stdout
    assert "the best on the images to select on" in process.stdout
    results = photographs / "runs" / "folder-imas-1" / "run.json"
    assert json.loads(results.read_text())["select_on"] == 1


@pytest.mark.full
def test_train_folder_skips_bad_images(photographs):
    for path in ("train/5.png", "val/0.png"):
        content = (photographs / path).read_bytes()
        (photographs / path).write_bytes(content[:500])
    rng = np.random.default_rng(1)
    save(photographs / "val/1.png", rng.integers(0, 256, (40, 56, 3), dtype="uint8"))
    save(photographs / "val_masks/1.png", np.zeros((40, 56), "uint8"))
    arguments = (*FOLDER, *VALIDATION, *TINY, "--unlabeled_batch_size=3")
    process = run("train_folder.py", *arguments, cwd=photographs)
    assert process.returncode != 0
    assert "train/5.png cannot be read" in process.stdout
    process = run(
        "train_folder.py", *arguments, "--on_bad_image=skip", "--cache=memory",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "2 images could not be read and were skipped:" in process.stdout
    assert "  unlabeled: train/5.png cannot be read: image file" in process.stdout
    results = photographs / "runs" / "folder-imas-1" / "run.json"
    skipped = json.loads(results.read_text())["skipped"]
    assert {part: list(bad) for part, bad in skipped.items()} == {
        "unlabeled": ["5"],
        "validation": ["0"],
    }


@pytest.mark.full
def test_train_folder_on_masks_of_colors(photographs):
    colors = np.array([[0, 0, 0], [9, 8, 7], [255, 0, 0]], "uint8")
    for path in photographs.glob("*_masks/*.png"):
        save(path.with_stem(f"{path.stem}_L"), colors[np.asarray(Image.open(path))])
        path.unlink()
    (photographs / "classes.csv").write_text(
        "name,id,r,g,b\nsky,0,0,0,0\nroad,1,9,8,7\ncar,2,255,0,0\n"
    )
    (photographs / "more").mkdir()
    for number in (4, 5):
        path = photographs / "train" / f"{number}.png"
        path.rename(photographs / "more" / f"{number}.png")
    process = run(
        "train_folder.py", *FOLDER[:2], *VALIDATION, *TINY, "--mask_name={}_L.png",
        "--classes=classes.csv", "--unlabeled=more/*.png",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "2 labeled and 2 unlabeled" in process.stdout
    assert "| road |" in process.stdout


@pytest.mark.full
def test_train_camvid(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("val", 1)):
        for number in range(count):
            image = rng.integers(0, 256, (36, 48, 3), dtype="uint8")
            save(tmp_path / split / f"{number}.png", image)
            mask = rng.integers(0, 12, (36, 48), dtype="uint8")
            save(tmp_path / f"{split}annot" / f"{number}.png", mask)
    process = run(
        "train_camvid.py", "--data_dir=.", "--labeled_share=0.4", *TINY, cwd=tmp_path
    )
    assert process.returncode == 0, process.stdout
    assert "2 labeled and 4 unlabeled" in process.stdout
    assert "| bicyclist |" in process.stdout


def test_train_folder_held_out_images_must_not_be_trained_on(photographs):
    (photographs / "held_out.txt").write_text("1\n")
    (photographs / "labeled.txt").write_text("0\n1\n")
    process = run(
        "train_folder.py", *FOLDER, *VALIDATION, *TINY, "--select_on=held_out.txt",
        "--labeled=labeled.txt",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode != 0
    assert "both in `labeled` and in `select_on`" in process.stdout


@pytest.fixture
def voc(tmp_path):
    rng = np.random.default_rng(0)
    palette = rng.integers(0, 256, 768).tolist()
    lists = {"train_aug": range(40), "train": range(30), "val": range(40, 42)}
    for name, numbers in lists.items():
        ids = [f"2007_{number:06}" for number in numbers]
        path = tmp_path / "ImageSets" / "Segmentation" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(ids))
        for image_id in ids:
            image = rng.integers(0, 256, (30, 45, 3), dtype="uint8")
            save(tmp_path / "JPEGImages" / f"{image_id}.jpg", image)
            mask = Image.fromarray(rng.choice([0, 15, 255], (30, 45)).astype("uint8"))
            mask.putpalette(palette)
            path = tmp_path / "SegmentationClass" / f"{image_id}.png"
            path.parent.mkdir(exist_ok=True)
            mask.save(path)
    return tmp_path


@pytest.mark.full
def test_train_voc(voc):
    process = run(
        "train_voc.py", "--data_dir=.", "--labeled_count=3", *TINY,
        "--pairing_group_size=2", "--backbone=mobilenet_v2", "--multi_grid=",
        cwd=voc,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "3 labeled and 37 unlabeled" in process.stdout
    assert (voc / "runs" / "voc-imas-1" / "predictions.png").is_file()


DRY_RUNS = """
import os, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
program = __import__(os.path.basename(sys.argv[1]))
import keras
from absl import flags

for flagfile in sys.argv[2].split(","):
    print(f"<{flagfile}>", flush=True)
    flags.FLAGS.unparse_flags()
    flags.FLAGS(["program", f"--flagfile={flagfile}", *sys.argv[3:]])
    program.main(["program"])
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    keras.utils.clear_session()
"""


@pytest.mark.full
@pytest.mark.torch_only
@pytest.mark.parametrize("dataset", ["cityscapes", "voc"])
def test_dry_run_of_every_flagfile(dataset, tmp_path, request):
    """On a tree in the data set's layout, with smaller crops.

    On PyTorch, as TensorFlow's large dilations of small features are slow on a CPU.
    """
    tree = request.getfixturevalue(dataset)
    if dataset == "cityscapes":
        for number in range(4, 40):
            for folder, kind in (
                ("leftImg8bit", "leftImg8bit"),
                ("gtFine", "gtFine_labelIds"),
            ):
                first = tree / folder / "train/town" / f"town_000000_{kind}.png"
                copy = tree / folder / "train/town" / f"town_{number:06}_{kind}.png"
                copy.write_bytes(first.read_bytes())
    flagfiles = sorted((EXAMPLES / "flagfiles").glob(f"{dataset}_*.flags"))
    assert len(flagfiles) == {"cityscapes": 17, "voc": 27}[dataset]
    process = programs.run(
        "-c", DRY_RUNS, EXAMPLES / f"train_{dataset}",
        ",".join(map(str, flagfiles)), f"--data_dir={tree}", "--dry_run",
        "--weights=none", "--crop_size=33", "--labeled_batch_size=16",
        "--unlabeled_batch_size=16", "--labeled_share=0.4"
        if dataset == "cityscapes" else "--labeled_count=20",
        cwd=tmp_path,
        timeout=1500,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    reports = process.stdout.split("<")[1:]
    assert len(reports) == len(flagfiles)
    for report in reports:
        for text in (
            "epochs of", "learning rate: ", "first batch: labeled (16, 33, 33, 3)",
            "multiply-adds", "GiB", "a step takes about", "nothing was written",
        ):  # fmt: skip
            assert text in report, report
    assert not (tmp_path / "runs").exists() and not (tree / "runs").exists()


def test_a_flagfile_may_be_overridden(tmp_path):
    process = run(
        "train_voc.py",
        f"--flagfile={EXAMPLES / 'flagfiles' / 'voc_classic_92_r50.flags'}",
        f"--data_dir={tmp_path}", "--crop_size=0",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode != 0
    assert "`crop_size` must be positive. Received: 0" in process.stdout
