"""What to call an image in a report."""


def image_name(name):
    """Return the name of an image, in words where it has none of its own.

    Args:
        name: Name by which hardness is logged: `"#7"` is the eighth image of a data set
            without names.

    Returns:
        A string.

    Example:
        >>> image_name("street/a"), image_name("#7")
        ('street/a', 'unlabeled image 7')
    """
    name = str(name)
    if name[:1] == "#" and name[1:].isdigit():
        return f"unlabeled image {name[1:]}"
    return name
