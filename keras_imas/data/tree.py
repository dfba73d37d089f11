"""The image files below a folder, found by their names."""

import glob
import os
from pathlib import Path

from keras_imas.data.lists import below

# What systems and editors put beside a user's files, with names starting with a dot.
_NOT_THE_USERS = ("__MACOSX", "@eaDir")


class Tree:
    """The files of some kinds below a folder.

    Args:
        argument: name of the argument that is the folder, for errors.
        folder: directory; or a pattern such as "photos/*/night_*.jpg".
        suffixes: suffixes of the files, preferred ones first.
        lesser: suffixes of files that count where no other has the name. Defaults to
            none.

    Attributes:
        folder: `Path` of the directory; of a pattern the part that has no wildcard.
        where: `Path` of the directory, or the pattern.

    Raises:
        FileNotFoundError: if there is no such directory.
        OSError: if it, or one below it, can't be read.
    """

    def __init__(self, argument, folder, suffixes, lesser=()):
        self.where = Path(folder)
        self.folder, pattern = _split_pattern(self.where)
        if not os.path.isdir(self.folder):
            what = "is not one" if os.path.exists(self.folder) else "does not exist"
            raise FileNotFoundError(
                f"`{argument}` must be a directory. Received: "
                f"{argument}={str(self.folder)!r}, which {what}."
            )
        self.suffixes = suffixes
        self._suffixes = (*suffixes, *lesser)
        if pattern is None:
            paths = _walk(self.folder)
        else:
            paths = glob.glob(pattern, root_dir=self.folder, recursive=True)
        self._real = {}
        self._index = {}
        for path in sorted(path.replace(os.sep, "/") for path in paths):
            stem, suffix = os.path.splitext(path)
            if suffix.lower() in self._suffixes and _of_the_user(path):
                self._index.setdefault(stem, []).append(path)

    def __iter__(self):
        """Iterates over the files' paths below the folder, sorted."""
        return iter(sorted(path for paths in self._index.values() for path in paths))

    def leave_out(self, paths):
        """Leaves files out.

        Args:
            paths: paths below the folder.
        """
        paths = set(paths)
        left = {
            stem: [path for path in found if path not in paths]
            for stem, found in self._index.items()
        }
        self._index = {stem: found for stem, found in left.items() if found}

    def find(self, name):
        """Finds a file by its name.

        Args:
            name: path below the folder, without suffix or with it.

        Returns:
            The file's path below the folder, or None.

        Raises:
            ValueError: if several files have this name.
        """
        found = self._index.get(name, [])
        preferred = [path for path in found if self._is_preferred(path)]
        found = preferred or found or self._exactly(name)
        if len(found) > 1:
            raise ValueError(f"{name!r} may be {' or '.join(found)} in {self.folder}")
        return found[0] if found else None

    def find_listed(self, text):
        """Finds the file that a list names.

        Args:
            text: path, as lists have it: see `keras_imas.data.lists.below`.

        Returns:
            The file's path below the folder, or None.

        Raises:
            ValueError: if several files have this name, or if it is the path of a file
                that is there, but is another one.
        """
        for name in below(self.folder, text):
            exactly = self._exactly(name)
            found = exactly[0] if exactly else self.find(name)
            if found is not None:
                other = os.path.isabs(text) and os.path.isfile(text)
                if other and not os.path.samefile(text, self.folder / found):
                    raise ValueError(f"{text} is a file that is not in {self.folder}")
                return found
        return None

    def real_path(self, path):
        """Tells where a file is, whatever links lead to it.

        Args:
            path: path of a file below the folder; "" for the folder itself.

        Returns:
            Absolute path without links.
        """
        directory, name = os.path.split(path)
        if directory not in self._real:  # one look a folder, not a file
            self._real[directory] = os.path.realpath(self.folder / directory)
        real = os.path.join(self._real[directory], name) if name else None
        if real is None or not os.path.islink(real):
            return real or self._real[directory]
        return os.path.realpath(real)

    def expected(self, name):
        """Tells what file was looked for.

        Args:
            name: path below the folder, without suffix or with it.

        Returns:
            `Path`, without suffix followed by those that it may have.
        """
        if os.path.splitext(name)[1].lower() not in self._suffixes:
            name = f"{name}{{{','.join(self.suffixes)}}}"
        return self.folder / name

    def _exactly(self, name):
        return [name] if name in self._index.get(os.path.splitext(name)[0], ()) else []

    def _is_preferred(self, path):
        return os.path.splitext(path)[1].lower() in self.suffixes


def _split_pattern(path):
    """Returns a folder and the pattern below it, or None."""
    if path.is_dir() or not glob.has_magic(str(path)):
        return path, None
    fixed = path
    # A folder's own name may hold brackets.
    while glob.has_magic(str(fixed)) and not fixed.is_dir():
        fixed = fixed.parent
    return fixed, path.relative_to(fixed).as_posix()


def _of_the_user(path):
    parts = path.split("/")
    return not any(part.startswith(".") or part in _NOT_THE_USERS for part in parts)


def _walk(folder):
    """Yields the files below a folder, as paths relative to it."""

    def fail(error):
        raise error

    walk = os.walk(folder, onerror=fail, followlinks=True)
    for directory, subdirectories, names in walk:
        relative = os.path.relpath(directory, folder)
        yield from (os.path.normpath(os.path.join(relative, name)) for name in names)
        subdirectories[:] = [
            name
            for name in subdirectories
            if _of_the_user(name) and not _is_above(os.path.join(directory, name))
        ]


def _is_above(directory):
    """Tells whether a directory is a link to one that it is in."""
    if not os.path.islink(directory):
        return False
    real, parent = map(os.path.realpath, (directory, os.path.dirname(directory)))
    return os.path.commonpath([real, parent]) == real
