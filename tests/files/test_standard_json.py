import json

import numpy as np
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
