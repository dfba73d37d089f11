import fractions
import re

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


@st.composite
def draws(draw):
    """Names with sizes, groups and classes, of which there are few."""
    names = draw(st.lists(st.text("abc", max_size=4), min_size=1, unique=True))
    share = st.fractions(0, 1).filter(bool) | st.floats(0, 1, exclude_min=True)
    sizes = draw(st.lists(st.integers(1, len(names)) | share, min_size=1, unique=True))
    length = {"min_size": len(names), "max_size": len(names)}
    groups = draw(st.none() | st.lists(st.sampled_from("xyz"), **length))
    classes = draw(st.none() | st.lists(st.sets(st.integers(0, 4)), **length))
    return names, sizes, draw(st.integers(0, 10**6)), groups, classes


@given(draws())
def test_splits_are_nested_in_order_and_of_their_sizes(drawn):
    names, sizes, seed, groups, classes = drawn
    options = {"groups": groups, "classes": classes}
    try:
        parts = splits.nested(names, sizes, seed, **options)
    except ValueError as error:
        (enough,) = re.findall("They were found to fit in ([0-9]+)", str(error))
        splits.nested(names, [int(enough)], seed, **options)
        whole = min(splits.nested(names, sizes, seed).values(), key=len)
        assert groups or len(set().union(*classes)) > len(whole)
        return
    assert list(parts) == sizes
    assert parts == splits.nested(names, sizes, seed, **options)
    by_length = sorted(parts.values(), key=len)
    for smaller, larger in zip(by_length, by_length[1:], strict=False):
        assert set(smaller) <= set(larger)
    for size, part in parts.items():
        count = size if isinstance(size, int) else max(round(size * len(names)), 1)
        assert part == sorted(set(part), key=names.index)
        assert sorted(part + splits.rest(names, part)) == sorted(names)
        if groups is None:
            assert len(part) == count
        else:
            taken = {groups[names.index(name)] for name in part}
            rest = splits.rest(names, part)
            assert part and not taken & {groups[names.index(name)] for name in rest}
        if classes is not None:
            found = [classes[names.index(name)] for name in part]
            assert set().union(*found) == set().union(*classes)


@given(draws())
def test_classes_change_nothing_where_the_draw_has_them_all(drawn):
    names, sizes, seed, groups, classes = drawn
    parts = splits.nested(names, sizes, seed, groups=groups)
    of_name = dict(zip(names, classes or [{0}] * len(names), strict=True))
    smallest = min(parts.values(), key=len)
    if {c for n in smallest for c in of_name[n]} == set().union(*of_name.values()):
        classes = list(of_name.values())
        options = {"groups": groups, "classes": classes}
        assert parts == splits.nested(names, sizes, seed, **options)


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_a_nested_split_is_the_draw_of_its_share(count, seed):
    parts = splits.nested(NAMES, [count, fractions.Fraction(1, 4)], seed)
    assert parts[count] == splits.draw(NAMES, count / 40, seed)
    assert parts[fractions.Fraction(1, 4)] == splits.draw(NAMES, 0.25, seed)


@pytest.mark.parametrize("seed", range(5))
def test_as_many_names_as_classes_are_enough(seed):
    classes = [{i % 35, 35} for i in range(40)]
    (part,) = splits.nested(NAMES, [35], seed, classes=classes).values()
    assert len({NAMES.index(name) % 35 for name in part}) == 35


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_no_other_number_of_groups_is_nearer(seed, count):
    groups = [i // 10 if i < 30 else 3 + i for i in range(40)]
    everything = [*range(1, 41)]
    parts = splits.nested(NAMES, everything, seed, groups=groups)
    reachable = {len(part) for part in parts.values()}
    assert 40 in reachable and len(reachable) == 13
    assert abs(len(parts[count]) - count) == min(abs(n - count) for n in reachable)


def test_seeds_draw_nested_splits_differently():
    options = {"groups": [i // 2 for i in range(40)], "classes": [{0, 1}] * 40}
    draws = {tuple(splits.nested(NAMES, [8], s, **options)[8]) for s in range(5)}
    assert len(draws) == 5


def test_published_splits_of_camvid(shared):
    names = (shared / "camvid" / "train.txt").read_text().split()
    for seed in range(3):
        sizes = [1 / 4, 1 / 8, 1 / 16, 1 / 32]
        for size, part in splits.nested(names, sizes, seed).items():
            split = shared / "camvid" / "splits" / f"1_{round(1 / size)}_seed{seed}"
            assert part == (split / "labeled.txt").read_text().split()


@pytest.mark.parametrize(
    ("names", "sizes", "options", "message"),
    [
        (NAMES, [0], {}, "must be from 1 to 40, as many as there are. Received: 0"),
        (
            NAMES,
            [5, 41],
            {},
            "must be from 1 to 40, as many as there are. Received: 41",
        ),
        (NAMES, [0.0], {}, r"A share must be in \(0, 1\]. Received: 0.0"),
        (NAMES, [1.5], {}, r"A share must be in \(0, 1\]. Received: 1.5"),
        (NAMES, [float("nan")], {}, r"A share must be in \(0, 1\]. Received: nan"),
        (NAMES, [], {}, "one or more different sizes"),
        (NAMES, [0.5, fractions.Fraction(1, 2)], {}, "one or more different sizes"),
        ([*NAMES, "image 3"], [1], {}, "more than once: image 3"),
        (NAMES, [1], {"groups": [0]}, "one entry for each of the 40 names"),
        (NAMES, [1, 1.0], {}, "one or more different sizes"),
        (
            ["a", "b", "c"],
            [2],
            {"classes": [{0, 1}, {2, 3}, {4}]},
            "Not all 5 classes fit in the smallest size, 2: without room are 4. They",
        ),
        (
            ["a", "b", "c"],
            [0.1],
            {"classes": [{0}, {1}, {1}], "groups": ["x", "y", "y"]},
            "room are 1. They were found to fit in 3: draw that many",
        ),
    ],
)
def test_refuses_what_cannot_be_drawn(names, sizes, options, message):
    with pytest.raises(ValueError, match=message):
        splits.nested(names, sizes, **options)


def test_group_keys():
    names = ["a1_x", "a1_y", "b_x"]
    assert splits.group_keys(names, r"^(\w+?)_(\w)") == ["a1", "a1", "b"]
    assert splits.group_keys(names, r"^\w") == ["a", "a", "b"]
    with pytest.raises(ValueError, match="no group in 2 of 3 names: a1_x, a1_y. It"):
        splits.group_keys(names, r"^(b)|^a")
    with pytest.raises(ValueError, match="no group in 3 of 3 names: a1_x, a1_y, b_x"):
        splits.group_keys(names, "z")
    with pytest.raises(
        ValueError, match="must be a regular expression. Received: '\\('"
    ):
        splits.group_keys(names, "(")


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
