"""What a run has left in its directory, finished or still training."""

import contextlib
import dataclasses
import json
import os

from keras_imas.files.user_path import user_path
from keras_imas.runs.hardness_table import HardnessTable, read_hardness


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as its directory tells it.

    Attributes:
        name: Name of the directory.
        directory: Its path.
        facts: Dict of `run.json`.
        history: List of dicts, one an epoch, of `history.jsonl`.
        hardness: `keras_imas.runs.hardness_table.HardnessTable`, or `None` if no
            hardness was logged.
    """

    name: str
    directory: str
    facts: dict
    history: list
    hardness: HardnessTable | None

    @property
    def finished(self):
        """Whether it has come to its end."""
        return bool(self.facts.get("finished"))

    def column(self, name):
        """Return `(epochs, values)` of a number in the history, where it is there."""
        found = [
            (row["epoch"], row[name])
            for row in self.history
            if row.get(name) is not None
        ]
        return [epoch for epoch, _ in found], [value for _, value in found]


def read_run(directory):
    """Read what a run has left so far.

    Args:
        directory: Directory of the run; of a comparison its better run is read.

    Returns:
        `Run`.

    Raises:
        FileNotFoundError: If it is none.
        ValueError: If a file in it can't be read; the message names it.
    """
    directory = os.path.normpath(user_path(directory))
    facts = read_facts(directory)
    if "network" in facts:
        return read_run(os.path.join(directory, facts["network"]))
    history = read_history(directory)
    path = os.path.join(directory, "hardness.parquet")
    hardness = None
    if os.path.isfile(path):
        with _named_if_damaged(path):
            hardness = read_hardness(path)
    return Run(os.path.basename(directory), directory, facts, history, hardness)


def read_facts(directory):
    """Read what a run says of itself.

    Args:
        directory: Its directory.

    Returns:
        Dict of `run.json`.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is damaged.
    """
    path = os.path.join(user_path(directory), "run.json")
    if not os.path.isfile(path):
        raise FileNotFoundError(
            f"{str(directory)!r} is not the directory of a run: it has no run.json"
        )
    with _named_if_damaged(path), open(path, encoding="utf-8") as file:
        facts = json.load(file)
        if not isinstance(facts, dict):
            raise ValueError(f"it holds {type(facts).__name__}, not an object")
    return facts


def read_history(directory):
    """Read the history of a run.

    Args:
        directory: Its directory.

    Returns:
        List of dicts, one an epoch, of `history.jsonl`; empty if there is none. The
        last line is left out while it is half written.

    Raises:
        ValueError: If it is damaged.
    """
    path = os.path.join(user_path(directory), "history.jsonl")
    if not os.path.isfile(path):
        return []
    with _named_if_damaged(path), open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
        return [json.loads(line) for line in lines[:-1] if line.strip()]


@contextlib.contextmanager
def _named_if_damaged(path):
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path!r} is damaged: {error}") from error
