"""What is freed stays in the process, in a process of its own."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from keras_imas.backends.freed_memory import keep_freed_memory

if sys.argv[1] == "keep":
    print(keep_freed_memory())

def step():
    return [np.ones(30 << 20, "uint8") for _ in range(3)]

step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
OWN = ("MALLOC_", "GLIBC_TUNABLES")


def run(word, **settings):
    kept = {n: value for n, value in os.environ.items() if not n.startswith(OWN)}
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, word],
        env={**kept, **settings},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return process.stdout.split()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_a_step_takes_the_memory_of_the_step_before():
    (faults,) = run("default")
    kept, fewer = run("keep")
    assert kept == "True"
    assert int(fewer) < int(faults) / 4


def test_settings_of_the_environment_come_first():
    kept, _ = run("keep", MALLOC_ARENA_MAX="4")
    assert kept == "False"
