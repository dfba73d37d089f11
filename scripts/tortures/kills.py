"""Kill training at any moment, and start it again."""

import os
import signal

import keras
import numpy as np
from tortures import runs
from tortures.torture import Row

from keras_imas.training.checkpoint_store import Checkpoints

MEGABYTES = 8


def run(torture):
    """Yield rows for kills on one device, on two, and during a write."""
    yield killed_writing(torture)
    yield killed(torture, "SIGKILL at a random moment, started again", [])
    if torture.quick:
        return
    yield killed(
        torture,
        "the same in float16 with accumulated gradients, a checkpoint each step",
        ["--every=1", "--precision=mixed_float16", "--accumulation_steps=2"],
    )
    if keras.backend.backend() != "torch":
        yield killed(torture, "the same on 2 replicas", ["--devices=2"])


def killed(torture, fault, options):
    """Kill runs again and again, until they finish all the same."""
    random = torture.random(fault)
    room = torture.room("-".join(["kills", *(o.strip("-") for o in options)]))
    expected, seconds = runs.expected(torture, *options)
    # Some of those that are started late enough are over before they are killed.
    tried, directories = 0, []
    for number in range(1 if torture.quick else 2):
        directory = room / f"run-{number}"
        directories.append(directory)
        for _ in range(2 if torture.quick else 3):
            process = runs.start(directory, *options)
            runs.until(directory / "lock", process)
            try:
                process.wait(random.uniform(0.0, seconds))
            except runs.subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                tried += 1
            status = process.wait(runs.DEADLINE)
            if status not in (0, -signal.SIGKILL):
                raise RuntimeError(runs.printed(directory))
            if runs.finished(directory):
                break
        else:
            runs.finish(directory, *options)
    lost, passed = runs.verdict(directories, expected)
    return Row(fault, tried, lost, passed and tried > 0)


def killed_writing(torture):
    """Kill a process that only writes checkpoints."""
    random = torture.random("writing")
    directory = torture.room("writing")
    checkpoints = Checkpoints(directory / "checkpoints")
    times, lost, unreadable, halves, step = torture.times(300), 0, 0, 0, 0
    for _ in range(times):
        read, write = os.pipe()
        child = os.fork()
        if not child:
            _write_for_ever(checkpoints, step, write)
        os.close(write)
        # Once it has begun, somewhere within a few checkpoints.
        written = os.read(read, 8)
        runs.time.sleep(random.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        while more := os.read(read, 1 << 16):
            written += more
        os.close(read)
        acknowledged = int.from_bytes(written[-8:], "little")
        halves += any(p.suffix == ".part" for p in checkpoints_of(checkpoints))
        try:
            checkpoints.clean()
            step, arrays, state = checkpoints.newest()
        except ValueError:
            unreadable += 1
            continue
        whole = state["step"] == step and (arrays["weights"] == step % 251).all()
        lost += not whole or step < acknowledged
    what = f"nothing that was finished; {halves} times a write was cut short"
    if lost or unreadable:
        what = f"{lost} finished checkpoints; {unreadable} times all of them"
    return Row(
        "SIGKILL while checkpoints are written one after the other",
        times,
        what,
        not lost and not unreadable,
    )


def checkpoints_of(checkpoints):
    return list(runs.pathlib.Path(checkpoints.directory).iterdir())


def _write_for_ever(checkpoints, step, pipe):
    try:
        checkpoints.clean()
        while True:
            step += 1
            weights = np.full((MEGABYTES, 1 << 20), step % 251, "uint8")
            checkpoints.save(step, {"weights": weights}, {"step": step})
            os.write(pipe, step.to_bytes(8, "little"))
    finally:
        os._exit(1)
