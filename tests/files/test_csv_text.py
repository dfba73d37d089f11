import csv

import hypothesis
import numpy as np
from hypothesis import strategies

from keras_imas.data import read_class_table
from keras_imas.evaluation import ConfusionMatrix
from keras_imas.files.csv_text import from_cell, to_cell

FORMULAS = ("=1+1", "+a", "-road", "@sky", "'=quoted", "''-twice")


@hypothesis.given(strategies.text() | strategies.sampled_from(FORMULAS))
def test_no_cell_is_a_formula_and_all_are_read_back(text):
    assert not to_cell(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert from_cell(to_cell(text)) == text


def test_names_of_classes_are_read_back(tmp_path):
    path = tmp_path / "classes.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["name"], *([to_cell(n)] for n in FORMULAS)])
    assert read_class_table(path).names == FORMULAS


def test_a_confusion_matrix_holds_no_formula(tmp_path):
    confusion = ConfusionMatrix(len(FORMULAS))
    confusion.update(np.zeros((2, 2), int), np.ones((2, 2), int))
    confusion.save_csv(tmp_path / "confusion.csv", FORMULAS)
    with open(tmp_path / "confusion.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [from_cell(cell) for cell in rows[0][1:]] == list(FORMULAS)
    assert not any(row[0].startswith(("=", "+", "-", "@")) for row in rows)
