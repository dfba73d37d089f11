"""Damage checkpoints on disk, and take those of another run."""

import shutil

import numpy as np
from tortures import runs
from tortures.torture import Row

from keras_imas.training.checkpoint_store import Checkpoints


def run(torture):
    """Yield rows for flipped bits, cut and missing files, and other flags."""
    for fault, damage in (
        ("a bit of the newest checkpoint flipped", flip),
        ("a file of the newest checkpoint cut short", cut),
        ("a file of the newest checkpoint missing", remove),
    ):
        yield damaged(torture, fault, damage)
    if not torture.quick:
        yield gone_on(torture)
    yield other_configuration(torture)


def flip(random, file):
    content = bytearray(file.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    file.write_bytes(content)


def cut(random, file):
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content))])


def remove(random, file):
    file.unlink()


def damaged(torture, fault, damage):
    """Damage one of two checkpoints, and check that only whole ones are read."""
    random = torture.random(fault)
    room = torture.room(damage.__name__)
    times, wrong, refused = torture.times(300), 0, 0
    for number in range(times):
        checkpoints = Checkpoints(room / str(number), configuration={"seed": 0})
        for step in (1, 2):
            arrays = {"a": np.full(50, step), "b": np.full((3, 3), step, "float32")}
            checkpoints.save(step, arrays, {"step": step})
        newest = room / str(number) / "step-000000002"
        damage(random, random.choice(sorted(newest.iterdir())))
        with runs.quiet():
            step, arrays, state = checkpoints.newest()
        refused += step == 1
        # A bit of white space, say, is no harm: what is read is right.
        whole = all((array == step).all() for array in arrays.values())
        wrong += not whole or state["step"] != step
        shutil.rmtree(room / str(number))
    lost = (
        f"{wrong} wrong checkpoints were taken"
        if wrong
        else f"what was done since the one before, which is taken ({refused} times)"
    )
    return Row(fault, times, lost, not wrong)


def gone_on(torture):
    """Damage the newest checkpoint of a real run that was killed."""
    random = torture.random("gone on")
    room = torture.room("gone-on")
    expected, _ = runs.expected(torture)
    directories = []
    for number in range(2):
        directory = room / f"run-{number}"
        directories.append(directory)
        process = runs.start(directory)
        runs.until(directory / "checkpoints" / "step-000000009", process)
        process.kill()
        process.wait()
        newest = max((directory / "checkpoints").glob("step-*[0-9]"))
        flip(random, newest / "arrays.npz")
        runs.finish(directory)
        if "is damaged" not in runs.printed(directory):
            return Row("a damaged checkpoint", 1, "no word of the damage", False)
    lost, passed = runs.verdict(directories, expected)
    return Row(
        "a run killed, a bit of its newest checkpoint flipped, and started again",
        len(directories),
        lost,
        passed,
    )


def other_configuration(torture):
    """Start another run where an unfinished one is."""
    room = torture.room("other")
    process = runs.start(room / "run")
    runs.until(room / "run" / "checkpoints" / "step-000000003", process)
    process.kill()
    process.wait()
    before = runs.listing(room / "run")
    process = runs.start(room / "run", "--seed=1")
    process.wait(runs.DEADLINE)
    refused = process.returncode != 0 and "recipe.seed was 0, is 1" in runs.printed(
        room / "run"
    )
    untouched = runs.listing(room / "run") == before
    lost = "nothing: it is refused, and says what differs"
    if not (refused and untouched):
        lost = "the first run was not left alone"
    return Row(
        "another run started into the directory of an unfinished one",
        1,
        lost,
        refused and untouched,
    )
