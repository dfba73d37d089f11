"""Splits: which images are labeled, which are unlabeled, which are held out."""

import itertools

import numpy as np


def draw(names, share, seed=0):
    """Draws a share of the names.

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
    order = np.random.default_rng(seed).permutation(len(names))
    return [
        names[index] for index in sorted(order[: max(round(share * len(names)), 1)])
    ]


def rest(names, *taken):
    """Lists the names that are in none of the parts taken.

    Args:
        names: list of names.
        *taken: lists of names.

    Returns:
        List of names, in the order of `names`.

    Example:
        >>> rest(["a", "b", "c"], ["b"], ["c"])
        ['a']
    """
    taken = set(itertools.chain(*taken))
    return [name for name in names if name not in taken]


def check_separate(**parts):
    """Raises where an image is in two parts: what is held out would leak.

    Images are told apart by their files where these are known, else by their names.

    Args:
        **parts: `Examples` by the name of the part.

    Raises:
        ValueError: if two parts share images; it names up to ten.
    """
    for (one, a), (other, b) in itertools.combinations(parts.items(), 2):
        key = "files" if a.files and b.files else "names"
        shared = set(getattr(a, key) or ()) & set(getattr(b, key) or ())
        if shared:
            shown = ", ".join(sorted(shared)[:10])
            raise ValueError(
                f"{len(shared)} images are both in `{one}` and in `{other}`: {shown}"
                f"{', ...' if len(shared) > 10 else ''}. Remove them from one of them."
            )
