"""The notebook runs from top to bottom."""

import json

import pytest
from programs import ROOT, run

NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"


def cells():
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_every_code_cell_ran_in_order_without_an_error():
    ran = [cell for cell in cells() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in ran] == list(range(1, len(ran) + 1))
    outputs = [output for cell in ran for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} == {"stream", "execute_result"}
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert NOTEBOOK.stat().st_size < 150_000


@pytest.mark.full
def test_it_runs(tmp_path):
    code = ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]
    program = "\n\n".join(code)
    assert "epochs = 16\n" in program
    program = program.replace("epochs = 16\n", "epochs = 1\n")
    (tmp_path / "quickstart.py").write_text(program, encoding="utf-8")
    process = run("quickstart.py", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert "October: mean IoU" in process.stdout
    assert (tmp_path / "hardness.parquet").is_file()
