"""List files, which name the images of a part of a data set."""

import codecs
import csv
import dataclasses
import os
from pathlib import Path, PurePosixPath

from keras_imas.files.user_path import user_path


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of a list.

    Attributes:
        text: the line.
        line: its number, from 1, or None for a name that is from no file.
    """

    text: str
    line: int | None = None

    def __str__(self):
        return f"{self.text}{self.place}"

    @property
    def place(self):
        """Where it is in its file, for the end of a message; empty for no file."""
        return "" if self.line is None else f" (line {self.line})"

    def fields(self):
        """Return the line's fields, whichever way they are separated.

        Returns:
            List of strings: parted by tab, comma or semicolon, else by space; in
            double quotes a separator is part of a name.

        Example:
            >>> Entry("train/a b.jpg, masks/a b.png").fields()
            ['train/a b.jpg', 'masks/a b.png']
            >>> Entry("2007_000032 2007_000032").fields()
            ['2007_000032', '2007_000032']
        """
        separator = next((mark for mark in "\t,;" if mark in self.text), " ")
        line = csv.reader([self.text], delimiter=separator, skipinitialspace=True)
        try:
            fields = [field.strip() for field in next(line, [])]
        except csv.Error as error:
            raise ValueError(
                f"{self.text[:99]!r} is not a line of a list: {error}"
            ) from None
        while fields and not fields[-1]:
            fields.pop()
        return fields


def read_text(path):
    """Read a text file in UTF-8, or in UTF-16 as its first bytes tell.

    Args:
        path: path of the file.

    Returns:
        String.

    Raises:
        ValueError: if it is not a text file.
    """
    content = Path(path).read_bytes()
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not a text file in UTF-8: {error}"
        ) from None


def read_list(path):
    """Read a list: a name a line, or an image and its mask a line.

    Args:
        path: path of a text file. Blank lines are skipped.

    Returns:
        List of `Entry`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a text file.
    """
    path = user_path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(
            "`names` must be a text file with one name a line, or a list of names. "
            f"Received: names={str(path)!r}, which is not a file."
        )
    lines = read_text(path).splitlines()
    return [
        Entry(line.strip(), number)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]


def is_line(name):
    r"""Tell whether a line of a list can hold a name, and is read as that name.

    Args:
        name: name of an image.

    Returns:
        A boolean.

    Example:
        >>> is_line("a b"), is_line(" a"), is_line("a\nb")
        (True, False, False)
    """
    return [name] == [line.strip().strip("\ufeff") for line in name.splitlines()]


def no_comment(entry):
    """Tell why a line that begins as a comment can't be read.

    Args:
        entry: `Entry`.

    Returns:
        String.

    Example:
        >>> no_comment(Entry("# held out"))[:28]
        "'# held out' names no file. "
    """
    return (
        f"{entry.text[:99]!r} names no file. If it is a comment, remove the line: "
        "lists have no comments"
    )


def below(folder, name):
    """List what a path in a list may mean below a folder, most likely first.

    Lists in public use begin their paths at the folder, above it, or at the root of
    somebody else's disk. What is before the folder's own name is dropped.

    Args:
        folder: `Path` of the folder.
        name: path in a list.

    Returns:
        List of relative paths; empty if the name can't be inside the folder.

    Example:
        >>> below(Path("data/CamVid/train"), "/SegNet/CamVid/train/a.png")
        ['a.png']
        >>> below(Path("data/train"), "train/b.png")
        ['train/b.png', 'b.png']
        >>> below(Path("data/train"), "../val/c.png")
        []
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = path.parts
    if ".." in parts:
        return []
    starts = [i + 1 for i, part in enumerate(parts[:-1]) if part == folder.name]
    if not path.is_absolute():
        starts = [0, *starts]
    return ["/".join(parts[start:]) for start in starts]
