"""What is beside images and masks: told, never a hang, never in silence."""

import os
import socket

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import collected, from_folder, read_class_table
from keras_imas.inference.image_files import find_images


@pytest.fixture
def folder(tmp_path):
    """Two images, of which one has a mask."""
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in ("a.png", "b.PNG"):
        pixels = rng.integers(0, 256, (4, 4, 3), dtype="uint8")
        Image.fromarray(pixels).save(tmp_path / "images" / name)
    Image.fromarray(np.ones((4, 4), "uint8")).save(tmp_path / "masks" / "a.png")
    return tmp_path


def told(folder, names=("a",)):
    with collected() as problems:
        from_folder(folder / "images", folder / "masks", names)
    assert all(p.severity == "warning" for p in problems)
    return "\n".join(p.message for p in problems)


def test_a_clean_folder(folder):
    assert told(folder) == ""


def test_suffixes_that_are_not_read(folder):
    for name in ("phone.heic", "old.JFIF", "notes.txt", "README"):
        (folder / "images" / name).write_bytes(b"anything")
    assert "2 passed over (its suffix is not read): old.JFIF, phone.heic" in told(
        folder
    )
    with pytest.raises(FileNotFoundError, match=r"phone\.heic is passed over"):
        from_folder(folder / "images", None, ["phone"])


def test_hidden_files_and_folders(folder):
    image = (folder / "images" / "a.png").read_bytes()
    (folder / "images" / "._a.png").write_bytes(image)
    (folder / "images" / ".DS_Store").write_bytes(b"")
    (folder / "images" / ".thumbs").mkdir()
    (folder / "images" / ".thumbs" / "a.png").write_bytes(image)
    assert "2 passed over (hidden): ._a.png, .thumbs/" in told(folder)
    assert from_folder(folder / "masks").names == ("a",)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_regular_file(folder):
    images = folder / "images"
    os.mkfifo(images / "pipe.png")
    os.mkfifo(folder / "masks" / "b.png")
    (images / "folder.png").mkdir()
    (images / "link.png").symlink_to(folder / "nothing.png")
    (images / "device.png").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(images)  # the name of a socket must be short
        server.bind("socket.png")
        os.chdir(here)
    text = told(folder)
    for what, name in (
        ("a named pipe", "pipe.png"),
        ("a named pipe", "b.png"),
        ("a socket", "socket.png"),
        ("a device", "device.png"),
        ("a folder", "folder.png"),
        ("a link to a file that is not there", "link.png"),
    ):
        assert f"1 passed over ({what}): {name}" in text
    with pytest.warns(UserWarning):
        assert from_folder(images).names == ("a", "b")
    with pytest.warns(UserWarning):
        assert from_folder(f"{images}/*.png").names == ("a",)
    assert sorted(find_images(images)) == ["a", "b"]
    with pytest.raises(FileNotFoundError, match=r"pipe\.png is passed over: a named"):
        from_folder(images, None, ["pipe.png"])
    with pytest.raises(ValueError, match="must be a CSV file"):
        read_class_table(images / "pipe.png")
    with pytest.raises(FileNotFoundError, match="which is not a file"):
        from_folder(images, None, images / "pipe.png")


EXPORTS = {
    "labelmap.txt": ("# label:color_rgb:parts:actions\nsky:0,0,0::\n", "CVAT's table"),
    "_classes.csv": ("Pixel Value, Class\n0, background\n", "Roboflow's table"),
    "_annotations.coco.json": ('{"images": [], "categories": []}', "COCO's polygons"),
    "x.json": ('{"shapes": [], "imagePath": "x.png"}', "LabelMe's polygons"),
    "export.json": ('[{"annotations": [{"from_name": "x"}]}]', "Label Studio's labels"),
    "annotations.xml": ("<annotations><image id='0'>", "CVAT's polygons"),
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("where", ["images", "masks", ""])
def test_labels_of_tools_are_recognized(folder, name, where):
    content, words = EXPORTS[name]
    (folder / where / name).write_text(content)
    if where or name not in ("x.json", "export.json"):
        assert words in told(folder) and name in told(folder)
    with pytest.raises(ValueError, match=words):
        read_class_table(folder / where / name)


def test_other_files_are_no_labels_of_tools(folder):
    (folder / "images" / "settings.json").write_text('{"images": 3}')
    (folder / "images" / "list.txt").write_text("a\nb\n")
    (folder / "classes.csv").write_text("name,id\nsky,0\nroad,1\n")
    assert told(folder) == ""


def test_masks_of_label_studios_brush(folder):
    name = "task-1-annotation-2-by-1-tag-Car-0.png"
    (folder / "masks" / "a.png").rename(folder / "masks" / name)
    with pytest.warns(UserWarning, match="Label Studio's brush"):
        with pytest.raises(FileNotFoundError, match="no mask"):
            from_folder(folder / "images", folder / "masks", ["a"])


def test_a_table_of_the_classes_makes_that_of_a_tool_no_loss(folder):
    (folder / "labelmap.txt").write_text(EXPORTS["labelmap.txt"][0])
    (folder / "classes.csv").write_text("name,id\nsky,0\nroad,1\n")
    with collected() as problems:
        from_folder(
            folder / "images", folder / "masks", ["a"], classes=folder / "classes.csv"
        )
    assert problems == []
