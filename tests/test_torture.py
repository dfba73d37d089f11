"""The tortures, as a user runs them."""

import programs
import pytest


@pytest.mark.full
@pytest.mark.parametrize(
    "name",
    [
        "kills",
        "damage",
        "disk",
        "signals",
        "locks",
        "hostile",
        "long_run",
    ],
)
def test_nothing_is_lost(name, tmp_path):
    process = programs.run(
        programs.ROOT / "scripts" / "torture.py", "--quick", f"--only={name}",
        "--table=table.md",
        cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "| fault | times tried |" in (tmp_path / "table.md").read_text()


def test_unknown_tortures_are_refused(tmp_path):
    process = programs.run(
        programs.ROOT / "scripts" / "torture.py", "--only=kils", cwd=tmp_path
    )
    assert process.returncode == 2 and "--only must be of kills," in process.stdout
