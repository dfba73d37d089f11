import numpy as np
import pytest

from keras_imas.data.colors import default_colors
from keras_imas.inference import drawing


def test_colorize_paints_classes_and_leaves_the_rest_black():
    colors = [(1, 2, 3), (4, 5, 6)]
    painted = drawing.colorize(np.array([[0, 1], [255, -1]]), colors)
    assert painted.tolist() == [[[1, 2, 3], [4, 5, 6]], [[0, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize("count", [1, 21, 150])
def test_default_colors_are_distinct_and_not_black(count):
    colors = {tuple(color) for color in default_colors(count).tolist()}
    assert len(colors) == count
    assert (0, 0, 0) not in colors


def test_grid_shows_every_image_where_it_belongs():
    tiles = [np.full((10, 20, 3), value, "uint8") for value in (50, 100, 150, 200)]
    captions = [["a", "b"], ["c", "d"]]
    sheet = np.asarray(drawing.grid([tiles[:2], tiles[2:]], ["x", "y"], captions))
    for value in (50, 100, 150, 200):
        assert (sheet == value).all(axis=-1).sum() >= 320 * 160
    # Row by row, column by column.
    rows, columns = np.nonzero((sheet == 150).all(axis=-1))
    assert rows.min() > sheet.shape[0] // 2 and columns.max() < sheet.shape[1] // 2


def test_class_table_has_a_row_a_class_and_the_mean():
    table = drawing.class_table(
        ["road", "car"], {"teacher": [0.5, np.nan], "student": [0.25, 0.75]}
    )
    assert table.splitlines()[2:] == [
        "| road | 0.500 | 0.250 |",
        "| car | – | 0.750 |",
        "| **mean** | 0.500 | 0.500 |",
    ]


def test_a_name_ends_no_cell_of_a_table():
    table = drawing.class_table(["a|b", "c\nd"], {"teacher": [0.5, 0.5]})
    assert table.splitlines()[2:4] == ["| a\\|b | 0.500 |", "| c d | 0.500 |"]
