"""Hold what the tortures share: how hard to try, and a row of the table."""

import dataclasses
import pathlib
import random


@dataclasses.dataclass(frozen=True)
class Torture:
    """How hard to try.

    Attributes:
        quick: Whether each fault is to be tried once or so.
        seed: Seed of everything that is drawn.
        directory: Directory to work in, removed at the end.
    """

    quick: bool
    seed: int
    directory: pathlib.Path

    def times(self, often):
        """Return how often to try what a full torture tries `often` times."""
        return max(1, often // 10) if self.quick else often

    def random(self, name):
        """Return a random generator that depends on a name and the seed only."""
        return random.Random(f"{self.seed} {name}")

    def room(self, name):
        """Make an empty directory for one torture."""
        path = self.directory / name
        path.mkdir(parents=True)
        return path


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        fault: What was done to the run.
        tried: How many times.
        lost: What was lost, in words, with numbers.
        passed: Whether that is what may be lost.
    """

    fault: str
    tried: int
    lost: str
    passed: bool

    def __str__(self):
        verdict = "ok" if self.passed else "FAILED"
        return f"[{verdict}] {self.fault}: tried {self.tried}, lost: {self.lost}"


def table(rows):
    """Format rows as a Markdown table."""
    lines = ["| fault | times tried | what was lost |", "|---|---:|---|"]
    for row in rows:
        lost = row.lost if row.passed else f"**{row.lost}**"
        lines.append(f"| {row.fault} | {row.tried:,} | {lost} |")
    return "\n".join(lines) + "\n"
