import numpy as np
import pytest

from keras_imas.data import scenes

SIZE = {"height": 48, "width": 96}


@pytest.fixture(scope="module")
def small_set():
    return scenes.load(80, seed=3, **SIZE)


def test_names_the_19_classes_of_cityscapes():
    assert len(scenes.CLASSES) == len(set(scenes.CLASSES)) == 19
    assert len(scenes.COLORS) == len(set(scenes.COLORS)) == 19
    assert scenes.CLASSES[0] == "road" and scenes.COLORS[0] == (128, 64, 128)
    assert scenes.CLASSES[-1] == "bicycle" and scenes.COLORS[-1] == (119, 11, 32)


def test_shapes_and_dtypes():
    images, label_maps = scenes.load(2, height=40, width=70)
    assert images.shape == (2, 40, 70, 3) and images.dtype == np.uint8
    assert label_maps.shape == (2, 40, 70) and label_maps.dtype == np.uint8


def test_default_size():
    image, label_map = scenes.draw(0)
    assert image.shape == (128, 256, 3)
    assert label_map.shape == (128, 256)


@pytest.mark.parametrize("size", [(16, 16), (33, 65), (64, 48), (20, 300)])
def test_draws_any_size(size):
    for seed in range(4):
        image, label_map = scenes.draw(seed, *size)
        assert image.shape == (*size, 3) and label_map.shape == size


def test_same_arguments_draw_the_same_scenes():
    np.random.seed(1)
    first = scenes.load(3, seed=5, **SIZE)
    np.random.seed(2)
    second = scenes.load(3, seed=5, **SIZE)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def test_leaves_the_global_random_state_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    scenes.draw(0, **SIZE)
    assert np.random.random() == expected


def test_larger_set_begins_with_the_smaller_one():
    few, many = (scenes.load(count, seed=9, **SIZE) for count in (3, 6))
    np.testing.assert_array_equal(few[0], many[0][:3])
    np.testing.assert_array_equal(few[1], many[1][:3])


def test_pair_draws_the_scene_of_the_set():
    images, label_maps = scenes.load(3, seed=9, **SIZE)
    image, label_map = scenes.draw((9, 2), **SIZE)
    np.testing.assert_array_equal(image, images[2])
    np.testing.assert_array_equal(label_map, label_maps[2])


def test_no_scene_repeats_within_or_across_seeds():
    images = np.concatenate([scenes.load(8, seed=s, **SIZE)[0] for s in (0, 1, 2)])
    assert len({image.tobytes() for image in images}) == len(images)


def test_labels_are_classes_or_ignored(small_set):
    values = set(np.unique(small_set[1]).tolist())
    assert values <= {*range(19), 255}


def test_every_class_occurs(small_set):
    assert set(range(19)) <= set(np.unique(small_set[1]).tolist())


def test_classes_are_as_imbalanced_as_on_a_street(small_set):
    label_maps = small_set[1]
    share = np.bincount(label_maps.ravel(), minlength=256) / label_maps.size
    share = dict(zip(scenes.CLASSES, share[:19], strict=True))
    common = ("road", "building", "sky", "vegetation")
    assert sum(share[name] for name in common) > 0.5
    assert min(share[name] for name in common) > 0.04
    for rare in ("traffic light", "rider", "train", "motorcycle", "bicycle", "bus"):
        assert share[rare] < 0.03
    assert np.mean(label_maps == 255) < 0.05


def test_road_lies_below_the_sky(small_set):
    rows = np.arange(SIZE["height"])[:, None]
    for label_map in small_set[1]:
        road, sky = label_map == 0, label_map == 10
        if road.any() and sky.any():
            assert (rows * road).sum() / road.sum() > (rows * sky).sum() / sky.sum()


def test_image_changes_where_the_label_map_does(small_set):
    """Edges of the label map lie on edges of the image, more than beside them."""
    on, beside = [], []
    for image, label_map in zip(*small_set, strict=True):
        step = np.abs(np.diff(image.astype(float).mean(-1), axis=1))
        edge = np.diff(label_map.astype(int), axis=1) != 0
        on.append(step[edge].mean())
        beside.append(np.roll(step, 4, axis=1)[edge].mean())
    assert np.mean(on) > 1.5 * np.mean(beside)


def test_color_alone_does_not_tell_the_classes_apart(small_set):
    """The mean color of a class varies more between scenes than between classes."""
    means = {}
    for image, label_map in zip(*small_set, strict=True):
        for index in np.unique(label_map[label_map < 19]):
            color = image[label_map == index].mean(0)
            means.setdefault(index, []).append(color)
    between = np.std([np.mean(colors, 0) for colors in means.values()], axis=0).mean()
    within = np.mean([np.std(colors, 0) for colors in means.values()])
    assert within > between


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2", None])
def test_load_rejects_count(count):
    with pytest.raises(ValueError, match="`count` must be a positive integer"):
        scenes.load(count)


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, None])
def test_rejects_seed(seed):
    with pytest.raises(ValueError, match="`seed` must be an integer in"):
        scenes.load(1, seed=seed)
    with pytest.raises(ValueError, match="`seed` must be"):
        scenes.draw(seed)


def test_draw_rejects_a_triple():
    with pytest.raises(ValueError, match="`seed` must be an integer or a pair"):
        scenes.draw((1, 2, 3))


@pytest.mark.parametrize("name", ["height", "width"])
@pytest.mark.parametrize("value", [0, 15, 32.0])
def test_rejects_size(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 16"):
        scenes.load(1, **{name: value})
