"""Run the test suite on each Keras backend, each in a process of its own.

    python scripts/test.py --backend jax --full -- -k hardness

Arguments that aren't listed below go to pytest. Several backends run at the same time,
and their output comes one after the other. The exit status is 1 if any backend failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")  # the slowest first
ROOT = pathlib.Path(__file__).resolve().parents[1]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--backend",
        action="append",
        choices=BACKENDS,
        help="Backend to test on; repeat it for several. All by default.",
    )
    parser.add_argument(
        "--full", action="store_true", help="Run the slow tests, marked `full`, too."
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(os.cpu_count() or 1, len(BACKENDS)),
        help="Backends to test at the same time. Defaults to one for each core: "
        "%(default)s here.",
    )
    options, pytest_arguments = parser.parse_known_args()
    if options.jobs < 1:
        parser.error(f"--jobs must be positive. Received: {options.jobs}")
    pytest_arguments = [a for a in pytest_arguments if a != "--"]
    if options.full:
        pytest_arguments.append("--full")

    backends = options.backend or BACKENDS
    threads = max((os.cpu_count() or 1) // min(options.jobs, len(backends)), 1)
    failed = []
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(options.jobs) as pool,
    ):
        logs = [pathlib.Path(folder, f"{backend}.log") for backend in backends]
        runs = [
            pool.submit(run, backend, log, pytest_arguments, threads)
            for backend, log in zip(backends, logs, strict=True)
        ]
        for backend, log, future in zip(backends, logs, runs, strict=True):
            print(f"[{backend}]", flush=True)
            show(log, future)
            if future.result():
                failed.append(backend)
    if failed:
        sys.exit(f"Failed on: {', '.join(failed)}")


def run(backend, log, pytest_arguments, threads):
    """Test on a backend with so many threads, and return pytest's exit status."""
    with open(log, "wb") as file:
        return subprocess.run(
            [sys.executable, "-m", "pytest", *pytest_arguments],
            cwd=ROOT,
            env={
                "PYTHONUNBUFFERED": "1",
                "OMP_NUM_THREADS": str(threads),
                "TF_NUM_INTRAOP_THREADS": str(threads),
                # What one test or program has compiled, the next one takes from here.
                "JAX_COMPILATION_CACHE_DIR": str(log.with_name("compiled")),
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
                "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            stdout=file,
            stderr=subprocess.STDOUT,
        ).returncode


def show(log, future):
    """Print what is written to a log until its process has ended."""
    while not log.exists() and not future.done():
        time.sleep(0.1)
    with open(log, "rb") as file:
        while True:
            done = future.done()
            sys.stdout.buffer.write(file.read())
            sys.stdout.buffer.flush()
            if done:
                return
            time.sleep(0.2)


if __name__ == "__main__":
    main()
