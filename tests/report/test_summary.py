import json

import numpy as np
import pytest

from keras_imas.report.summary import summarize, tie_of
from keras_imas.runs.read_run import read_run

ERRORS = {"a": 0.1, "b": 0.6, "c": 0.2}


@pytest.fixture
def run(tmp_path, write_run):
    return read_run(write_run(tmp_path / "mine"))


def plain(text):
    return text.replace("\N{NO-BREAK SPACE}", " ")


def test_a_run_in_words_and_three_numbers(run):
    summary = summarize(run, ERRORS)
    assert summary.title == "iMAS on 2 labeled and 3 unlabeled images"
    text = plain(" ".join(summary.sentences))
    for words in (
        "not finished: this is how it stood after epoch 2.",
        "mIoU of 0.200 on the validation images (+0.100 since epoch 1), the student",
        "30.0 % of the pixels wrong on the 3 unlabeled images",
        "hardness tells well which images these errors are in (rank correlation 1.00)",
        "Mean hardness falls from 0.70 in epoch 1 to 0.40.",
    ):
        assert words in text
    assert [plain(number[0]) for number in summary.numbers] == [
        "0.200",
        "30.0 %",
        "0.40",
    ]


def test_a_finished_run_says_so(tmp_path, write_run):
    directory = write_run(tmp_path / "done", finished=True, minutes=3.5)
    assert (
        "finished, 2 epochs in 3.5 minutes"
        in summarize(read_run(directory)).sentences[0]
    )


def test_a_run_that_has_just_begun(tmp_path, write_run):
    directory = write_run(tmp_path / "new")
    (directory / "history.jsonl").unlink()
    (directory / "hardness.parquet").unlink()
    summary = summarize(read_run(directory))
    assert "after epoch 0" in summary.sentences[0] and summary.numbers == []


def test_images_that_nothing_ranks():
    hardness = np.r_[np.ones(6), np.linspace(0, 0.9, 6)]
    assert tie_of(hardness).startswith(
        "6 of the 12 images have hardness 1.000: their order means nothing"
    )
    assert tie_of(np.linspace(0, 1, 12)) is None


def test_a_class_that_nobody_labeled_is_none_of_the_worst(tmp_path, write_run):
    """A stray pixel of it has an IoU of 0."""
    names = ["a", "b", "c", "d", "e"]
    directory = write_run(
        tmp_path / "mine", class_names=names, validation_classes=["b", "c", "d", "e"]
    )
    teacher = [0.0, 0.1, 0.2, 0.3, 0.4]
    line = {"epoch": 1, "iou": {"teacher": teacher, "student": teacher}}
    (directory / "history.jsonl").write_text(json.dumps(line) + "\n")
    sentences = summarize(read_run(directory)).sentences
    assert "The classes with the lowest IoU are b (0.10), c (0.20), d (0.30)." in (
        sentences
    )


def test_the_worst_classes_may_have_one_name(tmp_path, write_run):
    names = ["N/A", "b", "N/A", "d"]
    directory = write_run(tmp_path / "mine", class_names=names)
    iou = [0.3, 0.4, 0.1, 0.2]
    line = {"epoch": 1, "iou": {"teacher": iou, "student": iou}}
    (directory / "history.jsonl").write_text(json.dumps(line) + "\n")
    worst = "lowest IoU are N/A (2) (0.10), d (0.20), N/A (0) (0.30)."
    assert worst in " ".join(summarize(read_run(directory)).sentences)
