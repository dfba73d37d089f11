"""Put training through what happens to runs of days, and say what was lost.

    python scripts/torture.py [--quick] [--only=kills,disk] [--table=table.md]

Prints a table in Markdown: the fault, how often it was tried, what was lost. Real
processes of a small training are killed, stopped, starved of disk and fed with what is
broken; each outcome is compared with that of a run nothing happened to. Several kinds
of faults are tried at once, a process for each core. Takes about 10 minutes on two
cores, about three with --quick. The exit status is 1 if more was lost than the table's
rules allow. KERAS_BACKEND chooses the backend.
"""

import argparse
import concurrent.futures
import dataclasses
import importlib
import multiprocessing
import os
import pathlib
import sys
import tempfile
import time

# Modules of `tortures`, each with `run(torture)`, which yields `Row`s. Imported when
# they are asked for.
TORTURES = ("kills", "damage", "disk", "signals", "locks", "hostile", "long_run")
_SLOWEST = ("long_run", "kills", "hostile")  # they begin first


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="Try each fault once.")
    parser.add_argument(
        "--only",
        default=",".join(TORTURES),
        help=f"Which: of {','.join(TORTURES)}. All by default.",
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of when faults fall.")
    parser.add_argument("--table", help="File to write the table to, too.")
    options = parser.parse_args()
    names = options.only.split(",")
    if not set(names) <= set(TORTURES):
        parser.error(f"--only must be of {','.join(TORTURES)}")

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Imported as the tortures import it, so that there is one `Row`.
    from tortures.torture import Torture, table

    start = time.perf_counter()
    found = {}
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="torture-") as directory,
        concurrent.futures.ProcessPoolExecutor(os.cpu_count(), spawn) as pool,
    ):
        torture = Torture(
            quick=options.quick, seed=options.seed, directory=pathlib.Path(directory)
        )
        order = sorted(names, key=lambda name: name not in _SLOWEST)
        tasks = {pool.submit(suffer, name, torture): name for name in order}
        for task in concurrent.futures.as_completed(tasks):
            found[tasks[task]] = task.result()
            for row in task.result():
                print(row, flush=True)
    rows = [row for name in names for row in found[name]]
    text = table(rows)
    print(f"\n{text}\nTook {(time.perf_counter() - start) / 60:.1f} min.")
    if options.table:
        pathlib.Path(options.table).write_text(text)
    sys.exit(any(not row.passed for row in rows))


def suffer(name, torture):
    """Return the rows of one kind of faults, tried in a directory of its own."""
    torture = dataclasses.replace(torture, directory=torture.room(name))
    return list(importlib.import_module(f"tortures.{name}").run(torture))


if __name__ == "__main__":
    main()
