"""Cases of parametrized tests in the core tier and in the full one."""

import pytest


def core_and_full(core, cases):
    """Leave all cases but those of the core to the full tier."""
    return [
        case if case in core else pytest.param(case, marks=pytest.mark.full)
        for case in cases
    ]
