"""Record what training does on tiny networks, to show that a change changes nothing.

    python scripts/behaviour.py --backend=torch --output=before.json --save=before.keras
    (change the code, or set PYTHONPATH to another checkout)
    python scripts/behaviour.py --backend=torch --output=after.json --load=before.keras
    python scripts/behaviour.py --compare before.json after.json

A record holds, for each scenario, hashes of all variables, the logs as exact numbers,
the texts of warnings and errors: networks with and without an auxiliary head, precision
and replicas, steps that are not finite, resumed runs, files, misuse. Two records of the
same code are equal to the bit, on one machine: each backend runs on one thread, with
its deterministic operations. Only public names are used, so that the script runs on
older checkouts too. --load lets the scenario "file" read a model that another revision
has saved by --save. --compare prints each difference and exits with 1 if there is one.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

BACKENDS = ("tensorflow", "jax", "torch")
# One thread, as several add up in any order. Without optimizations XLA compiles faster,
# and rounds as the operations are written.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "OMP_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
    " --xla_llvm_disable_expensive_passes=true",
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backend", choices=BACKENDS, help="Backend to record.")
    parser.add_argument("--output", help="JSON file to write.")
    parser.add_argument("--only", help="Scenarios, by commas. All by default.")
    parser.add_argument("--save", help="Where to keep the model of `file` (.keras).")
    parser.add_argument("--load", help="Model that `file` reads instead of its own.")
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="Two records to compare."
    )
    parser.add_argument(
        "--ignore", help="Keys not to compare: a pattern, searched in SCENARIO: KEY."
    )
    parser.add_argument(
        "--devices", type=int, default=1, help="Devices to train on; set by itself."
    )
    arguments = parser.parse_args()
    if arguments.compare:
        texts = [pathlib.Path(path).read_text() for path in arguments.compare]
        records = (json.loads(text)["scenarios"] for text in texts)
        return compare(*records, ignore=arguments.ignore)
    if not arguments.backend or not arguments.output:
        parser.error("--backend and --output, or --compare")
    record(arguments)
    return 0


def record(arguments):
    """Record scenarios here, and those that need several devices in a process each."""
    devices = arguments.devices
    os.environ |= {**ENVIRONMENT, "KERAS_BACKEND": arguments.backend}
    os.environ["XLA_FLAGS"] += f" --xla_force_host_platform_device_count={devices}"

    # Only now, as backends read the environment when they are imported.
    from behaviours import catalog

    catalog.prepare(devices)
    scenarios = catalog.scenarios(arguments.only, arguments.backend)
    here = [name for name, needed in scenarios.items() if needed == devices]
    elsewhere = [name for name in scenarios if name not in here]
    records = {}
    with tempfile.TemporaryDirectory() as directory:
        other = pathlib.Path(directory) / "other.json"
        process = None
        if elsewhere and devices == 1:
            command = [
                sys.executable,
                __file__,
                f"--backend={arguments.backend}",
                f"--output={other}",
                f"--only={','.join(elsewhere)}",
                "--devices=2",
            ]
            process = subprocess.Popen(command)
        for name in here:
            before, options = time.process_time(), {}
            if name == "file":
                options = {"save": arguments.save, "load": arguments.load}
            records[name] = catalog.record(name, **options)
            spent = time.process_time() - before
            print(f"{name}: {spent:.1f} s of processor time", flush=True)
        if process is not None:
            if process.wait():
                raise RuntimeError(f"The record of {', '.join(elsewhere)} has failed")
            records |= json.loads(other.read_text())["scenarios"]
    whole = {"about": catalog.about(), "scenarios": records}
    pathlib.Path(arguments.output).write_text(
        json.dumps(whole, indent=1, allow_nan=False)
    )


def compare(one, other, ignore=None):
    """Print each difference between two records; return 1 if there is one."""
    ignored = re.compile(ignore or "(?!)")  # by default what matches nothing
    different = 0
    for name in [*one, *(name for name in other if name not in one)]:
        if name not in one or name not in other:
            print(f"{name}: only in the {'first' if name in one else 'second'} record")
            different += 1
            continue
        values, others = flat(one[name]), flat(other[name])
        keys = [*values, *(key for key in others if key not in values)]
        missing = "(nothing)"
        found = [
            f"{name}: {key}: {values.get(key, missing)} -> {others.get(key, missing)}"
            for key in keys
            if values.get(key, missing) != others.get(key, missing)
            and not ignored.search(f"{name}: {key}")
        ]
        if found:
            print("\n".join(found))
            different += 1
    if different:
        print(f"{different} of {len(one | other)} scenarios differ")
    else:
        print(f"{len(one)} scenarios equal")
    return 1 if different else 0


def flat(value, key=""):
    """Return the leaves of nested dicts and lists, by their path."""
    if isinstance(value, list):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {key: value}
    if not value:
        return {key: "(empty)"}
    leaves = {}
    for name, part in value.items():
        leaves |= flat(part, f"{key}/{name}" if key else str(name))
    return leaves


if __name__ == "__main__":
    sys.exit(main())
