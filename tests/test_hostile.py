"""Hostile files, as scripts/torture.py makes them, and that nothing could run them.

The slower ones are in `test_torture.py`.
"""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
ATTACKS = ("lists", "class_tables", "images", "masks", "ways_out")


@pytest.fixture
def torture(tmp_path, monkeypatch):
    """How hard to try: at each kind of file with some hundred inputs at most."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    from tortures.torture import Torture

    return Torture(quick=True, seed=0, directory=tmp_path)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.filterwarnings("ignore")
def test_hostile_files_are_read_or_refused_by_name(torture, attack):
    from tortures import hostile

    tally = hostile.Tally()
    getattr(hostile, attack)(torture, tally)
    row = tally.row(attack, 0)
    assert row.passed, row
    assert row.tried >= 4 and tally.counts["refused"] > 0


def sources():
    for folder in ("keras_imas", "scripts", "examples"):
        yield from (ROOT / folder).rglob("*.py")


@pytest.mark.parametrize("path", list(sources()), ids=lambda path: path.name)
def test_nothing_that_is_read_can_run(path):
    """No `eval`, no pickle, no YAML; loaders in their safe modes."""
    if path.match("hostile_files/networks.py"):  # it makes such files
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {
                getattr(node, "module", None)
            }
            assert not names & {"pickle", "yaml", "marshal", "shelve", "dill", "joblib"}
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            given = {k.arg: ast.unparse(k.value) for k in node.keywords}
            assert called not in ("eval", "exec", "compile", "os.system")
            assert given.get("allow_pickle", "False") == "False"
            assert given.get("safe_mode", "True") == "True"
            if called == "torch.load":
                assert given["weights_only"] == "True"
            assert "enable_unsafe_deserialization" not in called
