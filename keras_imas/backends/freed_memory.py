"""What the C library does with memory that is freed: keep it, for the next step."""

import ctypes
import os
import platform

# Of `malloc.h`. The values are C ints: 2 GiB less a byte is the largest.
_OPTIONS = {
    "M_ARENA_MAX": (-8, 1),
    "M_MMAP_THRESHOLD": (-3, 32 << 20),
    "M_TRIM_THRESHOLD": (-1, (1 << 31) - 1),
    "M_TOP_PAD": (-2, 512 << 20),
}


def keep_freed_memory() -> bool:
    """Keep freed memory in the process, for all that it allocates from now on.

    By default glibc gives large blocks back to the kernel as soon as they are freed. A
    training step frees and allocates hundreds, and the kernel fills each with zeros,
    page by page. Call it before threads start: a thread keeps the pool that it has.

    Nothing changes without glibc, nor where the environment has settings of its own,
    `MALLOC_...` or `GLIBC_TUNABLES`.

    Returns:
        Whether it is kept.

    Example:
        >>> keep_freed_memory() in (True, False)
        True
    """
    own = [n for n in os.environ if n.startswith("MALLOC_") or n == "GLIBC_TUNABLES"]
    if platform.libc_ver()[0] != "glibc" or own:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(option, value) for option, value in _OPTIONS.values()])
