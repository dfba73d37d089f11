"""Ask runs to stop."""

import signal
import time

from tortures import runs
from tortures.torture import Row


def run(torture):
    """Yield rows for one signal, and for two at once."""
    room = torture.room("signals")
    for number in (signal.SIGTERM, signal.SIGINT)[: 1 if torture.quick else 2]:
        yield stopped(torture, room, number)
    if torture.quick:
        return
    yield stopped_at_once(torture, room)


def stopped(torture, room, number):
    """Stop runs that write a checkpoint only when they are stopped."""
    random = torture.random(number.name)
    expected, seconds = runs.expected(torture)
    directories, statuses, tried = [], [], 0
    for index in range(1 if torture.quick else 2):
        directory = room / f"{number.name}-{index}"
        directories.append(directory)
        for _ in range(1 if torture.quick else 3):
            process = runs.start(directory, "--every=0")
            # While Python starts and imports, a signal ends it as any other program.
            runs.until(directory / "lock", process)
            time.sleep(random.uniform(0.0, 0.9 * seconds))
            if process.poll() is None:
                process.send_signal(number)
                tried += 1
            status = process.wait(runs.DEADLINE)
            if runs.finished(directory):  # the signal came while Python went down
                break
            statuses.append(status)
        else:
            runs.finish(directory, "--every=0")
    lost, passed = runs.verdict(directories, expected)
    right = set(statuses) <= {75}
    if not right:
        lost += f"; ended with status {sorted(set(statuses))}"
    return Row(
        f"{number.name} at a random moment, without other checkpoints",
        tried,
        lost,
        passed and right and (75 in statuses or torture.quick),
    )


def stopped_at_once(torture, room):
    """Send two signals to a run."""
    directory = room / "twice"
    process = runs.start(directory, "--every=3")
    runs.until(directory / "checkpoints" / "step-000000003", process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    begun = time.perf_counter()
    status = process.wait(runs.DEADLINE)
    waited = time.perf_counter() - begun
    runs.finish(directory, "--every=3")
    lost, passed = runs.verdict([directory], runs.expected(torture)[0])
    return Row(
        f"SIGTERM twice (ended after {waited:.1f} s)",
        1,
        lost,
        passed and status in (-signal.SIGTERM, 75) and waited < 5,
    )
