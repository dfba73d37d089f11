"""Time several things that take turns, so that a machine's moods hit all alike."""

import json
import os
import platform
import time

import keras
import numpy as np
from absl import flags


def machine():
    """Return the backend and the machine in words."""
    return (
        f"{keras.backend.backend()} backend, Keras {keras.__version__}, "
        f"{os.cpu_count()} cores ({platform.machine()})"
    )


def take_turns(takers, rounds, progress=True):
    """Run each of several functions once a round.

    Args:
        takers: Dict from name to function.
        rounds: Number of rounds; each begins with another of them.
        progress: Whether to show a progress bar. Defaults to `True`.

    Returns:
        Dict from name to list of seconds.
    """
    times = {name: [] for name in takers}
    bar = keras.utils.Progbar(rounds, verbose=int(progress), unit_name="round")
    for number in range(rounds):
        names = list(takers)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            start = time.perf_counter()
            takers[name]()
            times[name].append(time.perf_counter() - start)
        bar.add(1)
    return times


def median_and_quartiles(values):
    """Return `"median (quartile to quartile)"`."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def ratio(seconds, reference):
    """Return the median of the rounds' ratios, and its 95 % confidence interval.

    By the bootstrap: medians of rounds drawn with replacement.

    Args:
        seconds: Times, one a round.
        reference: Those of what they are divided by.

    Returns:
        `"median (low to high)"`.
    """
    ratios = np.array(seconds) / reference
    draws = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(draws, axis=1), (2.5, 97.5))
    return f"{np.median(ratios):.3f} ({low:.3f} to {high:.3f})"


def save_json(filepath, module_name, **results):
    """Write all numbers of a benchmark, and its flags.

    Args:
        filepath: Where to write; `None`: nowhere.
        module_name: Name of the module that defines the flags.
        **results: What to write besides.
    """
    if filepath is None:
        return
    given = flags.FLAGS.get_key_flags_for_module(module_name)
    content = {
        "flags": {flag.name: flag.value for flag in given},
        "backend": keras.backend.backend(),
        **results,
    }
    with open(filepath, "w") as file:
        json.dump(content, file, indent=1, allow_nan=False)
