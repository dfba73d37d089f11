import os

import pytest

from keras_imas.files.user_path import user_path


def test_variables_and_the_home_folder_mean_what_they_mean_in_a_shell(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    monkeypatch.setenv("RUNS", "~/runs")
    assert user_path("~") == "/home/me"
    assert user_path("$RUNS/1") == "/home/me/runs/1"
    assert user_path(os.path.join(".", "~")) == os.path.join(".", "~")


def test_nobody_s_home_folder_is_no_folder():
    with pytest.raises(ValueError, match="~nobody-of-that-name"):
        user_path("~nobody-of-that-name/runs")
