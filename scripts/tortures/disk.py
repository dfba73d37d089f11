"""Fill the disk, a small file system in memory."""

import contextlib
import subprocess
import threading
import time

import numpy as np
from tortures import runs
from tortures.torture import Row

from keras_imas.training.checkpoint_store import Checkpoints

SIZE = 16 << 20


def run(torture):
    """Yield rows for a disk that fills during a write, and during a run."""
    room = torture.room("disk")
    if not mounted(room):
        yield Row("a full disk", 0, "not tried: mounting one needs root", True)
        return
    try:
        yield filled_while_writing(torture, room)
        if not torture.quick:
            yield filled_while_training(torture, room)
    finally:
        subprocess.run(["umount", room], check=True)


def mounted(room):
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", room]
    try:
        return not subprocess.run(command, capture_output=True).returncode
    except OSError:
        return False


def fill(path):
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def filled_while_writing(torture, room):
    """Fill the disk as soon as a checkpoint is begun."""
    checkpoints = Checkpoints(room / "checkpoints")
    arrays = {"a": np.random.default_rng(0).bytes(4 << 20)}
    arrays = {k: np.frombuffer(v, "uint8") for k, v in arrays.items()}
    checkpoints.save(1, arrays, {})
    times, lost, failed = torture.times(100), 0, 0
    for step in range(2, 2 + times):
        part, ballast = room / "checkpoints" / f"step-{step:09}.part", room / "ballast"

        def fill_then(part=part, ballast=ballast):
            deadline = time.monotonic() + 5
            while not part.exists() and time.monotonic() < deadline:
                pass
            fill(ballast)

        thread = threading.Thread(target=fill_then)
        thread.start()
        before = checkpoints.steps()[-1]
        try:
            checkpoints.save(step, arrays, {})
        except OSError:
            failed += 1
        thread.join()
        ballast.unlink(missing_ok=True)
        newest = checkpoints.newest()
        lost += newest is None or newest[0] < before
        lost += newest is not None and not np.array_equal(newest[1]["a"], arrays["a"])
        lost += part.exists()
    lost_text = f"nothing: {failed} writes failed, the last good one stayed"
    return Row(
        f"the disk full while a checkpoint is written (tmpfs of {SIZE >> 20} MB)",
        times,
        f"{lost} checkpoints" if lost else lost_text,
        not lost and failed > 0,
    )


def filled_while_training(torture, room):
    """Fill the disk of a run, kill it, and resume it."""
    options = ["--every=1"]
    expected, _ = runs.expected(torture, *options)
    directory = room / "run"
    process = runs.start(directory, *options)
    runs.until(directory / "checkpoints" / "step-000000003", process)
    fill(room / "ballast")
    # It goes on until it can't write what it is for, or is killed.
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    process.wait()
    (room / "ballast").unlink()
    good = max((directory / "checkpoints").glob("step-*[0-9]"), default=None)
    runs.finish(directory, *options)
    lost, passed = runs.verdict([directory], expected)
    return Row(
        "the disk full while a run trains; room made, and started again",
        1,
        lost,
        passed and good is not None,
    )
