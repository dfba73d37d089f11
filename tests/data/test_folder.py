import numpy as np
import pytest
from PIL import Image

from keras_imas.data import (
    check,
    collected,
    evaluation,
    from_folder,
    splits,
    with_masks,
)
from keras_imas.runs.sources import SOURCES


def save(path, pixels):
    Image.fromarray(pixels).save(path)


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


def test_resized_masks_of_both_pipelines_agree_to_the_pixel(tmp_path):
    rows = np.random.default_rng(0).integers(0, 9, (288, 2), dtype="uint8")
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        Image.fromarray(rows).save(tmp_path / name / "a.png")
    folders = tmp_path / "images", tmp_path / "masks"
    examples = from_folder(*folders, image_size=(246, 2))
    label_map = np.asarray(examples.read(0)["label_map"])
    np.testing.assert_array_equal(label_map, examples.get(0)["label_map"])


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


def test_masks_among_the_images_are_no_images(folder):
    """In a folder of them below, or beside the images."""
    (folder / "masks").rename(folder / "images" / "masks")
    below = folder / "images", folder / "images" / "masks"
    assert from_folder(*below).names == NAMES
    assert from_folder(*below, labeled=False).names == NAMES
    (folder / "images/masks/bonn/2.png").unlink()
    assert with_masks(*below) == [name for name in NAMES if name != "bonn/2"]
    assert "bonn/2" in from_folder(*below, labeled=False).names


def test_masks_beside_the_images(tmp_path):
    for name in "abc":
        save(tmp_path / f"{name}.png", np.zeros((4, 4, 3), "uint8"))
        if name != "c":
            save(tmp_path / f"{name}_mask.png", np.full((4, 4), 3, "uint8"))
    options = {"mask_name": "{}_mask"}
    assert with_masks(tmp_path, tmp_path, **options) == ["a", "b"]
    everything = from_folder(tmp_path, tmp_path, labeled=False, **options)
    assert everything.names == ("a", "b", "c") and not everything.labeled
    labeled = from_folder(tmp_path, tmp_path, ["a", "b.png"], **options)
    assert (labeled.read(1)["label_map"].numpy() == 3).all()
    with pytest.raises(FileNotFoundError, match="no mask .*c_mask"):
        from_folder(tmp_path, tmp_path, **options)


def test_an_image_and_its_mask_that_differ_by_the_suffix_alone(tmp_path):
    save(tmp_path / "a.jpg", np.zeros((4, 4, 3), "uint8"))
    save(tmp_path / "b.jpg", np.zeros((4, 4, 3), "uint8"))
    save(tmp_path / "a.png", np.full((4, 4), 3, "uint8"))
    assert with_masks(tmp_path, tmp_path) == ["a"]
    assert from_folder(tmp_path, tmp_path, labeled=False).names == ("a", "b")
    assert (from_folder(tmp_path, tmp_path, ["a"]).read(0)["image"].numpy() == 0).all()


def test_an_image_as_its_own_mask(folder):
    for number in (1, 3):
        town = "aachen" if number == 1 else "bonn"
        save(folder / f"images/{town}/{number}.png", np.zeros((12, 16), "uint8"))
    with pytest.raises(FileNotFoundError, match="no mask"):
        from_folder(folder / "images", folder / "images", ["bonn/3"])
    (folder / "masks/bonn/3.png").unlink()
    (folder / "masks/bonn/3.png").symlink_to(folder / "images/bonn/3.png")
    with pytest.raises(ValueError, match=r"bonn/3\.png is given as its own mask"):
        from_folder(folder / "images", folder / "masks", ["bonn/3"])


def test_two_images_of_one_name(folder):
    save(folder / "images/bonn/2.png", np.zeros((12, 16, 3), "uint8"))
    with pytest.raises(FileNotFoundError, match=r"may be bonn/2\.jpg or bonn/2\.png"):
        from_folder(folder / "images", folder / "masks", ["bonn/2"])
    assert from_folder(folder / "images", None, ["bonn/2.jpg"]).names == ("bonn/2",)
    with pytest.raises(ValueError, match="names more than once"):
        from_folder(folder / "images", folder / "masks")


def test_masks_named_by_the_whole_name_of_the_image(folder):
    (folder / "masks/bonn/2.png").rename(folder / "masks/bonn/2.jpg.png")
    examples = from_folder(
        folder / "images", folder / "masks", ["bonn/2"], mask_name="{}.jpg"
    )
    assert (examples.read(0)["label_map"].numpy()[1:] == 2).all()


@pytest.mark.parametrize("pattern", ["masks", "{0}{1}", "{name}", "{", "{.x}"])
def test_mask_name_needs_the_name(folder, pattern):
    with pytest.raises(ValueError, match="`mask_name` must have {} where"):
        from_folder(folder / "images", folder / "masks", mask_name=pattern)


def test_what_is_not_the_users(folder):
    for hidden in (".ipynb_checkpoints", "__MACOSX", "bonn/@eaDir"):
        (folder / "images" / hidden).mkdir()
        save(folder / "images" / hidden / "9.png", np.zeros((4, 4, 3), "uint8"))
    assert from_folder(folder / "images").names == NAMES
    assert from_folder(f"{folder}/images/**/*.*").names == NAMES


def test_two_ways_to_one_folder_are_both_read(folder):
    (folder / "images" / "bremen").symlink_to(folder / "images" / "bonn")
    names = from_folder(folder / "images").names
    assert names == (*NAMES, "bremen/2", "bremen/3", "bremen/4")
    with pytest.raises(ValueError, match="3 images are both in"):
        splits.check_separate(
            labeled=from_folder(folder / "images" / "bremen"),
            unlabeled=from_folder(folder / "images" / "bonn"),
        )


def test_links_out_of_the_folders_are_refused_unless_allowed(folder):
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    save(elsewhere / "secret.png", np.zeros((4, 4, 3), "uint8"))
    (folder / "images/bonn/5.png").symlink_to(elsewhere / "secret.png")
    (folder / "images/bremen").symlink_to(elsewhere)
    wanted = r"bonn/5.png is a link to .*secret.png, which is outside .*follow_links"
    with pytest.raises(ValueError, match=wanted):
        from_folder(folder / "images")
    with pytest.raises(ValueError, match=r"bremen/secret.png is a link.*\(line 2\)"):
        (folder / "list.txt").write_text("bonn/2\nbremen/secret.png\n")
        from_folder(folder / "images", names=folder / "list.txt")
    with collected() as problems:
        left = from_folder(folder / "images")
    assert left.names == NAMES and len(problems) == 2
    names = from_folder(folder / "images", follow_links=True).names
    assert names == (*NAMES, "bonn/5", "bremen/secret")
    # What no list names is not heeded.
    assert from_folder(folder / "images", names=["bonn/2"]).names == ("bonn/2",)


def test_the_folders_themselves_may_be_links(folder):
    for part in ("images", "masks"):
        (folder / part).rename(folder / f"{part}_elsewhere")
        (folder / part).symlink_to(folder / f"{part}_elsewhere")
    examples = from_folder(folder / "images", folder / "masks")
    assert examples.names == NAMES and len(read(examples)) == 5
    # Within the data a link may lead anywhere, such as to a mask that two images share.
    (folder / "masks/bonn/2.png").unlink()
    (folder / "masks/bonn/2.png").symlink_to(folder / "masks/aachen/0.png")
    shared = read(from_folder(folder / "images", folder / "masks"))[2]["label_map"]
    assert (shared[1:] == 0).all()


def test_images_of_too_many_pixels_are_refused(folder):
    wanted = (
        r"aachen/0.jpg cannot be read: it has 192 pixels, more than max_pixels=191.*"
        "raise `max_pixels`"
    )
    with pytest.raises(ValueError, match=wanted):
        from_folder(folder / "images", max_pixels=191)
    assert from_folder(folder / "images", max_pixels=192).names == NAMES
    with pytest.raises(ValueError, match="`max_pixels` must be positive"):
        from_folder(folder / "images", max_pixels=0)
    source = SOURCES["folder"](
        images=str(folder / "images"),
        masks=str(folder / "masks"),
        num_classes=5,
        max_pixels=100,
    )
    with pytest.raises(ValueError, match="more than max_pixels=100"):
        source.parts(seed=0)


def test_folder_whose_name_has_brackets(folder):
    (folder / "images").rename(folder / "images [2020]")
    assert from_folder(folder / "images [2020]").names == NAMES
    names = from_folder(f"{folder}/images [2020]/b*/*.png").names
    assert names == ("bonn/3",)


def test_list_in_a_folder_whose_name_has_brackets(folder):
    (folder / "[2020]").mkdir()
    (folder / "[2020]" / "unlabeled.txt").write_text("bonn/3\n")
    (folder / "masks/bonn/3.png").unlink()
    images, masks = str(folder / "images"), str(folder / "masks")
    listed = str(folder / "[2020]" / "unlabeled.txt")
    for unlabeled in (listed, f"{images}/bonn/[3].png"):
        source = SOURCES["folder"](
            images=images, masks=masks, num_classes=5, unlabeled=unlabeled
        )
        parts = source.parts(seed=0)
        assert len(parts["labeled"]) == 4 and len(parts["unlabeled"]) == 1


def test_name_that_is_not_utf_8(folder):
    try:
        (folder / "images/bonn/3.png").rename(folder / "images/bonn/\udce9.png")
    except OSError:
        pytest.skip("the file system has UTF-8 alone")
    with pytest.raises(ValueError, match="is not valid UTF-8: rename the file"):
        from_folder(folder / "images")


def test_each_part_is_checked_where_problems_are_collected(folder):
    with collected() as problems:
        nothing = from_folder(folder / "images", folder / "nowhere")
    assert len(nothing) == 0 and nothing.labeled and nothing.names == ()
    assert [p.message for p in problems][0].startswith("`masks` must be a directory")
    report = check({"labeled": nothing, "unlabeled": from_folder(folder / "images")})
    assert report.parts["unlabeled"].read == 5
