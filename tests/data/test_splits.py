import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_imas.data import splits

NAMES = [f"image {i}" for i in range(40)]


@given(st.floats(0, 1), st.integers(0, 10**6))
def test_draws_a_share_in_order_and_the_rest_is_the_rest(share, seed):
    drawn = splits.draw(NAMES, share, seed)
    assert len(drawn) == max(round(40 * share), 1)
    assert drawn == sorted(set(drawn), key=NAMES.index)
    assert drawn == splits.draw(NAMES, share, seed)
    rest = splits.rest(NAMES, drawn)
    assert sorted(drawn + rest) == sorted(NAMES)


def test_seeds_draw_differently():
    draws = {tuple(splits.draw(NAMES, 0.25, seed)) for seed in range(5)}
    assert len(draws) == 5


class Part:
    def __init__(self, names, files=None):
        self.names, self.files = names, files


def test_parts_with_the_same_files_are_refused():
    labeled = Part(("a", "b"), ("train/a.png", "train/b.png"))
    elsewhere = Part(("a", "c"), ("val/a.png", "val/c.png"))
    splits.check_separate(labeled=labeled, validation=elsewhere, unlabeled=Part(None))
    with pytest.raises(
        ValueError, match="1 images are both in `labeled` and in `x`: a"
    ):
        splits.check_separate(labeled=labeled, x=Part(("a", "z")))
