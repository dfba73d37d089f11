"""Progress in a file: plain lines that a person can read."""

import pytest

from keras_imas.progress import Progress, progress_style


def test_a_file_gets_plain_lines(capsys):
    assert progress_style("auto") == 2  # pytest's stdout is no terminal
    progress = Progress(3, "image", "Scored", every=0)
    for _ in range(3):
        progress.add()
    assert capsys.readouterr().out.splitlines() == [
        "Scored 1 of 3 images",
        "Scored 2 of 3 images",
        "Scored 3 of 3 images",
    ]


def test_lines_come_now_and_then_and_at_the_end(capsys):
    progress = Progress(3, "image", "Scored", every=1000)
    for _ in range(3):
        progress.add()
    assert capsys.readouterr().out == "Scored 3 of 3 images\n"


def test_one_of_one_and_of_an_unknown_number(capsys):
    Progress(1, "batch", verbose=2).add()
    Progress(None, "batch", verbose=2, every=0).add(2)
    assert capsys.readouterr().out == "1 of 1 batch\n2 batches\n"


def test_nothing_is_shown_where_nothing_is_wanted(capsys):
    Progress(2, verbose=0).add(2)
    assert capsys.readouterr().out == ""


def test_a_bar_is_the_one_of_keras(capsys):
    Progress(2, verbose=1).add(2)
    assert "2/2" in capsys.readouterr().out


def test_other_styles_are_refused():
    with pytest.raises(ValueError, match="`verbose` must be one of auto, 0, 1, 2.*3"):
        progress_style(3)
