"""Where a result comes from: versions, revision of the code, and the split."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess

PACKAGES = ("keras-imas", "keras", "tensorflow", "jax", "torch", "keras-cv", "numpy")


def versions():
    """Return the versions of Python and of the packages that matter.

    Returns:
        Dict from name to version, `None` where a package is not installed.

    Example:
        >>> versions()["keras"] is None
        False
    """
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def git_revision():
    """Return the git revision of the package's source, with `+` if it was changed.

    Returns:
        A string, or `None` where the package is not in a git checkout.
    """
    here = os.path.dirname(os.path.abspath(__file__))

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", here, *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        # Installed into somebody else's repository, the package is not part of it.
        git("ls-files", "--error-unmatch", "__init__.py")
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None


def split_checksum(labeled, unlabeled, validation=()):
    """Return a checksum of which images are labeled, unlabeled and validated on.

    Args:
        labeled: Names of labeled images.
        unlabeled: Names of unlabeled images.
        validation: Names of validation images. Defaults to `()`.

    Returns:
        16 hexadecimal digits; the order of names within a part is no matter.

    Example:
        >>> split_checksum(["a"], ["b", "c"]) == split_checksum(["a"], ["c", "b"])
        True
        >>> split_checksum(["a"], ["b", "c"]) == split_checksum(["a", "b"], ["c"])
        False
    """
    digest = hashlib.sha256()
    for part in (labeled, unlabeled, validation):
        for name in sorted(part):
            digest.update(f"{name}\n".encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
