import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import programs
import pyarrow.parquet
import pytest
from PIL import Image

from keras_imas.files import lock, standard_json
from keras_imas.report import study as report
from keras_imas.runs.hardness_table import read_hardness
from keras_imas.runs.study import Study

CONFIG = """
[data.small]
images = "images"
masks = "masks"
val_images = "images"
val_masks = "masks"
val = "val.txt"
num_classes = 3
image_size = [32, 40]
far = "far.txt"
left_out = "left_out.txt"

[score_every]
unlabeled = 2

[readings.windows]
window = 33
scale = 1.25

[readings.whole]

[recipe]
weights = "none"
steps = 2
crop_size = 33
unlabeled_batch_size = 2
labeled_batch_size = 2

[variants.plain]

[variants.balanced]
class_weights = "balanced"

[[grid]]
data = ["small"]
labels = [2]
method = ["uniform", "all_masks", "oracle"]
variant = ["plain"]
seed = [0]

[[grid]]
data = ["small"]
labels = [2, 3]
method = ["supervised"]
variant = ["plain", "balanced"]
seed = [0, 1]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Ten images with masks, of which three are far and one is left out."""
    rng = np.random.default_rng(0)
    for number in range(10):
        for name, high, shape in (("images", 256, (32, 40, 3)), ("masks", 3, (32, 40))):
            (tmp_path / name).mkdir(exist_ok=True)
            pixels = rng.integers(0, high, shape).astype("uint8")
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    (tmp_path / "far.txt").write_text("0\n1\n2\n")
    (tmp_path / "left_out.txt").write_text("3\n")
    (tmp_path / "val.txt").write_text("0\n")
    (tmp_path / "some.toml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study_with(fields):
    """Return a study whose data set has more fields."""
    with open("some.toml", "w", encoding="utf-8") as file:
        file.write(CONFIG.replace("[score_every]", f"{fields}\n[score_every]"))
    return Study("some.toml")


def pools(study, number=3):
    """Return the names of the images that a trial trains on, by part."""
    parts, _ = study.examples(study.trials[number])
    return [set(part.names) for part in (parts.labeled, parts.unlabeled)]


def test_a_grid_is_all_combinations_once_in_order(folder):
    study = Study("some.toml")
    names = [trial.name for trial in study.trials]
    assert names[:3] == [
        "small-2-uniform-plain-0",
        "small-2-all_masks-plain-0",
        "small-2-oracle-plain-0",
    ]
    assert len(names) == len(set(names)) == 11
    recipe = study.recipe(study.trials[1])
    assert (recipe.method, recipe.crop_size) == ("supervised", 33)


def test_images_that_are_far_are_not_trained_on(folder):
    study = Study("some.toml")
    drawn = set()
    for trial in study.trials:
        parts, scored = study.examples(trial)
        labeled, unlabeled = (
            set(getattr(parts, k).names) for k in ("labeled", "unlabeled")
        )
        pool = {"4", "5", "6", "7", "8", "9"}
        everything = trial.method == "all_masks"
        assert labeled == pool if everything else len(labeled) == trial.labels
        assert unlabeled == (unlabeled if everything else pool - labeled)
        assert scored["far"].names == ("0", "1", "2")
        assert scored["val"].names == ("0",)
        assert set(scored["unlabeled"].names) < unlabeled
        assert parts.class_names == ("0", "1", "2")
        if trial.labels == 2 and not everything:
            drawn.add((trial.seed, frozenset(labeled)))
    assert len(drawn) == 2  # the seed alone tells which are labeled


def test_lists_may_tell_which_images_are_labeled(folder):
    (folder / "labeled_0.txt").write_text("4\n9\n")
    (folder / "labeled_1.txt").write_text("5\n9\n")
    (folder / "unlabeled.txt").write_text("6\n7\n")
    study = study_with('labeled = "labeled_{seed}.txt"\nunlabeled = "unlabeled.txt"')
    for trial in study.trials:
        if trial.labels == 3:
            with pytest.raises(ValueError, match="has 3 labels, and 2 images"):
                study.examples(trial)
            continue
        parts, scored = study.examples(trial)
        ours = ("5", "9") if trial.seed else ("4", "9")
        everything = trial.method == "all_masks"
        expected = sorted({*ours, "6", "7"} if everything else ours)
        assert list(parts.labeled.names) == expected
        assert parts.unlabeled.names == ("6", "7")
        assert scored["unlabeled"].names == ("6",)


def test_a_list_may_tell_which_images_labels_are_drawn_from(folder):
    (folder / "some.txt").write_text("0\n4\n5\n6\n")  # the first is far
    study = study_with('labeled = "some.txt"')
    for trial in study.trials:
        parts, _ = study.examples(trial)
        if trial.method != "all_masks":
            assert set(parts.labeled.names) <= {"4", "5", "6"}
            assert {"7", "8", "9"} <= set(parts.unlabeled.names)
    (folder / "some.txt").write_text("4\n")
    with pytest.raises(ValueError, match="has 2 labels, and 1 images"):
        study.examples(study.trials[0])


@pytest.mark.parametrize(
    ("listed", "held_out"),
    [
        (("far.txt", "4.png\n./images/5.png\n"), "45"),
        (("left_out.txt", "images/4.png\tmasks/4.png\n"), "4"),
        (("val.txt", "4\n5\n"), "45"),
    ],
)
def test_what_is_held_out_is_in_no_pool(folder, listed, held_out):
    name, text = listed
    (folder / name).write_text(text)
    labeled, unlabeled = pools(Study("some.toml"))
    assert {*held_out}.isdisjoint(labeled | unlabeled)
    (folder / "all.txt").write_text("\n".join("3456789"))
    labeled, unlabeled = pools(study_with('labeled = "all.txt"\nunlabeled = "all.txt"'))
    assert {*held_out}.isdisjoint(labeled | unlabeled)
    assert len(labeled) == 2 and labeled.isdisjoint(unlabeled)


def test_validation_images_are_held_out_where_a_link_leads_to_them(folder):
    (folder / "photographs").symlink_to(folder / "images")
    (folder / "val.txt").write_text("6\n")
    text = CONFIG.replace('val_images = "images"', 'val_images = "photographs"')
    (folder / "some.toml").write_text(text)
    labeled, unlabeled = pools(Study("some.toml"))
    assert labeled | unlabeled == {*"45789"}


def test_names_in_lists_may_have_spaces(folder):
    for kind in ("images", "masks"):
        (folder / kind / "4.png").rename(folder / kind / "far from here é.png")
    (folder / "far.txt").write_text("0\nfar from here é\n", encoding="utf-8")
    study = Study("some.toml")
    _, scored = study.examples(study.trials[0])
    assert scored["far"].names == ("0", "far from here é")
    assert "far from here é" not in set.union(*pools(study))


def test_without_unlabeled_images_there_is_no_trial(folder):
    (folder / "some.txt").write_text("8\n9\n")
    study = study_with('labeled = "some.txt"\nunlabeled = "some.txt"')
    with pytest.raises(ValueError, match="'small-2-supervised-plain-0' has no unlabel"):
        study.examples(study.trials[3])


def test_images_are_read_as_the_fields_say(folder):
    for path in (folder / "masks").glob("*.png"):
        mask = 255 * (np.asarray(Image.open(path)) > 0).astype("uint8")
        Image.fromarray(mask).save(path.with_name(f"{path.stem}_object.png"))
        path.unlink()
    config = CONFIG.replace("num_classes = 3", "binary_masks = true")
    fields = """mask_name = "{}_object.png"
on_bad_image = "skip"
image_range = [0, 128]
pipeline = "device"
[score_every]"""
    (folder / "some.toml").write_text(config.replace("[score_every]", fields))
    study = Study("some.toml")
    parts, scored = study.examples(study.trials[0])
    assert parts.class_names == ("background", "object")
    assert parts.pipeline == "device"
    for part in (parts.labeled, parts.unlabeled, *scored.values()):
        assert part.on_bad_image == "skip" and part.image_range == (0, 128)
        assert set(np.unique(part.get(0, num_classes=2)["label_map"])) == {0, 1}


@pytest.mark.parametrize(
    "field",
    ['select_on = "val.txt"', "labeled_as_unlabeled = true", 'cache = "none"', "a = 1"],
)
def test_fields_without_effect_are_refused(folder, field):
    name = field.split(" ")[0]
    with pytest.raises(ValueError, match=rf"`\[data.small\]` .* in a study: {name}\."):
        study_with(field)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("steps = 2", "stepz = 2", "no recipe has: stepz"),
        ("unlabeled = 2", "unlabelled = 2", r"`\[score_every\]` .*: unlabelled"),
    ],
)
def test_misspelt_fields_are_refused(folder, before, after, message):
    (folder / "some.toml").write_text(CONFIG.replace(before, after))
    with pytest.raises(ValueError, match=message):
        Study("some.toml")


@pytest.mark.full
def test_a_study_goes_on_where_it_was_stopped(folder):
    def run(*arguments):
        script = programs.ROOT / "scripts" / "study.py"
        return programs.run(script, "some.toml", *arguments, cwd=folder)

    few = CONFIG.split("[[grid]]")
    (folder / "some.toml").write_text("[[grid]]".join(few[:2]))
    process = run("--jobs=2")
    assert process.returncode == 0, process.stdout
    rows = report.read("some.csv")
    assert len(rows) == 3 * 2 * 3  # trials, readings, kinds of images
    assert {row["method"] for row in rows} == {"uniform", "all_masks", "oracle"}
    assert all(0 <= float(row["teacher_last"]) <= 1 for row in rows)
    trial = folder / "studies/runs/some/small-2-uniform-plain-0"
    result = json.loads((trial / "trial.json").read_text())
    assert result["steps"] == 2 and (trial / "teacher_last.keras").exists()
    assert len(read_hardness(trial / "hardness.parquet").images) == 4
    course = result["pseudo_labels"]
    assert [quality["epoch"] for quality in course] == [1]
    assert len(course[0]["recall"]) == len(course[0]["precision"]) == 3
    assert "hardness_correlation" in rows[0]
    assert "done" in run("--list").stdout
    again = run()
    assert again.returncode == 0 and "uniform" not in again.stdout
    assert report.read("some.csv") == rows
    shutil.move(trial, folder / "moved")
    assert "done" in run("--list").stdout  # as rows without a directory are
    shutil.move(folder / "moved", trial)
    (folder / "some.toml").write_text(CONFIG.replace("steps = 2", "steps = 5"))
    for arguments in ("--list",), ():
        refused = run(*arguments)
        assert refused.returncode and "steps was 2, is 5. Name the" in refused.stdout
    script = programs.ROOT / "scripts" / "study_report.py"
    shown = programs.run(script, "some.csv", cwd=folder)
    assert "| small | 2 | uniform | plain | windows |" in shown.stdout
    refused = programs.run(script, "some.csv", "--baseline=uniform", cwd=folder)
    assert refused.returncode and "Error: `baseline` must be" in refused.stdout


def test_a_result_of_another_recipe_is_refused(folder):
    study = Study("some.toml")
    trial, *_, balanced = study.trials
    recipe = standard_json.as_read(dataclasses.asdict(study.recipe(trial)))
    del recipe["labeled_view"]  # a result from before there was such a field
    study.check_recipe(trial, {"recipe": recipe})
    recipe |= {"crop_size": 65, "cutmix_range": [0.2, 0.9]}
    different = r"crop_size was 65, is 33; cutmix_range was \[0.2, 0.9\], is \[0.1"
    with pytest.raises(ValueError, match=f"plain-0' was .*: {different}"):
        study.check_recipe(trial, {"recipe": recipe})
    with pytest.raises(ValueError, match="class_weights was '', is 'balanced'"):
        study.check_recipe(balanced, {"recipe": recipe})


@pytest.mark.full
def test_no_trial_starts_after_control_c(folder):
    process = subprocess.Popen(
        [sys.executable, programs.ROOT / "scripts" / "study.py", "some.toml"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    first = folder / "studies/runs/some/small-2-uniform-plain-0"
    while not first.exists() and process.poll() is None:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    printed, _ = process.communicate(timeout=600)
    assert process.returncode
    names = [trial.name for trial in Study("some.toml").trials]
    assert [line for line in printed.splitlines() if line in names] == names[:1]
    assert os.listdir(first.parent) == [first.name]


def test_a_study_is_run_by_one_process(folder):
    trial = folder / "studies/runs/some/small-2-uniform-plain-0"
    trial.mkdir(parents=True)  # which the first process trains
    with lock.locked(trial.parent):
        script = programs.ROOT / "scripts" / "study.py"
        second = programs.run(script, "some.toml", cwd=folder, timeout=200)
    assert second.returncode and "is in use by process" in second.stdout
    assert trial.is_dir() and not (folder / "some.csv").exists()


def test_what_to_label_next_is_ranked_at_the_size_of_the_training(folder):
    """As large as its file, the fourth image is black and white; resized it is gray."""
    board = np.indices((64, 80)).sum(0) % 2 * 255
    for name, gray in zip("456789", (board, 100, 10, 245, 0, 255), strict=True):
        image = np.broadcast_to(gray, (3, 64, 80)).T.swapaxes(0, 1).astype("uint8")
        Image.fromarray(image).save(f"images/{name}.png")
        Image.fromarray(image[..., 0] * 0).save(f"masks/{name}.png")
    (folder / "some.txt").write_text("8\n9\n")
    text = CONFIG.replace("window = 33\nscale = 1.25\n", "")
    text = text.replace("[score_every]", 'labeled = "some.txt"\n[score_every]')
    (folder / "some.toml").write_text(text)
    directory = folder / "studies/runs/some/small-2-uniform-plain-0"
    directory.mkdir(parents=True)
    table = {"epoch": 4 * [1], "image": [*"4567"], "hardness": 4 * [0.5]}
    pyarrow.parquet.write_table(pyarrow.table(table), directory / "hardness.parquet")
    layers = [keras.Input((None, None, 3)), keras.layers.Conv2D(3, 1)]
    network = keras.Sequential(layers)  # unsure of gray pixels alone
    kernel = np.tile([0.04 / 3, 0, 0], (1, 1, 3, 1))
    network.set_weights([kernel, np.array([-0.04 * 127.5, 0, -50])])
    network.save(directory / "teacher_last.keras")
    script = programs.ROOT / "studies" / "label_next.py"
    process = programs.run(script, "some.toml", cwd=folder)
    assert process.returncode == 0, process.stdout
    ranked = (directory / "next_entropy.txt").read_text(encoding="utf-8").split()
    assert ranked[:3] == ["8", "9", "4"]
    assert len((directory / "next_random.txt").read_text().split()) == 4


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('method = ["uniform"', 'method = ["unifrom"', '`method` must be "imas" or'),
        ('variant = ["plain"]', 'variant = ["plane"]', r"no `\[variants.plane\]`"),
        ('data = ["small"]', 'data = ["smal"]', r"no `\[data.smal\]`"),
        ("seed = [0]", "", r"Each `\[\[grid\]\]` .* must have"),
        ("crop_size = 33", "crop_size = 0", "`crop_size` must be positive"),
    ],
)
def test_what_is_not_there_is_named_before_a_trial_starts(folder, old, new, reason):
    assert old in CONFIG
    (folder / "some.toml").write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(ValueError, match=reason):
        Study("some.toml")


@pytest.mark.parametrize(
    "path", sorted(programs.ROOT.glob("studies/*.toml")), ids=lambda p: p.stem
)
def test_the_projects_own_studies_can_be_read(path):
    assert Study(path).trials
