"""Does work ahead in threads, in order."""

import collections
import concurrent.futures
import os


def ahead(function, items, *, workers=None, pending=None):
    """Call a function on items in threads, a few items ahead of who takes the results.

    Decoding leaves Python's lock to others, so that threads share the cores.

    Args:
        function: what is called.
        items: iterable of its argument.
        workers: number of threads. Defaults to the machine's cores, 16 at most.
        pending: results that wait to be taken, at most. Defaults to two a thread.

    Yields:
        The results, in the order of the items.

    Example:
        >>> list(ahead(abs, [3, -2, 1]))
        [3, 2, 1]
    """
    workers = workers or thread_count()
    pending = pending or 2 * workers
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = collections.deque()
        try:
            for item in items:
                futures.append(pool.submit(function, item))
                if len(futures) > pending:
                    yield futures.popleft().result()
            while futures:
                yield futures.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def thread_count():
    """Return how many threads read and decode.

    Returns:
        The number of cores that this process may use, 16 at most.
    """
    cores = getattr(os, "sched_getaffinity", None)
    return min(len(cores(0)) if cores else os.cpu_count() or 1, 16)
