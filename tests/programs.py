"""Running the project's programs as a user does."""

import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]


def run(*command, cwd, timeout=2000, **environment):
    """Run Python on a command line; stdout and stderr come back as one text.

    JAX may compile for minutes.
    """
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )


def stop_after_an_epoch(command, output, **options):
    """Send SIGTERM to a training once its first epoch is in the history of `output`.

    Returns what it printed. It must have ended as one that can be resumed.
    """
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    while not (output / "history.jsonl").exists() and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 75, printed
    return printed
