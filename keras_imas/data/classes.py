"""The table of a data set's classes: names, ids, and colors in masks."""

import csv
import dataclasses
import os
from collections import Counter

import numpy as np

from keras_imas.data.exports import known_as
from keras_imas.data.lists import read_text
from keras_imas.files.csv_text import from_cell
from keras_imas.files.user_path import user_path
from keras_imas.near_miss import did_you_mean
from keras_imas.typing import StrPath

_COLUMNS = ("name", "id", "r", "g", "b")


@dataclasses.dataclass(frozen=True)
class ClassTable:
    """The classes of a data set.

    Attributes:
        names: names in the order of the ids, which are 0, 1, ...
        colors: `(r, g, b)` of each class, or None where the table has no colors.
        mask_colors: dict from `(r, g, b)` in masks to class id; several may share one.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...] | None = None
    mask_colors: dict[tuple, int] = dataclasses.field(default_factory=dict)

    @property
    def grey(self) -> bool:
        """Whether all colors are grey, so that grey masks hold them."""
        return all(r == g == b for r, g, b in self.mask_colors)

    def ids(self, colors: np.ndarray) -> np.ndarray:
        """Look up the class ids of colors.

        Args:
            colors: `(..., 3)` uint8 array.

        Returns:
            `(...)` int32 array; a color that is not listed is a negative number, whose
            color `unlisted_color` tells.

        Example:
            >>> table = ClassTable(("sky",), None, {(1, 2, 3): 0})
            >>> table.ids(np.array([[1, 2, 3], [0, 0, 9]], "uint8")).tolist()
            [0, -10]
        """
        codes = colors.astype("int32") @ np.array([1 << 16, 1 << 8, 1], "int32")
        listed = sorted(
            ((r << 16) + (g << 8) + b, i) for (r, g, b), i in self.mask_colors.items()
        )
        known, ids = np.array(listed, "int32").T
        at = np.minimum(np.searchsorted(known, codes), len(known) - 1)
        return np.where(known[at] == codes, ids[at], -1 - codes).astype("int32")


def unlisted_color(class_id):
    """Tell the color behind a negative class id.

    Args:
        class_id: negative integer.

    Returns:
        `(r, g, b)`.

    Example:
        >>> unlisted_color(-10)
        (0, 0, 9)
    """
    code = -1 - class_id
    return code >> 16, code >> 8 & 255, code & 255


def mask_values(mask_colors, label_table):
    """Tell what in masks stands for which class; class ids themselves are left out.

    Args:
        mask_colors: dict from `(r, g, b)` to class id.
        label_table: sequence of the class id of each value, or None.

    Returns:
        Dict from `"#rrggbb"` or a value to its class id.

    Example:
        >>> mask_values({(255, 0, 9): 1}, [0, 2, 2])
        {'#ff0009': 1, 1: 2}
    """
    colors = {f"#{r:02x}{g:02x}{b:02x}": i for (r, g, b), i in mask_colors.items()}
    table = () if label_table is None else label_table
    return colors | {value: int(i) for value, i in enumerate(table) if value != i}


def read_class_table(path: StrPath, ignore_class: int | None = 255) -> ClassTable:
    """Read a table of classes.

    Args:
        path: CSV file whose first line names the columns: `name` and, in any order,
            `id` (without it the first row is class 0), `r`, `g` and `b` (without them
            masks hold ids). Rows may share an id: the first names it. The row of
            `ignore_class` may tell its color.
        ignore_class: id of pixels without label; the classes that count are then the
            other ids, so that it is either above them all or in a row of its own.
            Defaults to 255.

    Returns:
        `ClassTable`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if something in it can't be; the message names the line.
    """
    path = user_path(path)
    rows = _rows(path)
    names, colors, mask_colors = {}, {}, {}
    for index, row in enumerate(rows):
        class_id = row.number("id", 65535) if "id" in row.cells else index
        name = from_cell(row.cells["name"])
        if not name:
            raise ValueError(f"{row.where}: the class has no name")
        names.setdefault(class_id, name)
        if "r" in row.cells:
            color = tuple(row.number(channel, 255) for channel in "rgb")
            if mask_colors.setdefault(color, class_id) != class_id:
                raise ValueError(f"{row.where}: color {color} stands for two classes")
            colors.setdefault(class_id, color)
    names.pop(ignore_class, None)
    colors.pop(ignore_class, None)
    if not names or sorted(names) != list(range(len(names))):
        raise ValueError(
            f"The ids in {str(path)!r} must be 0, 1, 2, ... without a gap, and "
            f"ignore_class={ignore_class} besides. Received: {sorted(names)}"
        )
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        raise ValueError(
            f"{str(path)!r} gives two ids the same name: {', '.join(map(repr, twice))}"
        )
    in_order = range(len(names))
    return ClassTable(
        tuple(names[i] for i in in_order),
        tuple(colors[i] for i in in_order) if colors else None,
        mask_colors,
    )


@dataclasses.dataclass(frozen=True)
class _Row:
    """A row of a table.

    Attributes:
        where: the file and the line, for the beginning of a message.
        cells: dict from a column's name to its text.
    """

    where: str
    cells: dict[str, str]

    def number(self, column, highest):
        """Return a cell's whole number from 0 to `highest`."""
        value = self.cells[column]
        # Of more digits Python would not make a number.
        if not value.isdecimal() or len(value) > 99 or int(value) > highest:
            raise ValueError(
                f"{self.where}: {column} must be a whole number from 0 to {highest}. "
                f"Received: {value[:99]!r}"
            )
        return int(value)


def _rows(path):
    """Return the rows of a class table, whose columns are known."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{str(path)!r} must be a CSV file, but is not one")
    tool = known_as(path)
    if tool is not None:
        raise ValueError(f"{str(path)!r} is {tool}")
    text = read_text(path)
    first = text.splitlines()[0] if text.strip() else ""
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r}, line {reader.line_num}, is not valid CSV: {error}"
        ) from None
    header = [name.strip().lower() for name in lines[0][1]] if lines else []
    _check_header(path, header, first)
    rows = []
    for line, cells in lines[1:]:
        where = f"{str(path)!r}, line {line}"
        beyond = cells[len(header) :]
        if any(beyond):
            raise ValueError(
                f"{where}, has more cells than the {len(header)} columns: put a name "
                f"with {delimiter!r} in double quotes. Received beyond them: "
                f"{', '.join(map(repr, beyond))}"
            )
        cells = [*(cell.strip() for cell in cells), *[""] * len(header)]
        rows.append(_Row(where, dict(zip(header, cells, strict=False))))
    return rows


def _check_header(path, header, line):
    """Refuse columns that are missing, unknown or there twice."""
    colors = {"r", "g", "b"}.intersection(header)
    if "name" not in header or len(colors) not in (0, 3):
        raise ValueError(
            f"The first line of {str(path)!r} must name the columns: name, and also id "
            f"and r,g,b where they are known. Received: {line!r}"
        )
    for name in header:
        if name not in _COLUMNS:
            raise ValueError(
                f"{str(path)!r} has the unknown column {name!r}"
                f"{did_you_mean(name, _COLUMNS) or '.'} It may have: "
                f"{', '.join(_COLUMNS)}"
            )
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise ValueError(
            f"The first line of {str(path)!r} must name each column once. More than "
            f"once: {', '.join(map(repr, twice))}"
        )
