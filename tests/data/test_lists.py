"""The lists in public use, read by `from_folder`."""

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import from_folder


@pytest.fixture
def root(tmp_path):
    """Images below data/leftImg8bit/train, masks below data/gtFine/train."""
    for part, suffix in (("leftImg8bit", ".png"), ("gtFine", "_ids.png")):
        folder = tmp_path / "data" / part / "train" / "bonn"
        folder.mkdir(parents=True)
        for name in ("a", "b", "a b"):
            Image.fromarray(np.full((4, 4), ord(name[-1]), "uint8")).save(
                folder / f"{name}{suffix}"
            )
    return tmp_path / "data"


def read(root, text, masks=True):
    (root / "list.txt").write_text(text, encoding="utf-8")
    return from_folder(
        root / "leftImg8bit" / "train",
        root / "gtFine" / "train" if masks else None,
        root / "list.txt",
        mask_name="{}_ids.png",
    )


@pytest.mark.parametrize(
    "text",
    [
        "bonn/b\nbonn/a\n",
        "bonn/b.png\r\nbonn/a.png\r\n",
        "\ufeffbonn/b\nbonn/a",
        "leftImg8bit/train/bonn/b.png\nleftImg8bit/train/bonn/a.png\n",
        "/home/somebody/leftImg8bit/train/bonn/b.png\ntrain/bonn/a.png\n",
        "bonn\\b.png\nbonn\\a.png\n",
    ],
)
def test_images_alone(root, text):
    assert read(root, text).names == ("bonn/b", "bonn/a")
    assert read(root, text, masks=False).names == ("bonn/b", "bonn/a")


@pytest.mark.parametrize("separator", [" ", "\t", ",", ";", " , "])
@pytest.mark.parametrize("prefix", ["", "/datasets/cityscapes/"])
def test_pairs(root, separator, prefix):
    """With another mask than that of the same name."""
    image = f"{prefix}leftImg8bit/train/bonn/a.png"
    mask = f"{prefix}gtFine/train/bonn/b_ids.png"
    examples = read(root, f"{image}{separator}{mask}\n")
    assert examples.names == ("bonn/a",)
    assert (examples.read(0)["label_map"].numpy() == ord("b")).all()
    assert read(root, f"{image}{separator}{mask}\n", masks=False).names == ("bonn/a",)


@pytest.mark.parametrize(
    "line", ["# by night", "#", "# from a.txt, by night", "#by,night", "# a b c d"]
)
@pytest.mark.parametrize("masks", [True, False])
def test_lists_have_no_comments(root, line, masks):
    with pytest.raises(FileNotFoundError, match="no comments .line 2.") as caught:
        read(root, f"bonn/b\n{line}\nbonn/a\n", masks)
    assert repr(line) in str(caught.value)


def test_names_may_begin_as_comments_do(root):
    folder = root / "leftImg8bit" / "train"
    for name in ("#1.png", "# 2.png"):
        (folder / name).write_bytes((folder / "bonn" / "a.png").read_bytes())
    assert read(root, "#1\n# 2.png\n", masks=False).names == ("#1", "# 2")


def test_names_with_spaces(root):
    assert read(root, "bonn/a b\n").names == ("bonn/a b",)
    examples = read(root, "bonn/a b.png, bonn/a_ids.png\n")
    assert examples.names == ("bonn/a b",)
    assert (examples.read(0)["label_map"].numpy() == ord("a")).all()


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("bonn/a bonn/a bonn/a\n", "has 3 fields"),
        ("bonn/a bonn/c_ids.png\n", r"no mask .*c_ids\.png .*\(line 1\)"),
        ("bonn/a\n../val/a\n", r"\.\./val/a is not inside .* \(line 2\)"),
        ("/etc/passwd\n", "/etc/passwd is not inside .* .line 1."),
        ("val/bonn/a.png\n", r"no file .*val/bonn/a\.png"),
    ],
)
def test_lines_that_are_wrong(root, text, match):
    with pytest.raises(FileNotFoundError, match=match):
        read(root, text)


@pytest.mark.parametrize(
    "line",
    [
        '"bonn/a b.png","bonn/a_ids.png"',
        '"bonn/a b.png" "bonn/a_ids.png"',
        "bonn/a b.png,bonn/a_ids.png,",
    ],
)
def test_fields_as_spreadsheets_write_them(root, line):
    examples = read(root, f"{line}\n")
    assert examples.names == ("bonn/a b",)
    assert (examples.read(0)["label_map"].numpy() == ord("a")).all()


def test_a_list_in_utf_16(root):
    (root / "list.txt").write_text("bonn/a\nbonn/b\n", encoding="utf-16")
    names = from_folder(root / "leftImg8bit/train", None, root / "list.txt").names
    assert names == ("bonn/a", "bonn/b")


def test_a_path_to_a_file_that_is_another_one(root):
    other = root / "other" / "train" / "bonn" / "a.png"
    other.parent.mkdir(parents=True)
    other.write_bytes((root / "leftImg8bit/train/bonn/a.png").read_bytes())
    with pytest.raises(FileNotFoundError, match="is a file that is not in .*Img8bit"):
        read(root, f"{other}\n")
    this = root / "leftImg8bit" / "train" / "bonn" / "a.png"
    assert read(root, f"{this}\n").names == ("bonn/a",)


def test_a_name_with_a_space_is_no_pair(root):
    """Of images "a" and "a b" the list may mean a third, "a c"."""
    with pytest.raises(FileNotFoundError, match=r"no file .*bonn/a c\.png"):
        read(root, "bonn/a c.png\n", masks=False)


def test_a_list_that_is_no_text(root):
    with pytest.raises(ValueError, match=r"a\.png' is not a text file"):
        from_folder(
            root / "leftImg8bit",
            None,
            root / "leftImg8bit" / "train" / "bonn" / "a.png",
        )


def test_pattern_instead_of_a_folder(root):
    assert from_folder(f"{root}/leftImg8bit/*/bonn/?.png").names == (
        "train/bonn/a",
        "train/bonn/b",
    )
    assert len(from_folder(f"{root}/leftImg8bit/**/*.png")) == 3
    with pytest.raises(ValueError, match="names no images"):
        from_folder(f"{root}/leftImg8bit/*.jpg")


def test_files_of_macos_are_no_images(root):
    (root / "leftImg8bit" / "train" / "bonn" / "._a.png").write_bytes(b"resource fork")
    assert len(from_folder(root / "leftImg8bit")) == 3


def test_links_to_folders_are_followed_once(root):
    (root / "leftImg8bit" / "train" / "again").symlink_to(root / "leftImg8bit")
    assert len(from_folder(root / "leftImg8bit")) == 3


def test_masks_in_several_folders(root):
    other = root / "other"
    other.mkdir()
    Image.fromarray(np.full((4, 4), 7, "uint8")).save(other / "a.png")
    (root / "gtFine" / "train" / "bonn" / "a_ids.png").rename(
        root / "gtFine" / "train" / "bonn" / "b.png"
    )
    examples = from_folder(
        root / "leftImg8bit" / "train" / "bonn",
        [other, root / "gtFine" / "train" / "bonn"],
        ["a", "b"],
    )
    values = [int(examples.read(i)["label_map"][0, 0]) for i in range(2)]
    assert values == [7, ord("a")]
