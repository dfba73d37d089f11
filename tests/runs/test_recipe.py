import dataclasses

import keras
import numpy as np
import pytest
from absl import flags
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.optimizers import AdamW
from keras_imas.runs.class_weights import balanced_class_weights
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


@pytest.mark.full
def test_the_parts_of_unimatch_v2(parse):
    recipe = parse(
        "--method=uniform", "--optimizer=adamw", "--learning_rate=5e-6",
        "--decoder_multiplier=40", "--decay_vectors", "--strong_views=2",
        "--cutmix_view=strong", "--cutmix_area=0.02,0.4", "--cutmix_probability=0.5",
        "--complementary_dropout", "--labeled_weight=0.5", "--unlabeled_weight=0.5",
        "--ema_copy_epochs=0", "--freeze_encoder", "--weights=none",
    )  # fmt: skip
    recipe = dataclasses.replace(recipe, multi_grid=())
    student = recipe.student(2, input_shape=(33, 33, 3))
    model = recipe.model(student, steps_per_epoch=5, epochs=2)
    assert (model.strong_views, model.cutmix_area) == (2, (0.02, 0.4))
    assert model.complementary_dropout and model.ema_copy_steps == 0
    assert model.optimizer.decay_vectors and model.optimizer.multipliers
    heads = ("aspp", "decoder", "classifier")
    assert all(v.path.startswith(heads) for v in model.trainable_variables)


def test_both_losses_weigh_half():
    keras.utils.set_random_seed(0)
    layers = [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255)]
    student = keras.Sequential([*layers, keras.layers.Conv2D(2, 1)])
    images = np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 3)).astype("float32")
    names = ("labeled", "unlabeled", "unlabeled_strong")
    logs = []
    for weights in ({}, {"labeled_weight": 0.5, "unlabeled_weight": 0.5}):
        recipe = Recipe(
            **{"unlabeled_weight": 1.0, **weights},
            confidence_threshold=0.0,
            learning_rate=0.0,
        )
        model = recipe.model(student, steps_per_epoch=5, epochs=2)
        labels = np.zeros((4, 8, 8), "int32")
        logs.append(
            model.train_on_batch(dict.fromkeys(names, images), labels, return_dict=True)
        )
    assert logs[1]["loss"] == pytest.approx(0.5 * logs[0]["loss"], rel=1e-5)
    half = 0.5 * logs[0]["supervised_loss"]
    assert logs[1]["supervised_loss"] == pytest.approx(half, rel=1e-5)
    assert logs[0]["consistency_loss"] > 0


def test_adamw_brings_its_own_defaults(parse):
    recipe = parse("--optimizer=adamw")
    assert (recipe.learning_rate, recipe.weight_decay) == (1e-3, 0.01)
    assert recipe.learning_rate_warmup == 100


def test_given_numbers_count_before_the_optimizers_own(parse):
    recipe = parse("--optimizer=adamw", "--weight_decay=0.5", "--learning_rate=.25")
    assert (recipe.learning_rate, recipe.weight_decay) == (0.25, 0.5)
    optimizer = recipe.make_optimizer(100)
    assert isinstance(optimizer, AdamW) and optimizer.weight_decay == 0.5


def test_sgd_instead_of_a_programs_adamw(parse):
    recipe = parse("--optimizer=sgd", defaults=Recipe(optimizer="adamw"))
    assert (recipe.learning_rate, recipe.learning_rate_warmup) == (0.01, 0)


def test_the_programs_own_optimizer_changes_nothing(parse):
    defaults = Recipe(weight_decay=1e-4)
    assert parse("--optimizer=sgd", defaults=defaults).weight_decay == 1e-4


def test_class_weights_are_numbers_or_balanced():
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 1)]
    options = dict(steps_per_epoch=1, epochs=1, labeled_pixels=[4, 16])
    expected = {"": None, "balanced": [5 / 3, 5 / 6], "1,2.5": [1.0, 2.5]}
    for text, weights in expected.items():
        for kept in (0, 10):
            recipe = Recipe(method="supervised", class_weights=text, ohem_min_kept=kept)
            model = recipe.model(keras.Sequential(layers), **options)
            found = model.loss.class_weights
            assert found == (weights and pytest.approx(weights))
    with pytest.raises(ValueError, match='"balanced" needs `labeled_pixels`'):
        Recipe(class_weights="balanced").model(
            keras.Sequential(layers), steps_per_epoch=1, epochs=1
        )


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=30).filter(any))
def test_a_mean_pixel_weighs_one(pixels):
    weights = np.array(balanced_class_weights(pixels))
    share = np.array(pixels) / sum(pixels)
    assert share @ weights == pytest.approx(1.0)
    by_share = weights[np.argsort(share, kind="stable")][np.sort(share) > 0]
    assert np.all(np.diff(by_share) <= 1e-12)
    assert np.all(weights[share == 0] == 1.0)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"optimizer": "adam"}, "`optimizer` must be one of sgd, adamw"),
        ({"strong_views": 2}, 'Pass cutmix_view="strong"'),
        ({"cutmix_area": (0.4,)}, "`cutmix_area` must be two increasing"),
        ({"labeled_weight": -1.0}, "`labeled_weight` must not be negative"),
        ({"class_weights": "balance"}, "`class_weights` must be balanced, or numbers"),
        ({"class_weights": "1,1", "ohem_min_kept": 9}, "let training collapse"),
        ({"scale": 0.0}, "`scale` must be positive"),
    ],
)
def test_bad_choices_are_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        Recipe(**options)


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


def test_a_dino_backbone_is_that_of_a_dpt():
    """What describes a DeepLabV3+ doesn't matter."""
    recipe = Recipe(
        backbone="dinov2_small",
        weights="none",
        multi_grid=(1, 2, 4),
        auxiliary_head=True,
        precision="mixed_bfloat16",
    )
    student = recipe.student(5, input_shape=(28, 42, 3))
    assert student.name == "dpt" and student.output_shape == (None, 28, 42, 5)
    encoder = student.get_layer("dinov2_small")
    assert encoder.get_layer("block_0_query").compute_dtype == "bfloat16"
    with pytest.raises(ValueError, match="one of dinov2_small, .*'dinov2_tiny'"):
        dataclasses.replace(recipe, backbone="dinov2_tiny").student(5)
