"""The record of what training does, as a user makes it."""

import json

import keras
import programs
import pytest

pytestmark = pytest.mark.full
SCRIPT = programs.ROOT / "scripts" / "behaviour.py"


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Two records of the same code; the second one reads what the first one saved."""
    folder = tmp_path_factory.mktemp("records")
    for name, option in (("first", "--save"), ("second", "--load")):
        process = programs.run(
            SCRIPT, f"--backend={keras.backend.backend()}", f"--output={name}.json",
            "--only=stopped,file", f"{option}=model.keras",
            cwd=folder,
        )  # fmt: skip
        assert process.returncode == 0, process.stdout
    return folder


def test_two_records_of_the_same_code_are_equal(records):
    process = programs.run(
        SCRIPT, "--compare", "first.json", "second.json", cwd=records
    )
    assert process.returncode == 0, process.stdout
    assert process.stdout == "2 scenarios equal\n"
    stopped = json.loads((records / "first.json").read_text())["scenarios"]["stopped"]
    assert "At step 2" in stopped["fit"]["error"]
    assert float.fromhex(stopped["again"]["fit"]["history"]["loss"][0]) > 0


def test_a_changed_value_is_reported(records):
    record = json.loads((records / "first.json").read_text())
    record["scenarios"]["stopped"]["again"]["fit"]["history"]["loss"][0] = "0x1p+0"
    del record["scenarios"]["file"]
    (records / "changed.json").write_text(json.dumps(record))
    compared = ["first.json", "changed.json"]
    process = programs.run(SCRIPT, "--compare", *compared, cwd=records)
    assert process.returncode == 1
    assert "stopped: again/fit/history/loss/0: 0x1." in process.stdout
    assert "-> 0x1p+0" in process.stdout
    assert "file: only in the first record" in process.stdout
    assert process.stdout.endswith("2 of 2 scenarios differ\n")
    ignoring = "--ignore=^stopped: again/fit/history"
    process = programs.run(SCRIPT, "--compare", *compared, ignoring, cwd=records)
    assert "stopped" not in process.stdout
