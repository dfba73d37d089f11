import os
import signal
import subprocess
import sys
import threading

import pytest

from keras_imas.training.stop_signals import EXIT_STATUS, Interrupted, StopSignals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_raises_where_nothing_must_be_finished(number, capfd):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as raised, StopSignals() as signals:
        os.kill(os.getpid(), number)
    assert signals.requested and raised.value.code == EXIT_STATUS == 75
    assert signal.getsignal(number) is before
    assert f"{number.name}: stopping" in capfd.readouterr().err


def test_finishes_what_must_be_finished(capfd):
    done = []
    with pytest.raises(Interrupted), StopSignals() as signals:
        with signals.finishing():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("step")
        done.append("more")
    assert done == ["step"]
    with StopSignals() as signals:
        signals.defer(True)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.requested


def test_the_second_stops_at_once():
    source = sys.modules["keras_imas.training.stop_signals"].__file__
    code = (
        "import importlib.util, os, signal, sys, time\n"
        "spec = importlib.util.spec_from_file_location('stopping', sys.argv[1])\n"
        "stopping = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(stopping)\n"
        "with stopping.StopSignals() as signals:\n"
        "    signals.defer(True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, source], timeout=30)
    assert process.returncode == -signal.SIGTERM


def test_other_threads_are_left_alone():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter():
        with StopSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]
