import dataclasses
import json
import re
import sys

import numpy as np
import programs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keras_imas import data
from keras_imas.models.size_rule import size_rule
from keras_imas.runs.data_facts import Facts
from keras_imas.runs.recipe import SMALL_DATA, Recipe
from keras_imas.runs.suggestions import suggest

RNG = np.random.default_rng(0)


def write(folder, count, size, *, masks, ids=(0, 1), shares=(0.7, 0.3)):
    """Write images of one color, of which the first have masks, by shares of ids."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        color = tuple(RNG.integers(0, 256, 3).tolist())
        image = Image.new("RGB", size[::-1], color)
        image.save(folder / "images" / f"{number}.png")
        if number < masks:
            pixels = np.arange(size[0] * size[1]) / (size[0] * size[1])
            mask = np.array(ids)[np.searchsorted(np.cumsum(shares), pixels, "right")]
            mask = Image.fromarray(mask.reshape(size).astype("uint8"))
            mask.save(folder / "masks" / f"{number}.png")


def facts_of(folder, names, *, images=2, **reading):
    """Check a folder as the command does, and return the facts."""
    here = folder / "images", folder / "masks"
    have_masks = data.folder.with_masks(*here)
    every = data.from_folder(here[0]).names
    parts = {
        "labeled": data.from_folder(*here, have_masks, **reading),
        "unlabeled": data.from_folder(
            here[0], names=data.splits.rest(every, have_masks), **reading
        ),
    }
    report = data.check(parts, images=images)
    facts = Facts.of(**parts, report=report, class_names=names)
    return dataclasses.replace(facts, gpu="")  # whatever these tests run on


def values(suggestions, taken):
    return {each.flag: each.value for each in suggestions if each.taken == taken}


def test_tiny_tiles(tmp_path):
    write(tmp_path, 40, (64, 64), masks=20)
    recipe, found = suggest(facts_of(tmp_path, ("a", "b")), SMALL_DATA)
    assert values(found, True) == {
        "crop_size": 64, "scale_min": 0.7, "labeled_batch_size": 16,
        "unlabeled_batch_size": 16, "steps": 3000, "warmup_steps": 750,
    }  # fmt: skip
    assert recipe == dataclasses.replace(SMALL_DATA, **values(found, True))


def test_street_photographs(tmp_path):
    write(tmp_path, 6, (1024, 2048), masks=2)
    recipe, found = suggest(facts_of(tmp_path, ("a", "b")))
    assert (recipe.crop_size, recipe.window, recipe.scale_min) == (193, 193, 0.5)
    assert (recipe.labeled_batch_size, recipe.unlabeled_batch_size) == (2, 4)
    assert values(found, False) == {"image_size": "512,1024"}
    # They are read smaller where that is asked for.
    smaller = facts_of(tmp_path, ("a", "b"), image_size=(180, 360))
    recipe, found = suggest(smaller, given={"image_size"})
    assert recipe.crop_size == 129 and not values(found, False)


def test_images_are_read_in_windows_of_the_crop():
    """Where that was measured to be better, and where whole images don't fit."""
    photographs, drone = ({size: 9} for size in ((180, 240), (2160, 3840)))
    for sizes, options, window in (
        (photographs, {}, 129),
        (photographs, {"crop_size": 161}, 161),
        (photographs, {"start_from": "runs/a"}, 0),
        (photographs, {"backbone": "dinov2_small"}, 0),
        (drone, {"backbone": "dinov2_small"}, 182),
        (drone, {"start_from": "runs/a"}, 129),
        ({(100, 129): 9}, {"crop_size": 129}, 0),
    ):
        recipe = Recipe(**options)
        given = {"crop_size"} & set(options)
        assert suggest(Facts(3, 6, sizes), recipe, given)[0].window == window
    assert suggest(Facts(3, 6, drone), Recipe(window=0), {"window"})[0].window == 0


def test_drone_pictures(tmp_path):
    write(tmp_path, 2, (2160, 3840), masks=1)
    recipe, found = suggest(facts_of(tmp_path, ("a", "b"), images=1))
    assert (recipe.crop_size, recipe.window) == (193, 193)
    assert values(found, False) == {"image_size": "720,1280"}
    turned = Facts(4, 4, {(2160, 3840): 4, (3840, 2160): 4})
    assert not values(suggest(turned)[1], False)  # one size would distort some


def test_microscopy(tmp_path):
    write(tmp_path, 5, (256, 320), masks=4, shares=(0.995, 0.005))
    recipe, found = suggest(facts_of(tmp_path, ("background", "cell")))
    assert (recipe.crop_size, recipe.scale_min) == (161, 0.5)
    assert values(found, False) == {"class_weights": "balanced"}
    assert "cell (0.50%)" in found[-1].reason


def test_many_rare_classes(tmp_path):
    shares = (0.9, 0.06, *10 * (0.004,))
    write(tmp_path, 4, (200, 200), masks=2, ids=range(12), shares=shares)
    names = tuple(f"c{number}" for number in range(12))
    facts = facts_of(tmp_path, names)
    assert values(suggest(facts)[1], False) == {"class_weights": "balanced"}
    assert "and 7 more" in suggest(facts)[1][-1].reason
    for recipe in (Recipe(ohem_min_kept=100), Recipe(class_weights="balanced")):
        assert not values(suggest(facts, recipe)[1], False)


def test_photographs_the_defaults_were_chosen_on_train_by_them():
    facts = Facts(23, 344, {(180, 240): 367})
    recipe, _ = suggest(facts, SMALL_DATA)
    assert recipe == dataclasses.replace(SMALL_DATA, window=129)


def test_most_images_count_not_the_smallest():
    assert Facts(1, 99, {(20, 20): 1, (480, 640): 99}).side == 480
    assert Facts(1, 3, {(100, 200): 1, (300, 200): 3}).side == 200


def test_given_flags_stay_and_others_follow_them():
    facts = Facts(100, 100, {(256, 256): 200})
    recipe, found = suggest(facts, Recipe(crop_size=64), {"crop_size", "steps"})
    assert recipe.crop_size == 64 and recipe.labeled_batch_size == 16
    assert not {"crop_size", "steps"} & {each.flag for each in found}
    assert "steps" not in values(suggest(facts, Recipe(epochs=2))[1], True)


@pytest.mark.parametrize(
    ("pixels", "ignore_class", "suggested"),
    [
        ({0: 5, 1: 5, 2: 1}, 255, 2),
        ({0: 5, 1: 5, 255: 1}, -1, 255),
        ({0: 5, 1: 5, 255: 1}, 255, None),
        ({0: 5, 255: 5}, -1, None),  # an object, not pixels without label
        ({0: 5, 1: 5, 2: 1, 3: 1}, 255, None),
    ],
)
def test_ignored_class(pixels, ignore_class, suggested):
    facts = Facts(
        8, 8, pixels=pixels, class_names=("a", "b"), ignore_class=ignore_class
    )
    found = values(suggest(facts)[1], False)
    assert found.get("ignore_class") == suggested


def test_gpu_changes_nothing_that_is_taken():
    facts = Facts(8, 8, {(480, 640): 16})
    with_gpu = dataclasses.replace(facts, gpu="NVIDIA H200")
    assert suggest(facts)[0] == suggest(with_gpu)[0]
    assert values(suggest(with_gpu)[1], False) == {"backbone": "dinov2_small"}


def test_a_foundation_encoder_brings_its_optimizer():
    facts = Facts(8, 8, {(480, 640): 16})
    recipe, found = suggest(facts, Recipe(backbone="dinov2_small"))
    assert (recipe.optimizer, recipe.learning_rate) == ("adamw", 5e-6)
    assert recipe.decoder_multiplier == 40
    taken = values(found, True)
    assert taken["optimizer"] == "adamw" and taken["learning_rate"] == 5e-6
    sgd = Recipe(backbone="dinov2_small", optimizer="sgd")
    assert suggest(facts, sgd, {"optimizer"})[0].learning_rate == sgd.learning_rate
    for other in (Recipe(), Recipe(backbone="dinov2_small", start_from="runs/a")):
        assert suggest(facts, other)[0].optimizer == "sgd"


@pytest.fixture(scope="module")
def rules():
    backbones = "mobilenet_v2", "resnet50"
    return [size_rule(Recipe(backbone=b).student(2, weights=False)) for b in backbones]


sides = st.integers(8, 4000)


@given(
    sizes=st.dictionaries(st.tuples(sides, sides), st.integers(1, 50), min_size=1),
    labeled=st.integers(1, 10_000),
    unlabeled=st.integers(0, 10_000),
    backbone=st.sampled_from(["mobilenet_v2", "dinov2_small", "dinov3_vit_base"]),
    rare=st.integers(0, 20),
)
def test_what_is_suggested_fits(rules, sizes, labeled, unlabeled, backbone, rare):
    pixels = {0: 1000, 1: rare, 255: 7}
    facts = Facts(labeled, unlabeled, sizes, pixels, ("a", "b"), gpu="NVIDIA H200")
    recipe, found = suggest(facts, Recipe(backbone=backbone))
    assert 1 <= recipe.crop_size <= facts.side
    fitting = sum(n for size, n in sizes.items() if recipe.crop_size <= min(size))
    assert 4 * fitting >= 3 * sum(sizes.values())
    for rule in rules:
        rule.check("crop_size", 2 * (recipe.crop_size,))
    assert 1 <= recipe.labeled_batch_size <= min(labeled, 16)
    assert 1 <= recipe.unlabeled_batch_size <= max(min(unlabeled, 16), 4)
    assert 3000 <= recipe.steps <= 12_000
    assert 0.5 <= recipe.scale_min <= 1
    assert len({each.flag for each in found}) == len(found)
    for each in found:
        assert re.search(r"\d", each.reason), each
        assert not each.reason.endswith(".")


def test_documented_table_is_right():
    """A column for each kind of data, in the document that explains the rules."""
    kinds = {
        "tiles": Facts(100, 5000, {(64, 64): 5100}),
        "photographs": Facts(23, 344, {(180, 240): 367}),
        "microscopy": Facts(45, 485, {(256, 320): 530}),
        "streets": Facts(100, 2975, {(1024, 2048): 3075}),
        "drone": Facts(20, 300, {(2160, 3840): 320}),
    }
    rows = {}
    for page in (programs.ROOT / "docs").rglob("*.md"):
        for line in page.read_text(encoding="utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 7:
                for flag in re.findall(r"`--(\w+)`", cells[0]):
                    rows[flag] = cells[2:]
    recipes = [suggest(facts, SMALL_DATA)[0] for facts in kinds.values()]
    told_flags = (
        "crop_size", "scale_min", "labeled_batch_size", "steps", "warmup_steps",
        "window",
    )  # fmt: skip
    for flag in told_flags:
        told = [float((c or "0").split()[0].replace(",", "")) for c in rows[flag]]
        assert told == [getattr(recipe, flag) for recipe in recipes], flag


FLAGS = ("--images=images", "--masks=masks", "--num_classes=2", "--weights=none")
TRAIN = programs.ROOT / "examples" / "train_folder.py"


@pytest.mark.full
@pytest.mark.tensorflow_only  # processes that do the same on all
def test_check_prints_them_and_train_folder_takes_them(tmp_path):
    write(tmp_path, 7, (150, 160), masks=3)
    check = programs.ROOT / "scripts" / "check_dataset.py"
    process = programs.run(check, *FLAGS, "--json=report.json", cwd=tmp_path)
    assert "  --labeled_batch_size=2: " in process.stdout, process.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["suggestions"][0]["value"] == 129
    process = programs.run(TRAIN, *FLAGS, "--dry_run", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    for text in (
        "--crop_size=129: fits into the images' shorter side of 150 pixels",
        "first batch: labeled (2, 129, 129, 3)",
        "first batch: unlabeled (4, 129, 129, 3)",
    ):
        assert text in process.stdout, process.stdout
    for suggestion in report["suggestions"]:
        if suggestion["taken"]:
            line = "  --{flag}={value}: {reason}\n".format(**suggestion)
            assert line in process.stdout


@pytest.mark.full
def test_a_run_on_settings_from_the_data_resumes(tmp_path):
    write(tmp_path, 8, (40, 56), masks=3)
    command = [sys.executable, TRAIN, *FLAGS, "--epochs=8", "--warmup_steps=1"]
    output = tmp_path / "runs" / "folder-imas-1"
    programs.stop_after_an_epoch(command, output, cwd=tmp_path)
    run = json.loads((output / "run.json").read_text())
    assert run["recipe"]["crop_size"] == 40 and run["settings"]["crop_size"] == 129
    assert {"flag", "value", "reason", "taken"} == run["suggestions"][0].keys()
    process = programs.run(
        TRAIN, *FLAGS, "--epochs=8", "--warmup_steps=1", "--dry_run",
        "--settings=defaults", cwd=tmp_path,
    )  # fmt: skip
    assert "first batch: labeled (4, 129, 129, 3)" in process.stdout
    assert "From the data" not in process.stdout
    process = programs.run(*command[1:], cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert "runs/folder-imas-1 holds an unfinished run" in process.stdout
    run = json.loads((output / "run.json").read_text())
    assert run["finished"] and run["suggestions"][0]["value"] == 40
