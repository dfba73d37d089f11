import numpy as np
import pytest
from PIL import Image

from keras_imas.data import evaluation, from_folder


@pytest.fixture
def folder(tmp_path):
    """Five images of 12 x 16 in two towns, with masks; the masks hold the index."""
    towns = ("aachen", "aachen", "bonn", "bonn", "bonn")
    for index, town in enumerate(towns):
        for part in ("images", "masks"):
            (tmp_path / part / town).mkdir(parents=True, exist_ok=True)
        pixels = np.full((12, 16, 3), 40 * index, "uint8")
        suffix = ".png" if index % 2 else ".jpg"
        Image.fromarray(pixels).save(tmp_path / "images" / town / f"{index}{suffix}")
        mask = np.full((12, 16), index, "uint8")
        mask[0] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / town / f"{index}.png")
    return tmp_path


NAMES = ("aachen/0", "aachen/1", "bonn/2", "bonn/3", "bonn/4")


def read(examples):
    return [
        {key: value.numpy() for key, value in examples.read(*record).items()}
        for record in examples.records.enumerate().map(lambda _, r: (r,))
    ]


def test_every_image_of_a_folder_and_its_mask(folder):
    examples = from_folder(folder / "images", folder / "masks")
    assert examples.names == NAMES
    assert len(examples) == 5 and examples.labeled
    for index, example in enumerate(read(examples)):
        assert example["name"].decode() == NAMES[index]
        np.testing.assert_allclose(example["image"], 40 * index, atol=1)
        assert example["image"].shape == (12, 16, 3)
        assert np.issubdtype(example["label_map"].dtype, np.integer)
        assert (example["label_map"][1:] == index).all()


def test_unlabeled(folder):
    examples = from_folder(str(folder / "images"))
    assert not examples.labeled
    assert "label_map" not in read(examples)[0]


@pytest.mark.parametrize("as_file", [False, True])
def test_names_choose_and_order(folder, as_file):
    names = ["bonn/3", "aachen/0.jpg"]
    if as_file:
        (folder / "list.txt").write_text("bonn/3\n\n  aachen/0.jpg \n\n")
        names = folder / "list.txt"
    examples = from_folder(folder / "images", folder / "masks", names)
    assert examples.names == ("bonn/3", "aachen/0")
    assert [example["label_map"][-1, -1] for example in read(examples)] == [3, 0]


def test_image_size(folder):
    examples = from_folder(folder / "images", folder / "masks", image_size=(6, 8))
    images, label_maps = next(iter(evaluation(examples, batch_size=5)))
    assert images.shape == (5, 6, 8, 3) and label_maps.shape == (5, 6, 8)
    assert set(np.unique(label_maps)) <= {0, 1, 2, 3, 4, 255}


@pytest.mark.parametrize("argument", ["images", "masks", "names"])
def test_missing_paths(folder, argument):
    paths = {"images": folder / "images", "masks": folder / "masks"}
    with pytest.raises(FileNotFoundError, match=f"`{argument}` must be .*nowhere"):
        from_folder(**{**paths, argument: folder / "nowhere"})


def test_missing_files_are_listed_with_their_lines(folder):
    (folder / "list.txt").write_text("bonn/2\n\nbonn/7\nbonn/8.png\n")
    with pytest.raises(FileNotFoundError) as error:
        from_folder(folder / "images", None, folder / "list.txt")
    assert "list.txt" in str(error.value)
    assert "bonn/7" in str(error.value) and "(line 3)" in str(error.value)
    assert "bonn/8.png (line 4)" in str(error.value)


def test_missing_mask(folder):
    (folder / "masks/bonn/3.png").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"no mask .*masks/bonn/3\{\.png.* of .*bonn/3\.png"
    ):
        from_folder(folder / "images", folder / "masks")


def test_long_lists_of_problems_are_cut(folder):
    names = [f"bonn/{i}" for i in range(100, 130)]
    with pytest.raises(FileNotFoundError) as error:
        from_folder(folder / "images", None, names)
    assert "and 20 more" in str(error.value)
    assert len(str(error.value).splitlines()) == 12


def test_empty_list(folder):
    (folder / "list.txt").write_text("\n\n")
    with pytest.raises(ValueError, match="names no images"):
        from_folder(folder / "images", None, folder / "list.txt")
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="names no images"):
        from_folder(folder / "empty")


def test_duplicate_names(folder):
    (folder / "list.txt").write_text("bonn/2\nbonn/3\nbonn/2.jpg\n")
    with pytest.raises(ValueError, match="more than once") as error:
        from_folder(folder / "images", None, folder / "list.txt")
    assert "(line 1)" in str(error.value) and "(line 3)" in str(error.value)
    assert "bonn/3" not in str(error.value)


def test_unreadable_file(folder):
    (folder / "images/bonn/2.jpg").write_bytes(b"not an image")
    with pytest.raises(ValueError, match=r"bonn/2\.jpg cannot be read"):
        from_folder(folder / "images")


def test_palette_mask_holds_class_ids(folder):
    """TensorFlow would read its colors."""
    ids = np.random.default_rng(0).choice([0, 1, 4, 255], (12, 16)).astype("uint8")
    mask = Image.fromarray(ids, "P")
    mask.putpalette(np.random.default_rng(1).integers(0, 256, 768).tolist())
    mask.save(folder / "masks/bonn/2.png")
    examples = from_folder(folder / "images", folder / "masks", num_classes=5)
    index = examples.names.index("bonn/2")
    np.testing.assert_array_equal(examples.read(index)["label_map"], ids)
    with pytest.raises(ValueError, match="`bonn/2` .* contains 4;"):
        from_folder(folder / "images", folder / "masks", ["bonn/2"], num_classes=4)


def test_color_mask(folder):
    Image.fromarray(np.zeros((12, 16, 3), "uint8")).save(folder / "masks/bonn/2.png")
    with pytest.raises(ValueError, match=r"bonn/2\.png has mode 'RGB'"):
        from_folder(folder / "images", folder / "masks")


@pytest.mark.parametrize("image_size", [None, (6, 8)])
def test_mask_of_another_size(folder, image_size):
    Image.fromarray(np.zeros((12, 15), "uint8")).save(folder / "masks/bonn/2.png")
    with pytest.raises(ValueError, match=r"bonn/2\.png is \(12, 15\).*\(12, 16\)"):
        from_folder(folder / "images", folder / "masks", image_size=image_size)


def test_class_ids_are_checked_where_the_number_is_known(folder):
    paths = folder / "images", folder / "masks"
    assert len(from_folder(*paths, num_classes=5)) == 5
    with pytest.raises(ValueError, match="`bonn/4` .* contains 4; allowed are 0 to 3"):
        from_folder(*paths, num_classes=4)
    with pytest.raises(ValueError, match="contains 255; .*ignore_class=11"):
        from_folder(*paths, num_classes=5, ignore_class=11)


def test_damaged_file_is_named(folder):
    path = folder / "images/bonn/3.png"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"bonn/3\.png cannot be read"):
        from_folder(folder / "images", folder / "masks", num_classes=5)


def test_file_names_beyond_ascii(folder):
    for part, suffix in (("images", ".jpg"), ("masks", ".png")):
        (folder / part / "bonn" / f"2{suffix}").rename(
            folder / part / f"köln é{suffix}"
        )
    paths = folder / "images", folder / "masks"
    assert "köln é" in from_folder(*paths, num_classes=5).names
    with pytest.raises(ValueError, match="`köln é` .* contains 2"):
        from_folder(*paths, num_classes=2)


@pytest.mark.parametrize(("count", "multiple"), [(8, 1), (9, 64)])
def test_many_sizes_of_images_are_rounded_up(count, multiple, tmp_path):
    for width in range(count):
        image = Image.fromarray(np.zeros((4, 5 + width, 3), "uint8"))
        image.save(tmp_path / f"{width}.png")
    examples = from_folder(tmp_path)
    assert examples.sizes == {(4, 5 + width) for width in range(count)}
    assert examples.size_multiple() == multiple
    assert from_folder(tmp_path, image_size=(8, 8)).size_multiple() == 1
