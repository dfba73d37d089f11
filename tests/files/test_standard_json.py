import ast
import json

import numpy as np
import programs
import pytest

from keras_imas.files import standard_json


def test_nothing_but_json():
    value = {
        "nan": float("nan"),
        "rows": [(np.float32("inf"), -np.inf, 1), np.array([[1.5, np.nan]])],
        "kept": [None, True, "NaN", 2**60, np.int64(3), np.bool_(False), 0.1],
    }

    def refuse(token):
        raise AssertionError(token)

    assert json.loads(standard_json.dumps(value), parse_constant=refuse) == {
        "nan": None,
        "rows": [[None, None, 1], [[1.5, None]]],
        "kept": [None, True, "NaN", 2**60, 3, False, 0.1],
    }


def test_options_are_those_of_python():
    assert standard_json.dumps({"a": [1]}, indent=1) == json.dumps({"a": [1]}, indent=1)
    with pytest.raises(TypeError):
        standard_json.dumps(object())


def test_what_is_written_exactly_is_read_back():
    value = {"best": -np.inf, "logs": [float("nan"), 1.5, None], "text": "NaN"}
    text = standard_json.dumps_exactly(value)
    json.loads(text, parse_constant=lambda token: pytest.fail(token))
    read = standard_json.loads_exactly(text.encode())
    assert np.isnan(read["logs"].pop(0))
    assert read == {"best": -np.inf, "logs": [1.5, None], "text": "NaN"}


@pytest.mark.parametrize("folder", ["keras_imas", "scripts", "examples"])
def test_nothing_else_writes_json(folder):
    """Python's own writes NaN, unless it is told not to."""
    for path in (programs.ROOT / folder).rglob("*.py"):
        if path.parts[-2:-1] == ("files",):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "json.dump",
                "json.dumps",
            ):
                options = {keyword.arg for keyword in node.keywords}
                assert "allow_nan" in options, f"{path}:{node.lineno}"
