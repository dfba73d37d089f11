"""Checkpoints of a run: a directory of them, of which the newest is always whole."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import sys

import numpy as np

from keras_imas.files import standard_json
from keras_imas.files.whole_file import synchronize_directory

_ARRAYS, _STATE, _MANIFEST = "arrays.npz", "state.json", "manifest.json"
_FORMAT = 1
_SLACK = 1 << 20  # bytes for the state, and what a file system takes besides


class Corrupted(ValueError):
    """A checkpoint is not as it was written."""


class Checkpoints:
    """Write checkpoints to a directory, and read the newest one that is whole.

    Each is a directory of its own: arrays, without pickles, a state in JSON, and a
    manifest with their sizes and checksums. It is written under another name, put on
    disk, renamed, and read back before an older one is removed: whenever the process or
    the machine dies, the last one that was finished is there.

    Args:
        directory: Where they are; made when the first is written.
        keep: How many to keep, at least 1. Defaults to `2`.
        configuration: Dict, as JSON has it, of what a run must agree in to be resumed.
            Defaults to `None`: nothing.

    Raises:
        ValueError: If `keep` is less than 1.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     checkpoints = Checkpoints(directory, configuration={"seed": 0})
        ...     checkpoints.save(7, {"weights": np.arange(3)}, {"epoch": 1})
        ...     step, arrays, state = checkpoints.newest()
        >>> step, arrays["weights"].tolist(), state
        (7, [0, 1, 2], {'epoch': 1})
    """

    def __init__(self, directory, *, keep=2, configuration=None):
        if keep < 1:
            raise ValueError(f"`keep` must be at least 1. Received: keep={keep}")
        self.directory = os.fspath(directory)
        self.keep = keep
        self.configuration = standard_json.as_read(configuration or {})

    def steps(self):
        """Return the steps of which there are checkpoints, oldest first."""
        if not os.path.isdir(self.directory):
            return []
        names = map(_NAME.fullmatch, os.listdir(self.directory))
        return sorted(int(name[1]) for name in names if name)

    def save(self, step, arrays, state):
        """Write a checkpoint; then remove old ones, but `keep`.

        One of this step that is there already stays as it is.

        Args:
            step: Number of the step, not negative.
            arrays: Dict of NumPy arrays.
            state: Dict as JSON has it, of anything else.

        Raises:
            OSError: If it can't be written, such as on a full disk. What was there
                before is as it was.
        """
        os.makedirs(self.directory, exist_ok=True)
        path = self._path(step)
        if os.path.isdir(path):
            return
        self._require_room(sum(array.nbytes for array in arrays.values()))
        part = f"{path}.part"
        shutil.rmtree(part, ignore_errors=True)
        try:
            os.mkdir(part)
            with _synchronized(part, _ARRAYS) as file:
                np.savez(file, **{k: _as_plain(v) for k, v in arrays.items()})
            content = {"configuration": self.configuration, "state": state}
            text = standard_json.dumps_exactly(content)  # as NaN is not equal to NaN
            with _synchronized(part, _STATE) as file:
                file.write(text.encode())
            manifest = {
                "format": _FORMAT,
                "files": {name: _fingerprint(part, name) for name in (_ARRAYS, _STATE)},
            }
            with _synchronized(part, _MANIFEST) as file:
                file.write(standard_json.dumps(manifest).encode())
            synchronize_directory(part)
            written, content_read = _read(part)
            same = all(
                _as_plain(array).tobytes() == written[name].tobytes()
                for name, array in arrays.items()
            )
            if not same or standard_json.dumps_exactly(content_read) != text:
                raise OSError(errno.EIO, f"{part} differs from what was written")
            os.rename(part, path)
            synchronize_directory(self.directory)
        except Corrupted as error:
            shutil.rmtree(part, ignore_errors=True)
            raise OSError(errno.EIO, str(error)) from error
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        for old in self.steps()[: -self.keep]:
            self._remove(old)

    def newest(self):
        """Read the newest checkpoint that is whole, and set aside those that are not.

        What is wrong with one is printed, and it is renamed to end in `.corrupted`.

        Returns:
            `(step, arrays, state)`, or `None` where there is none at all.

        Raises:
            ValueError: If none is whole, or it is of another configuration.
        """
        reasons = []
        for step in reversed(self.steps()):
            path = self._path(step)
            try:
                arrays, content = _read(path)
            except Corrupted as error:
                reasons.append(str(error))
                continue
            different = differences(content["configuration"], self.configuration)
            if different:
                raise ValueError(
                    f"The checkpoint {path!r} is of another configuration: {different}"
                )
            # Only now, as there is one to resume from: none is touched where all fail.
            for reason in reasons:
                print(
                    f"Warning: {reason}. The one before it, of step {step:,}, is taken",
                    file=sys.stderr,
                )
            for newer in self.steps():
                if newer > step:
                    corrupted = self._path(newer)
                    shutil.rmtree(f"{corrupted}.corrupted", ignore_errors=True)
                    os.rename(corrupted, f"{corrupted}.corrupted")
            return step, arrays, content["state"]
        if reasons:
            raise ValueError(
                f"No checkpoint in {self.directory!r} can be used: "
                f"{'; '.join(reasons)}. Remove that directory to start from the first "
                "step"
            )
        return None

    def clean(self):
        """Remove what processes have left that died while they were writing."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(self.directory):
                if name.endswith(".part"):
                    shutil.rmtree(os.path.join(self.directory, name))

    def _path(self, step):
        return os.path.join(self.directory, f"step-{step:09}")

    def _remove(self, step):
        # Renamed first, so that half of one is never taken for a whole one.
        part = f"{self._path(step)}.part"
        os.rename(self._path(step), part)
        shutil.rmtree(part)

    def _require_room(self, size):
        needed = size + _SLACK
        # The newest one stays in any case.
        for old in self.steps()[:-1]:
            if shutil.disk_usage(self.directory).free >= needed:
                return
            self._remove(old)
        free = shutil.disk_usage(self.directory).free
        if free < needed:
            raise OSError(
                errno.ENOSPC,
                f"the disk of {self.directory!r} has {free / 1e6:,.1f} MB left, and a "
                f"checkpoint takes {needed / 1e6:,.1f} MB",
            )


_NAME = re.compile(r"step-(\d{9,})")


def differences(before, now):
    """Name what two configurations differ in.

    Args:
        before: Dict, as JSON has it; dicts in it are compared by their keys.
        now: Dict like it.

    Returns:
        A string, empty where they agree.

    Example:
        >>> differences({"steps": 5, "seed": 0}, {"steps": 6, "seed": 0})
        'steps was 5, is 6'
    """

    def compare(before, now, name):
        if isinstance(before, dict) and isinstance(now, dict):
            for key in sorted(before.keys() | now.keys()):
                path = f"{name}.{key}" if name else key
                yield from compare(before.get(key), now.get(key), path)
        elif before != now:
            yield f"{name} was {_brief(before)}, is {_brief(now)}"

    return "; ".join(compare(before, now, ""))


def _brief(value):
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _as_plain(array):
    """Types that NumPy has not, such as bfloat16, as their bits."""
    array = np.asarray(array)
    return array.view(f"u{array.itemsize}") if array.dtype.kind == "V" else array


@contextlib.contextmanager
def _synchronized(directory, name):
    """Open a file to write, that is on disk afterwards."""
    with open(os.path.join(directory, name), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def _fingerprint(directory, name):
    with open(os.path.join(directory, name), "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"bytes": file.tell(), "sha256": digest}


def _read(path):
    """Read and check a checkpoint; return its arrays and the rest of its content."""
    try:
        with open(os.path.join(path, _MANIFEST), "rb") as file:
            manifest = json.loads(file.read())
        if manifest["format"] != _FORMAT:
            raise Corrupted(
                f"The checkpoint {path!r} has format {manifest['format']!r}, which "
                f"this version does not know; it knows {_FORMAT}"
            )
        for name in (_ARRAYS, _STATE):
            found, listed = _fingerprint(path, name), manifest["files"][name]
            if found["bytes"] != listed["bytes"]:
                raise Corrupted(
                    f"The checkpoint {path!r} is damaged: {name} has "
                    f"{found['bytes']:,} bytes of {listed['bytes']:,}"
                )
            if found != listed:
                raise Corrupted(
                    f"The checkpoint {path!r} is damaged: the content of {name} is not "
                    "what was written"
                )
        with np.load(os.path.join(path, _ARRAYS), allow_pickle=False) as arrays:
            arrays = dict(arrays)
        with open(os.path.join(path, _STATE), "rb") as file:
            content = standard_json.loads_exactly(file.read())
    except FileNotFoundError as error:
        raise Corrupted(
            f"The checkpoint {path!r} is incomplete: {os.path.basename(error.filename)}"
            " is missing"
        ) from error
    except Corrupted:
        raise
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise Corrupted(f"The checkpoint {path!r} can't be read: {error}") from error
    return arrays, content
