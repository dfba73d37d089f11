import os
import stat

import keras
import numpy as np
import pytest

from keras_imas.files.whole_file import unfinished_files, whole_file, write_whole


def test_a_model_takes_the_place_of_another(tmp_path):
    path = tmp_path / "model.keras"
    for bias in (1.0, 2.0):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.set_weights([np.zeros((3, 2)), np.full((2,), bias)])
        with whole_file(path) as part:
            model.save(part)
        assert os.listdir(tmp_path) == ["model.keras"]
        loaded = keras.saving.load_model(path)
        assert loaded.get_weights()[1][0] == bias


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("begun", [False, True])
def test_what_fails_keeps_the_old_file(begun, error, tmp_path):
    path = tmp_path / "numbers.txt"
    write_whole(path, "old")
    with pytest.raises(error), whole_file(path) as part:
        if begun:
            with open(part, "w") as file:
                file.write("ne")
        raise error
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["numbers.txt"]


def test_nobody_sees_half_a_file(tmp_path):
    path = tmp_path / "numbers.txt"
    with whole_file(path) as part, open(part, "w") as file:
        file.write("new")
        assert not path.exists()
        assert unfinished_files(tmp_path) == [part]
    assert path.read_text() == "new" and not unfinished_files(tmp_path)


def test_two_writers_don_t_meet(tmp_path):
    path = tmp_path / "numbers.txt"
    with whole_file(path, durable=False) as first, whole_file(path) as second:
        for part, text in ((first, "first"), (second, "second")):
            with open(part, "w") as file:
                file.write(text)
    assert path.read_text() == "first"  # which was the last to end


def test_the_longest_names_can_be_written(tmp_path):
    path = tmp_path / f"{'a' * 251}.txt"
    write_whole(path, "long")
    assert path.read_text() == "long"


def test_others_may_read_what_they_could_before(tmp_path):
    (tmp_path / "plain").write_text("")
    write_whole(tmp_path / "whole", "")
    modes = [stat.S_IMODE(os.stat(tmp_path / n).st_mode) for n in ("plain", "whole")]
    assert modes[0] == modes[1]


def test_a_directory_that_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        write_whole(tmp_path / "missing" / "numbers.txt", "1")
