import random

import numpy as np

from keras_imas.backends.determinism import global_draws, set_global_draws


def test_normal_draws_go_on_where_they_were():
    """They are made in pairs, of which the second waits."""
    for _ in range(2):
        states = global_draws()
        drawn = [(np.random.normal(), random.gauss(0, 1)) for _ in range(3)]
        set_global_draws(states)
        assert drawn == [(np.random.normal(), random.gauss(0, 1)) for _ in range(3)]


def test_draws_of_earlier_checkpoints_are_read():
    states = global_draws()
    drawn = np.random.normal(), random.gauss(0, 1)
    del states["waiting"]
    set_global_draws(states)
    assert drawn == (np.random.normal(), random.gauss(0, 1))
