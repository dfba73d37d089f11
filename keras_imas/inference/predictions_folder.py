"""A folder of predictions, which a run of the same settings continues."""

import contextlib
import hashlib
import json
import os
import pathlib
import sys

from keras_imas.files import lock, standard_json
from keras_imas.files.whole_file import unfinished_files, write_whole
from keras_imas.inference import mask_file

LISTED = "predictions.json"


@contextlib.contextmanager
def claimed(output_dir, settings, told):
    """Hold a folder of predictions against other processes.

    Args:
        output_dir: `pathlib.Path` of the folder; made if it is absent.
        settings: Dict, as JSON has it, of how predictions are made.
        told: Dict to write into `predictions.json`; holds `settings`.

    Raises:
        FileExistsError: If it holds other files, or predictions made in another way, or
            another process writes there.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with claimed(pathlib.Path(directory, "out"), {"flip": True}, {}):
        ...         sorted(os.listdir(f"{directory}/out"))
        ['lock', 'lock.json', 'predictions.json']
    """
    _check(output_dir, settings)  # before the lock, which leaves files there
    output_dir.mkdir(parents=True, exist_ok=True)
    with lock.locked(output_dir):
        _check(output_dir, settings)
        for folder, _, _ in os.walk(output_dir):  # masks lie in folders of their own
            for file in unfinished_files(folder):
                pathlib.Path(file).unlink()
        write_whole(output_dir / LISTED, standard_json.dumps(told, indent=1) + "\n")
        yield


def _check(output_dir, settings):
    made = output_dir / LISTED
    if made.is_file():
        try:
            before = json.loads(made.read_text(encoding="utf-8"))
        except ValueError:
            before = None
        if not isinstance(before, dict):  # the masks tell what they were made from
            print(
                f"Warning: {str(made)!r} is damaged. It is written again, and so are "
                "masks that were made in another way",
                file=sys.stderr,
            )
            return
        other = [k for k, v in settings.items() if before.get(k) != v]
        if other:
            changes = [f"{k}={before.get(k)!r}, now {settings[k]!r}" for k in other]
            raise FileExistsError(
                f"{str(output_dir)!r} holds predictions that were made in another way: "
                f"{'; '.join(changes)}. Choose another directory, or remove it"
            )
        return
    if not output_dir.exists():
        return
    if not output_dir.is_dir() or {p.name for p in output_dir.iterdir()} - {
        *lock.FILES
    }:
        raise FileExistsError(
            f"{str(output_dir)!r} is not empty and holds no predictions, and nothing "
            "is overwritten. Choose another directory"
        )


def source_digest(path, settings):
    """Return a digest of an image file's content and of how it is predicted.

    Args:
        path: Path of the image.
        settings: As in `claimed`.

    Returns:
        64 hexadecimal digits.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(standard_json.dumps(settings, sort_keys=True).encode())
    return digest.hexdigest()


def made_from(paths):
    """Return what the files of an image were made from.

    Args:
        paths: Paths of the files; the last is the mask, which is written last and tells
            it, see `keras_imas.inference.mask_file`.

    Returns:
        What `source_digest` returned; `None` if a file is missing or doesn't tell.
    """
    if not all(map(os.path.isfile, paths)):
        return None
    return mask_file.made_from(paths[-1])
