import json

import numpy as np
import pytest
from absl import flags

from keras_imas.data import as_examples
from keras_imas.runs import prediction_flags
from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.recipe import Recipe
from keras_imas.runs.saved_networks import options_of_run
from keras_imas.runs.several_networks import different_options, options_of_each


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


@pytest.mark.parametrize(
    ("window", "said"),
    [(None, "a/x.keras: window=129, scales=1.25"), (65, "a/x.keras: scales=1.25")],
)
def test_each_network_predicts_as_its_own_run(
    window, said, tmp_path, monkeypatch, capsys
):
    for name, recipe in (("a", {"window": 129, "scale": 1.25}), ("b", {"window": 0})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps({"recipe": recipe}))
    given = {"window": window, "stride": 0.5, "flip": True}
    values = flags.FlagValues()
    for name in ("window", "stride", "flip", "scales", "batch_size"):
        flags.DEFINE_string(name, None, "", flag_values=values)
    values(["program"])
    for name, value in given.items():
        values[name].value = value
    monkeypatch.setattr(prediction_flags.flags, "FLAGS", values)
    monkeypatch.chdir(tmp_path)
    files = ["a/x.keras", "b/y.keras", "nowhere/z.keras"]
    options = options_of_each(files)
    for file, of_run in zip(files, ("a", "b", "a"), strict=True):
        expected = {name: value for name, value in given.items() if value}
        assert options[file] == options_of_run(of_run, **expected)
    assert f"  {said}\n" in capsys.readouterr().out
    assert "scales" in different_options(options)
    options_of_each(files[::2])
    assert capsys.readouterr().out == ""
