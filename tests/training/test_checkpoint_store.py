import json
import os
import shutil

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.training.checkpoint_store import Checkpoints, differences

ARRAYS = {"a/b": np.arange(6.0).reshape(2, 3), "c": np.array([np.nan, np.inf])}


def saved(directory, *steps, **options):
    checkpoints = Checkpoints(directory, **options)
    for step in steps:
        checkpoints.save(step, {**ARRAYS, "step": np.array(step)}, {"step": step})
    return checkpoints


def test_what_is_read_is_what_was_written(tmp_path):
    checkpoints = saved(tmp_path / "new" / "folder", 12)
    step, arrays, state = checkpoints.newest()
    assert step == 12 and state == {"step": 12}
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_states_that_are_not_finite_are_json_and_come_back(tmp_path):
    """Such as the best result before the first, or the mean IoU over no label."""
    state = {"best": float("-inf"), "logs": {"val_loss": float("nan")}}
    checkpoints = Checkpoints(tmp_path, configuration={"rate": float("nan")})
    checkpoints.save(3, {}, state)
    text = (tmp_path / "step-000000003" / "state.json").read_text()
    json.loads(text, parse_constant=lambda token: pytest.fail(token))
    step, _, found = checkpoints.newest()
    assert step == 3 and found["best"] == float("-inf")
    assert np.isnan(found["logs"]["val_loss"])


def test_bfloat16_is_kept_to_the_bit(tmp_path):
    value = keras.ops.convert_to_numpy(keras.ops.ones((3,), "bfloat16") / 3)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"a": value}, {})
    assert checkpoints.newest()[1]["a"].tobytes() == value.tobytes()


def test_there_is_none_at_first(tmp_path):
    assert Checkpoints(tmp_path / "absent").newest() is None


@pytest.mark.parametrize("keep", [1, 3])
def test_keeps_as_many_as_it_is_told(keep, tmp_path):
    checkpoints = saved(tmp_path, 1, 2, 3, 4, 5, keep=keep)
    assert checkpoints.steps() == [1, 2, 3, 4, 5][-keep:]
    with pytest.raises(ValueError, match="`keep` must be at least 1"):
        Checkpoints(tmp_path, keep=0)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


@pytest.mark.parametrize("file", ["arrays.npz", "state.json", "manifest.json"])
@pytest.mark.parametrize("damage", [flip, cut, os.unlink, lambda p: p.write_bytes(b"")])
def test_a_damaged_one_gives_way_to_the_one_before(damage, file, tmp_path, capsys):
    checkpoints = saved(tmp_path, 1, 2)
    damage(tmp_path / "step-000000002" / file)
    step, arrays, _ = checkpoints.newest()
    assert step == arrays["step"] == 1
    printed = capsys.readouterr().err
    assert "step-000000002' " in printed and "of step 1, is taken" in printed
    # It is set aside, so that the run can come to that step again.
    assert checkpoints.steps() == [1]
    assert (tmp_path / "step-000000002.corrupted").is_dir()
    checkpoints.save(2, ARRAYS, {})
    assert checkpoints.newest()[0] == 2


def test_where_all_are_damaged_none_is_touched(tmp_path):
    checkpoints = saved(tmp_path, 1, 2)
    for path in tmp_path.iterdir():
        flip(path / "arrays.npz")
    with pytest.raises(ValueError, match="No checkpoint .* damaged: the content of"):
        checkpoints.newest()
    assert checkpoints.steps() == [1, 2]


def test_a_later_format_is_refused(tmp_path):
    checkpoints = saved(tmp_path, 1)
    manifest = tmp_path / "step-000000001" / "manifest.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(ValueError, match="has format 99, which this version"):
        checkpoints.newest()


def test_nothing_is_unpickled(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(OSError, match="pickle"):
        checkpoints.save(1, {"a": np.array([{}])}, {})
    assert not checkpoints.steps()


def test_one_of_another_configuration_is_refused(tmp_path):
    saved(tmp_path, 1, configuration={"seed": 0, "recipe": {"steps": 3, "crop": (1,)}})
    other = {"seed": 0, "recipe": {"steps": 4, "crop": [1]}}
    with pytest.raises(ValueError, match="configuration: recipe.steps was 3, is 4$"):
        Checkpoints(tmp_path, configuration=other).newest()


def test_what_a_dead_process_has_left_is_no_checkpoint(tmp_path):
    checkpoints = saved(tmp_path, 1)
    shutil.copytree(tmp_path / "step-000000001", tmp_path / "step-000000002.part")
    assert checkpoints.newest()[0] == 1
    checkpoints.clean()
    assert sorted(os.listdir(tmp_path)) == ["step-000000001"]
    Checkpoints(tmp_path / "absent").clean()


def test_a_write_that_fails_leaves_the_last_one(tmp_path):
    checkpoints = saved(tmp_path, 1)
    too_large = np.lib.stride_tricks.as_strided(np.zeros(1), (1 << 50,), (0,))
    with pytest.raises(OSError, match=r"has .* MB left, and a checkpoint takes"):
        checkpoints.save(2, {"a": too_large}, {})
    with pytest.raises(TypeError):
        checkpoints.save(2, ARRAYS, {"not in JSON": object()})
    assert os.listdir(tmp_path) == ["step-000000001"]
    assert checkpoints.newest()[0] == 1


@given(
    before=st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
    now=st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)),
)
def test_differences(before, now):
    text = differences({"x": before}, {"x": now})
    for key in "abc":
        assert (f"x.{key} was" in text) == (before.get(key) != now.get(key))
