import json
import shutil

import pytest

from keras_imas.runs.history import History


def test_a_resumed_run_writes_each_epoch_once(tmp_path):
    path = tmp_path / "history.jsonl"
    history = History(path, start=0.0, evaluation=None)
    history.on_epoch_end(0, {"loss": 1.0})
    state = history.get_state()
    history.on_epoch_end(1, {"loss": 0.5})  # after the checkpoint

    resumed = History(path, start=0.0, evaluation=None)
    resumed.set_state(state)
    resumed.on_epoch_end(1, {"loss": 0.25})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.25}]
    assert resumed.start == -state["seconds"]
    resumed.clear()
    assert path.read_text() == ""


def test_a_folder_that_was_removed_is_told_and_nothing_is_lost(tmp_path, capsys):
    path = tmp_path / "run" / "history.jsonl"
    path.parent.mkdir()
    history = History(path, start=0.0, evaluation=None)
    history.on_epoch_end(0, {"loss": 1.0})
    history.on_train_end()
    shutil.rmtree(path.parent)
    history.on_epoch_end(1, {"loss": 0.5})
    assert f"{path.parent} was removed" in capsys.readouterr().err
    assert len(path.read_text().splitlines()) == 2
    with pytest.raises(FileNotFoundError, match=f"The folder '{path.parent}' was"):
        history.on_train_end()


@pytest.mark.parametrize("left", ['{"epoch": 2, "lo', '{"epoch": 2, "lo\n', ""])
def test_half_a_line_is_cut_off(left, tmp_path, capsys):
    path = tmp_path / "history.jsonl"
    path.write_text('{"epoch": 1, "loss": 1.0}\n' + left)
    history = History(path, start=0.0, evaluation=None)
    history.set_state({"epochs": 2, "seconds": 1.0})
    assert "history.jsonl is damaged: of its first 2 lines 1" in capsys.readouterr().err
    history.on_epoch_end(2, {"loss": 0.5})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 3]
