import keras
import numpy as np
import pytest

from keras_imas.runs.safe_loading import load_model


@pytest.fixture
def layers():
    return [keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1)]


def test_a_model_comes_back(layers, tmp_path):
    network = keras.Sequential(layers)
    network.save(tmp_path / "network.keras")
    loaded = load_model(str(tmp_path / "network.keras"))
    for a, b in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_code_is_not_run(layers, tmp_path):
    """Python code in a file can do anything."""
    network = keras.Sequential([*layers, keras.layers.Lambda(lambda x: x)])
    network.save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match=r"code.keras' can't be loaded .*[Ll]ambda"):
        load_model(tmp_path / "code.keras")


def test_a_damaged_file_is_named(layers, tmp_path):
    path = tmp_path / "damaged.keras"
    keras.Sequential(layers).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="damaged.keras' can't be loaded"):
        load_model(path)
