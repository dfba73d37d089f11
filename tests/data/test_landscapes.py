import colorsys

import numpy as np
import pytest

from keras_imas.data import landscapes

FIELD, TREES, WATER, ROAD, HOUSE = range(5)


@pytest.fixture(scope="module")
def june():
    return landscapes.load(8, seed=3, season=0.0)


def test_has_a_color_for_each_class():
    assert landscapes.CLASSES == ("field", "trees", "water", "road", "house")
    assert len(set(landscapes.COLORS)) == 5


def test_shapes_dtypes_and_classes(june):
    images, label_maps = june
    assert images.shape == (8, 96, 96, 3) and images.dtype == np.uint8
    assert label_maps.shape == (8, 96, 96) and label_maps.dtype == np.uint8
    assert set(np.unique(label_maps)) == set(range(5))


@pytest.mark.parametrize("size", [16, 33, 256])
@pytest.mark.parametrize("season", [0.0, 0.5, 1.0])
def test_draws_any_size(size, season):
    image, label_map = landscapes.draw(5, season, size)
    assert image.shape == (size, size, 3) and label_map.shape == (size, size)


def test_same_arguments_draw_the_same_landscapes():
    np.random.seed(1)
    first = landscapes.load(3, seed=5, size=32)
    np.random.seed(2)
    second = landscapes.load(3, seed=5, size=32)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_larger_set_begins_with_the_smaller_one():
    few, many = (landscapes.load(count, seed=9, size=32) for count in (2, 4))
    np.testing.assert_array_equal(few[0], many[0][:2])
    np.testing.assert_array_equal(few[1], many[1][:2])


def test_pair_draws_the_landscape_of_the_set():
    images, label_maps = landscapes.load(3, seed=9, season=0.5, size=32)
    image, label_map = landscapes.draw((9, 2), 0.5, 32)
    np.testing.assert_array_equal(image, images[2])
    np.testing.assert_array_equal(label_map, label_maps[2])


def test_no_landscape_repeats_within_or_across_seeds():
    sets = [landscapes.load(4, seed=seed, size=32)[0] for seed in (0, 1, 2)]
    assert len({image.tobytes() for images in sets for image in images}) == 12


def test_seasons_move_nothing_and_repaint_all(june):
    images, label_maps = june
    october, same = landscapes.load(8, seed=3, season=1.0)
    np.testing.assert_array_equal(label_maps, same)
    change = np.abs(october.astype(float) - images).mean((1, 2, 3))
    assert change.min() > 10


def test_seasons_are_drawn_from_the_range():
    brightness = [
        landscapes.load(6, seed=1, season=season)[0].mean()
        for season in (0.0, (0.0, 1.0), 1.0)
    ]
    assert brightness[0] < brightness[1] < brightness[2]


def test_labels_agree_with_the_picture(june):
    """In June water is blue, trees are green and dark, roads are gray."""
    images, label_maps = june
    colors = [images[label_maps == kind].mean(0) / 255 for kind in range(5)]
    hue, saturation, value = np.transpose([colorsys.rgb_to_hsv(*c) for c in colors])
    assert 0.5 < hue[WATER] < 0.65
    assert 0.2 < hue[TREES] < 0.45 and value[TREES] < value[FIELD]
    assert saturation[ROAD] == saturation.min()
    assert hue[HOUSE] < 0.12 or hue[HOUSE] > 0.9


def test_labels_lie_on_the_edges_of_the_picture(june):
    """Water seen through its mask is more even than through a shifted one."""
    images, label_maps = june
    gray = images.mean(-1)

    def spread(shift):
        return gray[np.roll(label_maps == WATER, shift, axis=(1, 2))].std()

    assert spread((0, 0)) < 0.8 * min(spread((3, 0)), spread((0, 3)), spread((-3, -3)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"season": 1.5}, "season"),
        ({"season": (0.5, 0.2)}, "season"),
        ({"size": 8}, "size"),
        ({"size": 300}, "size"),
    ],
)
def test_refuses_what_it_cannot_draw(arguments, message):
    with pytest.raises(ValueError, match=message):
        landscapes.draw(0, **arguments)
    with pytest.raises(ValueError, match=message):
        landscapes.load(1, **arguments)


def test_refuses_an_empty_set():
    with pytest.raises(ValueError, match="count"):
        landscapes.load(0)
