"""What was decoded once is kept, and what can't be read is skipped each time."""

import os

import numpy as np
import pytest
from PIL import Image

from keras_imas.data import evaluation, from_folder

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 16, 3), dtype="uint8")
IDS = RNG.integers(0, 4, (12, 16), dtype="uint8")


def image(examples, index=0):
    return np.asarray(examples.read(index)["image"])


def write(folder, name, pixels, **options):
    folder.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / name, **options)


@pytest.mark.parametrize("where", ["memory", "directory"])
def test_cache(tmp_path, where):
    for number in range(3):
        write(tmp_path / "images", f"{number}.png", RGB + np.uint8(number))
        write(tmp_path / "masks", f"{number}.png", IDS)
    plain = from_folder(tmp_path / "images", tmp_path / "masks")
    where = where if where == "memory" else str(tmp_path / "cache")
    cached = plain.cached(where)
    first = list(evaluation(cached, batch_size=3))[0]
    for path in (tmp_path / "images").iterdir():
        # As long and as old as before, so that it is not decoded again.
        state = path.stat()
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    second = list(evaluation(cached, batch_size=3))[0]
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(first[0][1], RGB + np.uint8(1))
    if where != "memory":
        again = from_folder(
            tmp_path / "images", tmp_path / "masks", on_bad_image="skip"
        )
        np.testing.assert_array_equal(image(again.cached(where), 1), RGB + np.uint8(1))


@pytest.mark.parametrize("where", ["memory", "directory"])
def test_cache_skips_a_mask_each_time(tmp_path, where):
    for name, mask in (("a", IDS), ("b", np.where(IDS == 1, 1, 255))):
        write(tmp_path / "images", f"{name}.png", RGB)
        write(tmp_path / "masks", f"{name}.png", mask.astype("uint8"))
    examples = from_folder(
        tmp_path / "images", tmp_path / "masks", binary_masks=True, on_bad_image="skip"
    )
    cached = examples.cached(where if where == "memory" else str(tmp_path / "cache"))
    for _ in range(2):
        assert cached.get(1) is None
        assert "holds both 1 and 255" in cached.bad.pop("b")


def test_cache_notices_that_a_file_has_changed(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    examples = from_folder(tmp_path / "images").cached(str(tmp_path / "cache"))
    np.testing.assert_array_equal(image(examples), RGB)
    write(tmp_path / "images", "a.png", 255 - RGB, compress_level=0)
    np.testing.assert_array_equal(image(examples), 255 - RGB)


def test_cache_that_is_not_whole(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    examples = from_folder(tmp_path / "images").cached(str(tmp_path / "cache"))
    image(examples)
    for damaged in (lambda content: content[:200], lambda content: b"PK\3\4" + content):
        for path in (tmp_path / "cache").iterdir():
            path.write_bytes(damaged(path.read_bytes()))
        np.testing.assert_array_equal(image(examples), RGB)


def test_cache_that_vanishes(tmp_path, capsys):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "images", "b.png", RGB)
    examples = from_folder(tmp_path / "images").cached(str(tmp_path / "cache"))
    (tmp_path / "cache").rmdir()
    np.testing.assert_array_equal(image(examples, 0), RGB)
    np.testing.assert_array_equal(image(examples, 1), RGB)
    assert capsys.readouterr().err.count("nothing more is kept in the cache") == 1
