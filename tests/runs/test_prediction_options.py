import json

import numpy as np
import pytest

from keras_imas.data import as_examples
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.saved_networks import options_of_run


def test_a_recipe_says_how_images_are_read():
    reading = reading_of(vars(Recipe(window=65, scale=1.25, flip=True)))
    assert prediction_options(None, **reading) == {
        "window": 65,
        "batch_size": 31,
        "size_multiple": 1,
        "scales": (1.25,),
        "flip": True,
    }


def test_recipes_of_older_runs_say_less():
    assert reading_of({"window": 0, "steps": 3}) == {"window": 0}


def test_large_windows_are_run_one_at_a_time():
    options = [prediction_options(None, window=side) for side in (33, 129, 257, 769)]
    assert [of["batch_size"] for of in options] == [120, 7, 1, 1]


@pytest.mark.parametrize(
    ("given", "batch_size", "multiple"),
    [
        ({}, 7, 1),
        ({"window": 0}, 1, 32),
        ({"window": 512}, 1, 1),
        ({"window": (64, 128)}, 16, 1),
        ({"window": 0, "size_multiple": 8}, 1, 8),
        ({"window": 0, "batch_size": 3}, 3, 32),
    ],
)
def test_a_batch_is_that_of_the_window_given(given, batch_size, multiple, tmp_path):
    recipe = {"window": 129, "size_multiple": 32, "flip": True}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe}))
    examples = as_examples(np.zeros((1, 4, 4, 3), "uint8"))
    options = options_of_run(tmp_path, examples, **given)
    assert options["window"] == (given.get("window", 129) or None)
    assert options["flip"] is True
    assert (options["batch_size"], options["size_multiple"]) == (batch_size, multiple)
