from keras_imas.report.inspection import inspect
from keras_imas.runs import read_run


def test_says_why_images_are_not_shown(tmp_path, write_run):
    run = read_run(write_run(tmp_path / "mine"))
    found = inspect(run, verbose=0)
    assert found.gallery == [] and "not made by a program" in found.missing[0]
