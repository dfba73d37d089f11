import doctest
import importlib
import pkgutil

import keras
import pytest
from tiers import core_and_full

import keras_imas

MODULES = ["keras_imas"] + [
    module.name
    for module in pkgutil.walk_packages(keras_imas.__path__, prefix="keras_imas.")
]
# JAX compiles whole networks for a minute.
WHOLE_NETWORKS = ("keras_imas.models.", "keras_imas.runs.")
CORE = [
    name
    for name in MODULES
    if keras.backend.backend() != "jax" or not name.startswith(WHOLE_NETWORKS)
]


@pytest.mark.parametrize("name", core_and_full(CORE, MODULES))
def test_examples_run(name):
    failed, _ = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
    )
    assert failed == 0
