import numpy as np
import pytest

from keras_imas.report.data_uri import label_map_uri, photograph_uri


@pytest.mark.parametrize("classes", [3, 300])
def test_scaled_label_maps_have_no_colors_but_the_classes(classes, decoded):
    rng = np.random.default_rng(0)
    colors = rng.integers(1, 256, (classes, 3))
    label_map = rng.integers(-1, classes, (40, 60))
    picture = decoded(label_map_uri(label_map, colors, width=31))
    assert picture.shape == (21, 31, 3)
    allowed = {tuple(color) for color in colors.tolist()} | {(0, 0, 0)}
    assert {tuple(color) for color in picture.reshape(-1, 3).tolist()} <= allowed


def test_photographs_are_scaled_down_and_never_up(decoded):
    image = np.full((20, 40, 3), 300.0)
    assert decoded(photograph_uri(image, width=10)).shape == (5, 10, 3)
    assert decoded(photograph_uri(image, width=100)).shape == (20, 40, 3)
    assert decoded(photograph_uri(image, width=10)).min() > 250
    tall = np.zeros((65_600, 2, 3))  # more than a JPEG can hold
    assert decoded(photograph_uri(tall, width=10)).shape == (65_500, 2, 3)
