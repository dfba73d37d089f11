"""Splits: which images are labeled, which are unlabeled, which are held out."""

import itertools
import numbers
import os
import re
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from keras_imas.data.examples import Examples

_MAX_PROBLEMS = 10


def draw(names: Sequence[str], share: float, seed: int = 0) -> list[str]:
    """Draw a share of the names.

    Args:
        names: list of names.
        share: share to draw, in [0, 1]; at least one name is drawn.
        seed: integer seed. Defaults to 0.

    Returns:
        List of the names drawn, in the order of `names`.

    Example:
        >>> draw(["a", "b", "c", "d"], 0.5, seed=1)
        ['a', 'b']
    """
    count = max(round(share * len(names)), 1)
    return nested(names, [count], seed)[count]


def nested(
    names: Sequence[str],
    sizes: Sequence[float | Fraction],
    seed: int = 0,
    *,
    groups: Sequence[str] | None = None,
    classes: Sequence[set[int]] | None = None,
) -> dict[Any, list[str]]:
    """Draw splits of several sizes, each of which contains the smaller ones.

    The seed puts the groups (without `groups`, the names) in an order, and each size
    takes a beginning of it. With groups, that is the beginning whose number of names
    is nearest to the wanted one, the shorter of two that are equally near, and never
    less than one group.

    With `classes`, the smallest split keeps as much of the beginning of that order as
    leaves room for a cover of the classes still missing, which moves up to follow it:
    where nothing is missing, the draw is the same as without. A cover is found
    greedily: the group with the most missing classes for its size, the first in order
    of those, and so on. A smaller cover than that may exist where this finds that the
    classes don't fit. The smallest size decides what is moved, so that only splits
    drawn in one call are nested.

    Args:
        names: list of different names.
        sizes: wanted sizes: shares in (0, 1] as floats or `Fraction`s, of which each is
            at least one name, or numbers of names as integers.
        seed: integer seed. Defaults to 0.
        groups: list of the group of each name, such as its video sequence; a group is
            drawn as a whole or not at all. Defaults to None: each name by itself.
        classes: list of the set of class ids in each name's label map. Every class that
            is in any of them is in the smallest split. Defaults to None: not heeded.

    Returns:
        Dict from each of `sizes` to the list of its names, in the order of `names`.

    Raises:
        ValueError: if a name is there twice, if a size is not possible, or if the
            smallest size has no room for all classes.

    Example:
        >>> nested(["a1", "a2", "b1", "b2"], [0.5, 3])
        {0.5: ['a1', 'b1'], 3: ['a1', 'a2', 'b1']}
        >>> nested(["a1", "a2", "b1", "b2"], [0.5], groups=["a", "a", "b", "b"])
        {0.5: ['a1', 'a2']}
    """
    names, sizes = list(names), list(sizes)
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"`names` must differ. There more than once: {_list(twice)}")
    if not sizes or len(set(sizes)) < len(sizes):
        raise ValueError(
            f"`sizes` must be one or more different sizes. Received: sizes={sizes}"
        )
    for argument, values in (("groups", groups), ("classes", classes)):
        if values is not None and len(values) != len(names):
            raise ValueError(
                f"`{argument}` must have one entry for each of the {len(names)} names. "
                f"Received: {len(values)}"
            )
    counts = {size: _count(size, len(names)) for size in sizes}

    grouped = {}
    for index, group in enumerate(range(len(names)) if groups is None else groups):
        grouped.setdefault(group, []).append(index)
    order = np.random.default_rng(seed).permutation(len(grouped))
    unordered = list(grouped.values())
    members = [unordered[index] for index in order]
    if classes is not None:
        members = _with_all_classes(members, classes, min(counts.values()))
    return {
        size: [
            names[index]
            for index in sorted(itertools.chain(*members[: _nearest(members, count)]))
        ]
        for size, count in counts.items()
    }


def group_keys(names: Sequence[str], pattern: str) -> list[str]:
    r"""Find the group of each name, for `nested`.

    Args:
        names: list of names.
        pattern: regular expression, searched in each name. What its first group
            matched is the name's group; without a group in it, all that it matched.

    Returns:
        List of strings.

    Raises:
        ValueError: if it is no regular expression, or if it doesn't match a name.

    Example:
        >>> group_keys(["0001TP_006690", "0001TP_006720", "0016E5_00390"], r"^(\w+?)_")
        ['0001TP', '0001TP', '0016E5']
    """
    try:
        search = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"`pattern` must be a regular expression. Received: {pattern!r}: {error}"
        ) from error
    first = min(search.groups, 1)
    keys = [match and match[first] for match in map(search.search, names)]
    unmatched = [name for name, key in zip(names, keys, strict=True) if key is None]
    if unmatched:
        raise ValueError(
            f"{pattern!r} finds no group in {len(unmatched)} of {len(keys)} "
            f"names: {_list(unmatched)}. It must match somewhere in each name"
        )
    return [key for key in keys if key is not None]


def rest(names: Sequence[str], *taken: Sequence[str]) -> list[str]:
    """List the names that are in none of the parts taken.

    Args:
        names: list of names.
        *taken: lists of names.

    Returns:
        List of names, in the order of `names`.

    Example:
        >>> rest(["a", "b", "c"], ["b"], ["c"])
        ['a']
    """
    gone = set(itertools.chain(*taken))
    return [name for name in names if name not in gone]


def check_separate(*, allow_shared: bool = False, **parts: Examples) -> None:
    """Raise where an image is in two parts: what is held out would leak.

    Images are told apart by their files where these are known, else by their names.

    Args:
        allow_shared: whether labeled images may be among the unlabeled ones too.
            Defaults to False.
        **parts: `Examples` by the name of the part.

    Raises:
        ValueError: if two parts share images; it names up to ten.
    """
    for (one, a), (other, b) in itertools.combinations(parts.items(), 2):
        if allow_shared and {one, other} == {"labeled", "unlabeled"}:
            continue
        shared = in_both(a, b)
        if shared:
            shown = ", ".join(sorted(shared)[:10])
            cure = "Remove them from one of them."
            if {one, other} == {"labeled", "unlabeled"}:
                cure += " Or pass --labeled_as_unlabeled (`allow_shared=True`)."
            raise ValueError(
                f"{len(shared)} images are both in `{one}` and in `{other}`: {shown}"
                f"{', ...' if len(shared) > 10 else ''}. {cure}"
            )


def in_both(a: Examples, b: Examples) -> dict[str, str]:
    """Find the images that are in two parts, by their files, or else their names.

    Args:
        a: `Examples`.
        b: `Examples`.

    Returns:
        Dict from the file or name of each of them to its name in `b`.
    """
    if not (a.files and b.files):
        ours = set(a.names or ())
        return {name: name for name in b.names or () if name in ours}
    # Links and ways around lead to the same file.
    ours = set(map(os.path.realpath, a.files))
    names = zip(b.files, b.names or (), strict=True)
    return {file: name for file, name in names if os.path.realpath(file) in ours}


def _count(size, available):
    """Return how many names a size is, of those available."""
    is_share = not isinstance(size, numbers.Integral)
    if is_share and not 0 < size <= 1:
        raise ValueError(f"A share must be in (0, 1]. Received: {size}")
    count = max(round(size * available), 1) if is_share else int(size)
    if not 1 <= count <= available:
        raise ValueError(
            f"A number of names must be from 1 to {available}, as many as there are. "
            f"Received: {count}"
        )
    return count


def _nearest(members, count):
    """Return how many of the groups, from the first, are nearest to so many names."""
    reached = np.cumsum([len(group) for group in members])
    return 1 + int(np.argmin(np.abs(reached - count)))


def _with_all_classes(members, classes, count):
    """Move groups up so that the first ones, `count` names, have every class."""
    found = [set().union(*(classes[index] for index in group)) for group in members]
    everything = set().union(*found)
    for kept in range(_nearest(members, count), -1, -1):
        missing = everything.difference(*found[:kept])
        cover = _cover(missing, found, members)
        first = [*range(kept), *cover]
        order = [*first, *(i for i in range(len(members)) if i not in set(first))]
        moved = [members[index] for index in order]
        if _nearest(moved, count) >= len(first):
            return moved
    taken = order[: _nearest(moved, count)]
    lacking = everything.difference(*(found[index] for index in taken))
    needed = sum(len(members[index]) for index in cover)
    raise ValueError(
        f"Not all {len(everything)} classes fit in the smallest size, {count}: without "
        f"room are {_list(sorted(lacking))}. They were found to fit in {needed}: draw "
        "that many or more"
    )


def _cover(missing, found, members):
    """Return groups that together have the missing classes, greedily."""
    cover = []
    while missing:
        new = [
            len(classes & missing) / len(group)
            for classes, group in zip(found, members, strict=True)
        ]
        cover.append(int(np.argmax(new)))
        missing = missing - found[cover[-1]]
    return cover


def _list(items):
    more = ", ..." if len(items) > _MAX_PROBLEMS else ""
    return ", ".join(map(str, items[:_MAX_PROBLEMS])) + more
