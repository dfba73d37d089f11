import json

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
