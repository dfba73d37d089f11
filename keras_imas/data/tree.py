"""The image files below a folder, found by their names."""

import functools
import glob
import os
import stat
import unicodedata
from pathlib import Path

from keras_imas.data.lists import below
from keras_imas.files.user_path import user_path
from keras_imas.near_miss import did_you_mean

# What systems and editors put beside a user's files, with names starting with a dot.
_NOT_THE_USERS = ("__MACOSX", "@eaDir")

# Looking for a name that is alike takes as long as reading all names.
_MOST_HINTS = 10

# Suffixes of pictures and arrays that nothing here reads.
_UNREAD = (
    ".jfif", ".jpe", ".jp2", ".j2k", ".jpf", ".jxl", ".heic", ".heif", ".avif", ".tga",
    ".ppm", ".pgm", ".pnm", ".exr", ".hdr", ".svg", ".psd", ".dng", ".cr2", ".nef",
    ".arw", ".npy", ".npz", ".dcm", ".nii", ".nrrd", ".img", ".gtiff", ".geotiff",
)  # fmt: skip
_KINDS = {
    stat.S_ISFIFO: "a named pipe",
    stat.S_ISSOCK: "a socket",
    stat.S_ISCHR: "a device",
    stat.S_ISBLK: "a device",
    stat.S_ISDIR: "a folder",
}


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
        passed_over: dict from path below the folder to the reason, of what looks like
            an image and is not read: "hidden", "its suffix is not read", "a folder",
            "a named pipe", ...

    Raises:
        FileNotFoundError: if there is no such directory.
        OSError: if it, or one below it, can't be read.
    """

    def __init__(self, argument, folder, suffixes, lesser=()):
        self.where = Path(user_path(folder))
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
            paths = _matches(self.folder, pattern)
        self._real = {}
        self._hints = _MOST_HINTS
        self._index = {}
        self.passed_over = {}
        for path in sorted(path.replace(os.sep, "/") for path in paths):
            stem, suffix = os.path.splitext(path)
            reason = self._reason(path, suffix.lower())
            if reason:
                self.passed_over[path] = reason
            elif suffix.lower() in self._suffixes:
                self._index.setdefault(_composed(stem), []).append(path)

    def _reason(self, path, suffix):
        """Return why a path that looks like an image is none, or None."""
        if not _of_the_user(path):
            is_image = suffix in (*self._suffixes, *_UNREAD) or path.endswith("/")
            return "hidden" if is_image else None
        if suffix in self._suffixes:
            return _irregular(self.folder / path)
        return "its suffix is not read" if suffix in _UNREAD else None

    def __iter__(self):
        """Iterate over the files' paths below the folder, sorted."""
        return iter(sorted(path for paths in self._index.values() for path in paths))

    def leave_out(self, paths):
        """Leave files out.

        Args:
            paths: paths below the folder.
        """
        paths = set(paths)
        left = {
            stem: [path for path in found if path not in paths]
            for stem, found in self._index.items()
        }
        self._index = {stem: found for stem, found in left.items() if found}

    def named(self, name):
        """List the files of a name.

        Args:
            name: path below the folder, without suffix.

        Returns:
            List of paths below the folder.
        """
        return self._index.get(_composed(name), [])

    def name(self, path):
        """Return the name of a file, by which `find_listed` finds it.

        Args:
            path: path of the file below the folder.

        Returns:
            The path without suffix; with it where that would be another file's path,
            such as of "a.png.jpg" beside "a.png"; and where it ends in a space, which
            no line of a list holds.
        """
        name = os.path.splitext(path)[0]
        return path if self._exactly(name) or name != name.rstrip() else name

    def find(self, name):
        """Find a file by its name.

        Args:
            name: path below the folder, without suffix or with it.

        Returns:
            The file's path below the folder, or None.

        Raises:
            ValueError: if several files have this name.
        """
        found = self.named(name)
        preferred = [path for path in found if self.is_preferred(path)]
        found = preferred or found or self._exactly(name)
        if len(found) > 1:  # they may differ by their Unicode form alone
            found = [p for p in found if os.path.splitext(p)[0] == name] or found
        if len(found) > 1:
            raise ValueError(f"{name!r} may be {' or '.join(found)} in {self.folder}")
        return found[0] if found else None

    def find_listed(self, text):
        """Find the file that a list names.

        Args:
            text: path, as lists have it: see `keras_imas.data.lists.below`.

        Returns:
            The file's path below the folder, or None.

        Raises:
            ValueError: if several files have this name, or if it is the path of a file
                that is there, but is another one.
        """
        # As it is, too: a name may hold a backslash that separates nothing.
        for name in (text, *below(self.folder, text)):
            exactly = self._exactly(name)
            found = exactly[0] if exactly else self.find(name)
            if found is not None:
                other = os.path.isabs(text) and os.path.isfile(text)
                if other and not os.path.samefile(text, self.folder / found):
                    raise ValueError(f"{text} is a file that is not in {self.folder}")
                return found
        return None

    def real_path(self, path):
        """Tell where a file is, whatever links lead to it.

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
        """Tell what file was looked for.

        Args:
            name: path below the folder, without suffix or with it.

        Returns:
            `Path`, without suffix followed by those that it may have.
        """
        if os.path.splitext(name)[1].lower() not in self._suffixes:
            name = f"{name}{{{','.join(self.suffixes)}}}"
        return self.folder / name

    def instead(self, name):
        """Tell what is there where a file is not: for the end of a message.

        Args:
            name: path below the folder, without suffix or with it.

        Returns:
            String, empty if nothing is alike.
        """
        for path, reason in self.passed_over.items():
            if _composed(name) in map(_composed, (path, os.path.splitext(path)[0])):
                return f"; {path} is passed over: {reason}"
        if not self._hints:
            return ""
        self._hints -= 1
        stem, suffix = os.path.splitext(name)
        return did_you_mean(
            stem if suffix.lower() in self._suffixes else name, self._index
        )

    def is_preferred(self, path):
        """Tell whether a file has one of the preferred suffixes.

        Args:
            path: path below the folder.

        Returns:
            A boolean.
        """
        return os.path.splitext(path)[1].lower() in self.suffixes

    def _exactly(self, name):
        stem, suffix = os.path.splitext(name)
        same = [
            path
            for path in self.named(stem)
            if os.path.splitext(path)[1].lower() == suffix.lower()
        ]
        return [name] if name in same else same


def _split_pattern(path):
    """Return a folder and the pattern below it, or None."""
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


def _composed(name):
    """Return a name as composed characters (NFC), whichever way it was typed."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def _irregular(path):
    """Return what is no regular file, such as "a named pipe", or None for a file."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        is_link = os.path.islink(path)
        return "a link to a file that is not there" if is_link else "not there"
    if stat.S_ISREG(mode):
        return None
    return next(what for is_kind, what in _KINDS.items() if is_kind(mode))


def _walk(folder):
    """Yield what is below a folder, as paths relative to it.

    Folders that are left out end in "/". Others are only among them where they have a
    suffix, as an image would.
    """

    def fail(error):
        raise error

    walk = os.walk(folder, onerror=fail, followlinks=True)
    for directory, subdirectories, names in walk:
        relative = os.path.relpath(directory, folder)
        names += [name for name in subdirectories if os.path.splitext(name)[1]]
        names += [f"{name}/" for name in subdirectories if not _of_the_user(name)]
        yield from (
            name if relative == "." else os.path.join(relative, name) for name in names
        )
        subdirectories[:] = [
            name
            for name in subdirectories
            if _of_the_user(name) and not _leads_back(os.path.join(directory, name))
        ]


def _matches(folder, pattern):
    """List what a pattern fits below a folder, by no link that leads back."""

    @functools.cache
    def comes_here(directory):
        if not directory:
            return True
        before = comes_here(os.path.dirname(directory))
        return before and not _leads_back(os.path.join(folder, directory))

    found = glob.glob(pattern, root_dir=folder, recursive=True)
    return [path for path in found if comes_here(os.path.dirname(path))]


def _leads_back(directory):
    """Tell whether a directory is a link to one on the way to it, or above one."""
    if not os.path.islink(directory):
        return False
    real = os.path.realpath(directory)
    way = map(os.path.realpath, Path(directory).parents)
    return any(Path(passed).is_relative_to(real) for passed in way)
