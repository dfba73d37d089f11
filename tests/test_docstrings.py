import doctest
import importlib
import pkgutil

import pytest

import keras_imas

MODULES = ["keras_imas"] + [
    module.name
    for module in pkgutil.walk_packages(keras_imas.__path__, prefix="keras_imas.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, _ = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert failed == 0
