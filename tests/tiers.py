"""Cases of parametrized tests in the core tier and in the full one."""

import keras
import pytest


def full_on(*backends):
    """Leave a test to the full tier on the backends that compile it longest."""
    slow = keras.backend.backend() in backends
    return pytest.mark.full if slow else lambda test: test


def core_and_full(core, cases):
    """Leave all cases but those of the core to the full tier."""
    return [
        case if case in core else pytest.param(case, marks=pytest.mark.full)
        for case in cases
    ]
