"""Train for many steps, and watch memory, open files and logs from outside.

The network is tiny and the crops are small, so that it takes minutes: what could leak,
the data pipeline, the steps, the evaluations and what is written, is that of any run.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
from tortures.long_training import STEPS_PER_EPOCH
from tortures.runs import PACKAGE
from tortures.torture import Row

_TRAINING = pathlib.Path(__file__).with_name("long_training.py")
_STEPS = 5000
_MIB_PER_1000_STEPS = 2.0  # allowed: allocators settle slowly


def run(torture):
    """Yield a row for memory, one for open files and one for the logs."""
    room = torture.room("long_run")
    steps = torture.times(_STEPS)
    output = room / "run"
    paths = [str(PACKAGE), os.environ.get("PYTHONPATH", "")]
    with open(room / "screen.txt", "wb") as screen:
        process = subprocess.Popen(
            [sys.executable, _TRAINING, output, str(steps)],
            stdout=screen,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        samples = _watch(process, output / "history.jsonl")
    text = (room / "screen.txt").read_text(errors="replace")
    if process.returncode != 0 or len(samples) < 4:
        yield Row("a long run", steps, f"the run: {text[-500:]}", False)
        return
    done, memory, files = np.array(samples, float).T
    settled = done > done[-1] / 4
    slope = np.polyfit(done[settled], memory[settled], 1)[0] * 1000
    yield Row(
        "a long run: memory",
        steps,
        f"{slope:+.2f} MiB per 1,000 steps, at {memory[-1]:.0f} MiB",
        bool(torture.quick or slope < _MIB_PER_1000_STEPS),
    )
    grown = int(files[settled][-1] - files[settled][0])
    yield Row(
        "a long run: open files",
        steps,
        f"{grown:+d} files, at {files[-1]:.0f}",
        grown <= 1,
    )
    lines = (output / "history.jsonl").read_text().splitlines()
    logged = [value for line in lines for value in json.loads(line).values()]
    # The IoU of a class that never occurs is null.
    finite = np.isfinite([x for x in logged if not isinstance(x, dict)]).all()
    longest = max(map(len, text.replace("\r", "\n").replace("\b", "").split("\n")))
    yield Row(
        "a long run: logs",
        steps,
        f"nothing: {len(lines)} epochs in history.jsonl, of {len(lines[-1])} bytes; "
        f"{len(text) / 1024:.0f} KiB on the screen, no line over {longest} characters",
        finite and len(lines) == len(samples),
    )


def _watch(process, history):
    """Return `(steps, MiB, open files)` of a process after each of its epochs."""
    samples = []
    while process.poll() is None:
        time.sleep(0.05)
        if not history.exists():
            continue
        lines = history.read_text().splitlines()
        if len(lines) > len(samples):
            try:
                samples.append((len(lines) * STEPS_PER_EPOCH, *_usage(process.pid)))
            except FileNotFoundError:  # it has just ended
                break
    process.wait()
    return samples


def _usage(pid):
    """Return the resident MiB and the number of open files of a process, on Linux."""
    pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(os.listdir(f"/proc/{pid}/fd"))
