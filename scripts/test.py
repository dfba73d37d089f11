"""Run the test suite on each Keras backend, each in a process of its own.

    python scripts/test.py --backend jax --full -- -k hardness

Arguments that aren't listed below go to pytest. The exit status is 1 if any backend
failed.
"""

import argparse
import os
import pathlib
import subprocess
import sys

BACKENDS = ("tensorflow", "jax", "torch")
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
    options, pytest_arguments = parser.parse_known_args()
    pytest_arguments = [a for a in pytest_arguments if a != "--"]
    if options.full:
        pytest_arguments.append("--full")

    failed = []
    for backend in options.backend or BACKENDS:
        print(f"[{backend}]", flush=True)
        process = subprocess.run(
            [sys.executable, "-m", "pytest", *pytest_arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "KERAS_BACKEND": backend,
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
        )
        if process.returncode:
            failed.append(backend)
    if failed:
        sys.exit(f"Failed on: {', '.join(failed)}")


if __name__ == "__main__":
    main()
