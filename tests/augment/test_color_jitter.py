import numpy as np
import pytest

from keras_imas.augment.color_jitter import ColorJitter

NOTHING = dict(
    brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0, gray=0.0, blur=0.0
)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return rng.uniform(20, 150, (24, 32, 3)).astype("float32")


def views(jitter, image, count=40):
    return [jitter(image, (3, number)).numpy() for number in range(count)]


def test_nothing_to_jitter(image):
    jitter = ColorJitter(**{**NOTHING, "hue": 0.0}, probability=0.0)
    np.testing.assert_array_equal(jitter(image, (0, 0)), image)


def test_brightness_is_a_factor_in_its_range(image):
    jitter = ColorJitter(**{**NOTHING, "brightness": 0.5}, probability=1.0)
    factors = []
    for view in views(jitter, image):
        factors.append(np.median(view / image))
        expected = np.clip(factors[-1] * image, 0, 255)
        np.testing.assert_allclose(view, expected, atol=0.1)
    assert 0.5 <= min(factors) < 0.7 and 1.3 < max(factors) <= 1.5


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_each_of_them_changes_colors(image, name):
    jitter = ColorJitter(**{**NOTHING, name: 0.5}, probability=1.0)
    assert np.abs(jitter(image, (0, 0)) - image).max() > 1


def test_shares_of_images(image):
    jitter = ColorJitter(**{**NOTHING, "brightness": 0.5, "gray": 0.2, "hue": 0.0})
    found = views(jitter, image, 200)
    gray = np.mean([np.ptp(view, axis=-1).max() < 0.1 for view in found])
    same = np.mean([np.abs(view - image).max() < 1e-3 for view in found])
    assert 0.1 < gray < 0.3
    assert 0.1 < same < 0.25  # 0.2 are not jittered, of which 0.8 are not gray


def test_a_view_is_a_function_of_its_seed(image):
    jitter = ColorJitter()
    first, again = (views(jitter, image, 5) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len({view.tobytes() for view in first}) > 1
    assert min(v.min() for v in first) >= 0 and max(v.max() for v in first) <= 255


@pytest.mark.parametrize(
    "options", [{"hue": 0.6}, {"gray": 1.5}, {"brightness": -0.1}, {"blur": np.nan}]
)
def test_numbers_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=rf"`{next(iter(options))}` must be in \[0"):
        ColorJitter(**options)
