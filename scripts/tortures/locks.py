"""Start two runs in one directory."""

import signal

from tortures import runs
from tortures.torture import Row


def run(torture):
    """Yield rows for a second run beside a living one, and after a dead one."""
    room = torture.room("locks")
    times, wrong = torture.times(3), 0
    directory = room / "run"
    first = runs.start(directory)
    runs.until(directory / "checkpoints" / "step-000000003", first)
    for _ in range(times):
        # Halted, so that it is there as long as it takes.
        first.send_signal(signal.SIGSTOP)
        log = directory.with_suffix(".log").read_text()
        second = runs.start(directory)
        second.wait(runs.DEADLINE)
        refused = f"in use by process {first.pid} " in runs.printed(directory)
        wrong += second.returncode == 0 or not refused
        directory.with_suffix(".log").write_text(log)
    first.kill()
    first.wait()
    yield Row(
        "a second run started into the directory of a living one",
        times,
        f"{wrong} were not refused" if wrong else "nothing: refused, with its number",
        not wrong,
    )
    left = (directory / "lock").exists()
    runs.finish(directory)
    lost, passed = runs.verdict([directory], runs.expected(torture)[0])
    yield Row(
        "a run started where a dead one has left its lock", 1, lost, passed and left
    )
