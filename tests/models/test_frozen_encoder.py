import keras
import numpy as np
import pytest
from tiny_imas import batch, compiled, conv_student, images, label_maps

import keras_imas
from keras_imas.models import deeplab_v3_plus
from keras_imas.models.frozen_encoder import freeze_encoder


def values(network):
    return {v.path: np.array(v) for v in network.variables}


@pytest.mark.full
def test_only_the_head_trains_and_the_teacher_follows(tmp_path):
    """Statistics of the encoder stay, and the teacher has weights in the same order."""
    keras.utils.set_random_seed(0)
    student = deeplab_v3_plus(3, backbone="mobilenet_v2", weights=None)
    model = keras_imas.IMAS(student, ema_decay=0.5, seed=0)
    freeze_encoder(model.student)
    compiled(model, 1e-3)
    before = values(model.student)
    data = {name: images(2, n, size=(33, 33)) for n, name in enumerate(batch())}
    model.fit(data, label_maps(2, size=(33, 33)), epochs=3, batch_size=2, verbose=0)
    for network in (model.student, model.teacher):
        after = values(network)
        changed = {
            path
            for path in before
            if not np.allclose(after[path], before[path], rtol=1e-6, atol=1e-7)
        }
        assert changed
        assert all(
            path.split("/")[0].startswith(("aspp", "decoder", "classifier"))
            for path in changed
        )
    assert all(v.trainable for v in model.teacher.trainable_variables)
    assert len(model.teacher.trainable_variables) > len(model.trainable_variables)
    model.teacher.save(tmp_path / "teacher.keras")
    loaded = keras.saving.load_model(tmp_path / "teacher.keras")
    assert len(loaded.trainable_variables) == len(model.teacher.trainable_variables)


def test_what_has_no_head_is_refused():
    with pytest.raises(ValueError, match="names of the head's layers"):
        freeze_encoder(conv_student())
