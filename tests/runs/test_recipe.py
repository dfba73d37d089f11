import dataclasses

import keras
import pytest
from absl import flags

from keras_imas.runs.flags import define_flags
from keras_imas.runs.recipe import Recipe


@pytest.fixture
def parse(monkeypatch):
    """A function from command-line flags to a recipe, with defaults of a program."""
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    for name in ("string", "integer", "float", "boolean", "list"):
        define = getattr(flags, f"DEFINE_{name}")

        def bound(*arguments, define=define, **options):
            return define(*arguments, flag_values=values, **options)

        monkeypatch.setattr(flags, f"DEFINE_{name}", bound)
    define_flags(Recipe(epochs=240, multi_grid=(1, 2, 4)))

    def parsed(*arguments, defaults=None):
        values(["program", *arguments])
        return Recipe.from_flags(defaults)

    return parsed


def test_flags_are_the_recipe(parse):
    assert parse() == Recipe(epochs=240, multi_grid=(1, 2, 4))


def test_every_kind_of_flag(parse):
    recipe = parse(
        "--method=uniform", "--crop_size=7", "--learning_rate=.5", "--flip",
        "--noauxiliary_head", "--multi_grid=1,1,1",
    )  # fmt: skip
    expected = Recipe(
        method="uniform",
        crop_size=7,
        learning_rate=0.5,
        flip=True,
        multi_grid=(1, 1, 1),
    )
    assert recipe == dataclasses.replace(expected, epochs=240)


def test_no_multi_grid(parse):
    assert parse("--multi_grid=").multi_grid == ()


def test_bad_multi_grid(parse):
    with pytest.raises(ValueError, match="`multi_grid` must be whole numbers.*'two'"):
        parse("--multi_grid=1,two,4")


def test_other_defaults_count_where_a_flag_is_not_given(parse):
    defaults = Recipe(steps=300, crop_size=97)
    recipe = parse("--crop_size=33", defaults=defaults)
    assert recipe == dataclasses.replace(defaults, crop_size=33)


def test_steps_that_are_asked_for_replace_epochs(parse):
    recipe = parse("--steps=10")
    assert (recipe.steps, recipe.epochs) == (10, 0)
    assert parse("--steps=10", "--epochs=3").epochs == 3


def test_flagfile(parse, tmp_path):
    path = tmp_path / "recipe.flags"
    path.write_text("# A comment.\n--crop_size=5\n--seed=3\n")
    recipe = parse(f"--flagfile={path}", "--seed=4")
    assert (recipe.crop_size, recipe.seed) == (5, 4)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_must_be_finite(value):
    with pytest.raises(ValueError, match="`learning_rate` must be finite"):
        Recipe(learning_rate=value)


def test_parts_are_what_the_numbers_say():
    recipe = Recipe(
        ohem_min_kept=10,
        ohem_group_size=2,
        clip_norm=1.0,
        accumulation_steps=3,
        decoder_multiplier=10.0,
        background_class=0,
        method="uniform",
    )
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1, name="classifier")]
    model = recipe.model(keras.Sequential(layers), steps_per_epoch=5, epochs=2)
    assert model.loss.get_config()["group_size"] == 2
    optimizer = model.optimizer
    assert optimizer.global_clipnorm == 1.0
    assert optimizer.gradient_accumulation_steps == 3
    assert list(optimizer.multipliers.values()) == [10.0]
    schedule = optimizer._learning_rate
    assert float(schedule(10)) == 0.0 and float(schedule(0)) == pytest.approx(0.01)
    assert model.ema_copy_steps == 5 and model.background_class == 0
    assert not (model.adaptive_cutmix or model.hardness_weighting)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "magic"},
        {"steps": 0},
        {"crop_size": -1},
        {"epoch_over": "both"},
        {"epoch_over": "labeled", "method": "imas"},
        {"scale_min": 3.0},
        {"scale_min": 0.0},
        {"epochs": -1},
        {"window": -1},
        {"learning_rate": -0.1},
    ],
)
def test_recipe_refuses_what_cannot_be(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Recipe(**change)
