"""Text in CSV files that spreadsheets open."""

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_MARK = "'"


def to_cell(text):
    """Return a text as a CSV file should hold it, so that it is no formula.

    Where it begins as a formula does, an apostrophe is put in front, which spreadsheets
    hide or show as text.

    Args:
        text: A string, such as a name.

    Returns:
        A string.

    Example:
        >>> to_cell("=1+1"), to_cell("road")
        ("'=1+1", 'road')
    """
    return _MARK + text if text.lstrip(_MARK).startswith(_FORMULA) else text


def from_cell(text):
    """Return the text that `to_cell` was given.

    Args:
        text: A string of a CSV file.

    Returns:
        A string.

    Example:
        >>> from_cell("'=1+1"), from_cell("road"), from_cell("'round")
        ('=1+1', 'road', "'round")
    """
    marked = text.startswith(_MARK) and text.lstrip(_MARK).startswith(_FORMULA)
    return text[len(_MARK) :] if marked else text
