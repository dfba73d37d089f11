"""The recipes that come with the package: flagfiles, by name."""

import pathlib

from keras_imas.near_miss import did_you_mean

_FOLDER = pathlib.Path(__file__).parent / "recipes"
# Where a checkout shows them.
_SHOWN_AS = ("examples", "flagfiles")


def recipe_names(dataset=""):
    """List the names of the recipes.

    Args:
        dataset: Name of a data set, such as `"voc"`. Defaults to `""`: of all.

    Returns:
        Sorted list of strings.

    Example:
        >>> recipe_names("voc")[0]
        'voc_blended_1_16_r101'
    """
    return sorted(path.stem for path in _FOLDER.glob(f"{dataset}*.flags"))


def recipe_file(name, dataset=""):
    """Return the path of a recipe's flagfile.

    Args:
        name: Its name.
        dataset: Name of the data set that it is for. Defaults to `""`: any.

    Returns:
        A string.

    Raises:
        ValueError: If there is no such recipe.

    Example:
        >>> recipe_file("voc_classic_92_r50").endswith("voc_classic_92_r50.flags")
        True
    """
    known = recipe_names(dataset)
    if name in known:
        return str(_FOLDER / f"{name}.flags")
    if not known:
        raise ValueError(
            f"There are no recipes of {dataset}, but of cityscapes and voc. Pass "
            "flags, or --flagfile=FILE"
        )
    raise ValueError(
        f"There is no recipe {name!r}{did_you_mean(name, known) or '.'} Recipes: "
        f"{', '.join(known)}"
    )


def recipe_table(dataset):
    """Return the recipes of a data set and the first line of each.

    Args:
        dataset: Name of the data set.

    Returns:
        String of a line each, empty if there are none.
    """
    lines = []
    for name in recipe_names(dataset):
        with open(recipe_file(name), encoding="utf-8") as file:
            lines.append(f"{name:32} {file.readline().lstrip('# ').rstrip()}")
    return "\n".join(lines)


def with_recipes(arguments, dataset):
    """Write the recipes that are named in a command line as flagfiles.

    Args:
        arguments: List of arguments. `--recipe=NAME` names one, and so does
            `--flagfile=NAME` where there is no such file.
        dataset: Name of the data set that they are for.

    Returns:
        List of arguments with the paths of flagfiles.

    Raises:
        ValueError: If there is no recipe of a name.

    Example:
        >>> with_recipes(["--recipe=voc_classic_92_r50", "--steps=5"], "voc")
        ['--flagfile=...voc_classic_92_r50.flags', '--steps=5']
    """
    found, rest = [], list(arguments)
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if flag in ("--recipe", "-recipe", "--flagfile", "-flagfile"):
            if not equals and rest:
                value = rest.pop(0)
            is_recipe = flag.endswith("recipe")
            path = recipe_file(value, dataset) if is_recipe else _flagfile(value)
            argument = f"--flagfile={path}"
        found.append(argument)
    return found


def _flagfile(path):
    """Return the path of a flagfile, of a recipe where there is none."""
    asked = pathlib.Path(path)
    place = asked.parent.parts[-2:]
    if not asked.exists() and asked.stem in recipe_names() and place in ((), _SHOWN_AS):
        return recipe_file(asked.stem)
    return path
