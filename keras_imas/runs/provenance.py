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
    return {"python": platform.python_version(), **package_versions(PACKAGES)}


def package_versions(names):
    """Return the versions of packages.

    Args:
        names: Their names, as pip has them.

    Returns:
        Dict from name to version, `None` where a package is not installed.

    Example:
        >>> package_versions(["no-such-package"])
        {'no-such-package': None}
    """
    found = {}
    for name in names:
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


def split_checksum(**parts):
    """Return a checksum of which images are in which part.

    Args:
        **parts: Lists of names: `labeled`, `unlabeled`, ...

    Returns:
        16 hexadecimal digits; the order of the names within a part is no matter.

    Example:
        >>> checksum = split_checksum(labeled=["a"], unlabeled=["b", "c"])
        >>> checksum == split_checksum(labeled=["a"], unlabeled=["c", "b"])
        True
        >>> checksum == split_checksum(labeled=["a", "b"], unlabeled=["c"])
        False
    """
    digest = hashlib.sha256()
    for part, names in sorted(parts.items()):
        for name in [f"[{part}]", *sorted(names)]:
            digest.update(f"{name}\n".encode())
    return digest.hexdigest()[:16]
