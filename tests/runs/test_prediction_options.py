from keras_imas.runs.prediction_options import prediction_options, reading_of
from keras_imas.runs.recipe import Recipe


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
