"""Every public function says what it takes and returns; mypy checks it in .ci/run."""

import inspect
import pathlib
import types
import typing

import keras
import pytest

import keras_imas
from keras_imas.inference import export
from keras_imas.inference.prediction import Prediction
from keras_imas.runs.loaded_run import LoadedRun

SHADOWS = [
    keras_imas.callbacks.TensorBoard,
    keras_imas.metrics.MeanIoU,
    keras_imas.optimizers.AdamW,
    keras_imas.optimizers.PolynomialDecay,
    keras_imas.optimizers.SGD,
]


def public(module):
    """Yield the classes and functions that a module offers."""
    names = getattr(module, "__all__", None) or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]
    for value in (getattr(module, name) for name in names):
        if isinstance(value, types.ModuleType):
            yield from public(value)
        elif callable(value):
            yield value


def functions(offered):
    """Yield `(name, function)`: a function, or what a class has of this package."""
    if not inspect.isclass(offered):
        yield f"{offered.__module__}.{offered.__name__}", offered
        return
    for kind in offered.__mro__:
        if not kind.__module__.startswith("keras_imas"):
            continue
        for name, member in vars(kind).items():
            function = getattr(member, "fget", None) or getattr(member, "func", None)
            function = function or getattr(member, "__func__", member)
            own = name in ("__init__", "__call__") or not name.startswith("_")
            if own and inspect.isfunction(function):
                yield f"{kind.__module__}.{kind.__name__}.{name}", function


OFFERED = {
    name: function
    for offered in (*public(keras_imas), *public(export), LoadedRun, Prediction)
    for name, function in functions(offered)
}


@pytest.mark.parametrize("name", OFFERED)
def test_every_public_function_is_annotated(name):
    function = OFFERED[name]
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    missing = {*parameters, "return"} - {"self", "cls"} - set(hints)
    assert not missing


def test_the_surface_is_found():
    assert len(OFFERED) > 150
    names = (
        "imas.IMAS.call",
        "scoring.hardness",
        "data.voc.read",
        "optimizers.SGD.build",
    )
    assert {f"keras_imas.{name}" for name in names} < set(OFFERED)


def test_the_package_says_that_it_is_typed():
    assert (pathlib.Path(keras_imas.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize("shadow", SHADOWS, ids=lambda shadow: shadow.__name__)
def test_what_shadows_a_name_of_keras_says_what_it_adds(shadow):
    assert any(
        kind.__module__.startswith("keras.") and kind.__name__ == shadow.__name__
        for kind in shadow.__mro__
    ) or hasattr(keras.optimizers.schedules, shadow.__name__)
    first = shadow.__doc__.splitlines()[0]
    assert first.startswith(f"Add to Keras' `{shadow.__name__}` ")


@pytest.mark.parametrize(
    "name", ["inference", "report", "runs", "training", "typing", "files"]
)
def test_submodules_are_attributes(name):
    assert inspect.ismodule(getattr(keras_imas, name))
