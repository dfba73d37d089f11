"""Which files are found below a folder, and by which names."""

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import from_folder, with_masks


@pytest.fixture
def save(tmp_path):
    def save(name, value=0, channels=(3,)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, *channels), value, "uint8")).save(path)

    return save


def test_names_lead_back_to_their_files(tmp_path, save):
    """Also where one file's name without suffix is another file's name."""
    for value, name in enumerate(("a.png", "a.png.jpg", "b.jpg")):
        save(f"images/{name}", 90 * value)
        save(f"masks/{name.replace('.jpg', '.png')}", value, channels=())
    folders = tmp_path / "images", tmp_path / "masks"
    names = ("a", "a.png.jpg", "b")
    assert from_folder(*folders).names == tuple(with_masks(*folders)) == names
    for value, name in enumerate(names):
        example = from_folder(*folders, [name]).read(0)
        assert (np.asarray(example["label_map"]) == value).all()
        np.testing.assert_allclose(example["image"], 90 * value, atol=1)


def test_names_in_a_list_lead_back_where_a_name_ends_in_a_space(tmp_path, save):
    for value, name in enumerate(("a", "a ")):
        save(f"images/{name}.png", 90 * value)
    names = from_folder(tmp_path / "images").names
    for value, name in zip((90, 0), names, strict=True):
        (tmp_path / "list.txt").write_text(f"{name}\n")
        example = from_folder(tmp_path / "images", None, tmp_path / "list.txt").read(0)
        assert example["name"] == name
        assert (np.asarray(example["image"]) == value).all()


def test_links_between_folders_are_followed_once(tmp_path, save):
    save("a/1.png")
    save("b/2.png")
    (tmp_path / "a" / "l").symlink_to("../b")
    (tmp_path / "b" / "l").symlink_to("../a")
    assert from_folder(tmp_path).names == ("a/1", "a/l/2", "b/2", "b/l/1")
    found = from_folder(f"{tmp_path}/**/*.png").names
    assert found == ("a/1", "a/l/2", "b/2", "b/l/1")


def test_a_name_may_hold_a_backslash(tmp_path, save):
    """As where Python unpacks an archive that was made on Windows."""
    save("images/camera\\a.png")
    save("masks/camera\\a.png", channels=())
    (tmp_path / "list.txt").write_text("camera\\a\n")
    for names in (None, ["camera\\a"], tmp_path / "list.txt"):
        found = from_folder(tmp_path / "images", tmp_path / "masks", names)
        assert found.names == ("camera\\a",)


def test_suffixes_may_be_of_another_case(tmp_path, save):
    """As in a list of a system that does not tell them apart."""
    save("images/a.PNG")
    save("masks/a_L.PNG", channels=())
    folders = tmp_path / "images", tmp_path / "masks"
    examples = from_folder(*folders, ["a.png"], mask_name="{}_L.png")
    assert examples.names == ("a",)
    (tmp_path / "list.txt").write_text("a.png a_L.png\n")
    assert from_folder(*folders, tmp_path / "list.txt").names == ("a",)
    save("images/a.png", 9)  # which is another image
    for name, value in (("a.png", 9), ("a.PNG", 0)):
        example = from_folder(*folders, [name], mask_name="{}_L.png").read(0)
        assert (np.asarray(example["image"]) == value).all()
