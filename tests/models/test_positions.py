import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from keras_imas.models.positions import resize_bicubic

torch = pytest.importorskip("torch")
SIDES = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=10)
@given(old=SIDES, new=SIDES, antialias=st.booleans())
def test_matches_pytorch(old, new, antialias):
    images = np.random.default_rng(0).normal(size=(*old, 2)).astype("float32")
    tensor = torch.tensor(images).permute(2, 0, 1)[None].contiguous()
    expected = torch.nn.functional.interpolate(
        tensor, new, mode="bicubic", align_corners=False, antialias=antialias
    )
    resized = resize_bicubic(ops.convert_to_tensor(images), *new, antialias=antialias)
    np.testing.assert_allclose(
        ops.convert_to_numpy(resized), expected[0].permute(1, 2, 0), atol=1e-4
    )
