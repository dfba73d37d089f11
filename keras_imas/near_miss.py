"""The name that a misspelt one is meant to be."""

import difflib
import unicodedata

# Looking for what is alike takes a second for so many names.
_MOST_NAMES = 5000


def near_miss(name, known):
    """Return the known name that is most like another one.

    Args:
        name: String.
        known: Iterable of strings.

    Returns:
        One of `known`: what differs by case, Unicode form, spaces and punctuation
        alone, else what has most letters in common and all digits; or `None` if none is
        alike.

    Example:
        >>> near_miss("IMG_7", ["img_7", "img_8"])
        'img_7'
        >>> near_miss("unlabelled", ["labeled", "unlabeled"])
        'unlabeled'
        >>> near_miss("sky", ["road", "car"])
    """
    plain = {}
    for other in known:
        plain.setdefault(_plain(other), other)
    name = _plain(name)
    if name in plain:
        return plain[name]
    if len(plain) > _MOST_NAMES:
        return None
    # One of another number is another one.
    same = [other for other in plain if _digits(other) == _digits(name)]
    close = difflib.get_close_matches(name, same, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


def did_you_mean(name, known):
    """Return the end of a message about a name that is not known.

    Args:
        name: String.
        known: Iterable of strings.

    Returns:
        String, empty if no name is alike.

    Example:
        >>> did_you_mean("clas_id", ["name", "class_id"])
        "; did you mean 'class_id'?"
    """
    found = near_miss(name, known)
    return "" if found is None else f"; did you mean {found!r}?"


def _plain(name):
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded


def _digits(name):
    return [letter for letter in name if letter.isdecimal()]
