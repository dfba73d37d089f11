"""Values of files beyond 8 bits, with a sign, or with a fraction."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from tiff_writer import write_tiff

from keras_imas.data import check, evaluation, from_folder
from keras_imas.data.pixels import read_image, read_mask, read_values

RNG = np.random.default_rng(0)
TWELVE = RNG.integers(0, 4096, (12, 16)).astype("uint16")
TWELVE[0, :2] = 0, 4095


def photograph(folder, name="a.png", shape=(12, 16, 3)):
    folder.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, shape, dtype="uint8")
    Image.fromarray(pixels).save(folder / name)


def write_png16(path, values):
    """Write 16 bits of RGB, which Pillow does not."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    path.write_bytes(content)


def test_twelve_bits_in_sixteen(tmp_path):
    Image.fromarray(TWELVE).save(tmp_path / "a.png")
    Image.fromarray(TWELVE[::-1]).save(tmp_path / "b.tif")
    dark = check({"unlabeled": from_folder(tmp_path)})
    assert len(dark.warnings) == 1
    assert "values from 0 to 4095, of 0 to 65535" in dark.warnings[0]
    assert "--image_range=0,4095" in dark.warnings[0]
    examples = from_folder(tmp_path, image_range=(0, 4095))
    expected = np.rint(TWELVE / 4095 * 255)[..., None].repeat(3, axis=-1)
    np.testing.assert_array_equal(examples.read(0)["image"], expected)
    np.testing.assert_array_equal(examples.read(1)["image"], expected[::-1])
    report = check({"unlabeled": examples})
    assert report.problems == [] and report.parts["unlabeled"].values == (0, 4095)


def test_all_sixteen_bits_are_no_problem(tmp_path):
    Image.fromarray(TWELVE * 16).save(tmp_path / "a.png")
    assert check({"unlabeled": from_folder(tmp_path)}).problems == []


def test_what_a_range_cuts_off_is_told(tmp_path):
    Image.fromarray(TWELVE).save(tmp_path / "a.png")
    examples = from_folder(tmp_path, image_range=(1000, 2000))
    image = np.asarray(examples.read(0)["image"])
    assert (image[TWELVE <= 1000] == 0).all() and (image[TWELVE >= 2000] == 255).all()
    (warning,) = check({"unlabeled": examples}).warnings
    assert "outside of image_range=(1000, 2000) becomes black or white" in warning


def test_sixteen_bits_a_color(tmp_path):
    colors = RNG.integers(0, 4096, (12, 16, 3)).astype("uint16")
    colors[0, 0] = 4095
    write_png16(tmp_path / "a.png", colors)
    np.testing.assert_array_equal(read_values(tmp_path / "a.png"), colors)
    assert "--image_range=0,4095" in check({"a": from_folder(tmp_path)}).warnings[0]
    examples = from_folder(tmp_path, image_range=(0, 4095))
    expected = np.rint(colors / 4095 * 255)
    np.testing.assert_array_equal(examples.read(0)["image"], expected)


def test_the_range_of_values_that_cannot_be_read_is_not_told(tmp_path):
    write_tiff(tmp_path / "a.tif", np.full((8, 8, 3), 60000, "uint16"))
    examples = from_folder(tmp_path)
    assert (np.asarray(examples.read(0)["image"]) == 60000 // 256).all()
    report = check({"unlabeled": examples})
    assert report.problems == [] and report.parts["unlabeled"].values is None


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_a_color_of_which_eight_are_read(tmp_path, channels):
    photometric = {3: 2, 4: 5}[channels]  # RGB, CMYK
    colors = np.full((8, 8, channels), 4095, "uint16")
    write_tiff(tmp_path / "b.tif", colors, photometric=photometric)
    assert len(from_folder(tmp_path)) == 1
    with pytest.raises(ValueError, match=r"b\.tif has 16 bits a color .* as PNG"):
        from_folder(tmp_path, image_range=(0, 4095))


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_signed_and_float_images_need_a_range(tmp_path, dtype):
    values = RNG.integers(-1000, 1001, (12, 16)).astype(dtype)
    write_tiff(tmp_path / "a.tif", values)
    with pytest.raises(ValueError, match=r"a\.tif has .*whose range is unknown"):
        from_folder(tmp_path)
    image = from_folder(tmp_path, image_range=(-1000, 1000)).read(0)["image"]
    expected = np.rint((values.astype(float) + 1000) * 255 / 2000)
    np.testing.assert_array_equal(image[..., 0], expected)


def test_thirty_two_bits_without_a_sign(tmp_path):
    """Pillow takes them for signed, and 3,000,000,000 for a negative number."""
    values = np.array([[0, 2_000_000_000, 3_000_000_000, 4_000_000_000]], "uint32")
    write_tiff(tmp_path / "a.tif", values)
    examples = from_folder(tmp_path, image_range=(0, 4e9))
    image = examples.read(0)["image"]
    np.testing.assert_array_equal(image[..., 0], [[0, 128, 191, 255]])
    assert check({"unlabeled": examples}).parts["unlabeled"].values == (0, 4e9)


def test_negatives_are_shown_or_refused(tmp_path):
    """Pillow inverts 8 bits of which 0 is white, and no more than 8."""
    write_tiff(tmp_path / "a.tif", TWELVE.astype("uint8"), photometric=0)
    image = from_folder(tmp_path).read(0)["image"]
    np.testing.assert_array_equal(image[..., 0], 255 - TWELVE.astype("uint8"))
    write_tiff(tmp_path / "a.tif", TWELVE, photometric=0)
    for image_range in (None, (0, 4095)):
        with pytest.raises(ValueError, match=r"a\.tif has 16 bits of .*WhiteIsZero"):
            from_folder(tmp_path, image_range=image_range)


def test_values_that_are_not_finite(tmp_path):
    write_tiff(tmp_path / "a.tif", np.full((4, 4), np.nan, "float32"))
    with pytest.raises(ValueError, match="not finite"):
        read_image(tmp_path / "a.tif", (0, 1))


@pytest.mark.parametrize("wrong", [(5, 5), (9, 0), (1,), (1, 2, 3)])
def test_ranges_that_are_none(tmp_path, wrong):
    photograph(tmp_path)
    with pytest.raises(ValueError, match="`image_range` must be"):
        from_folder(tmp_path, image_range=wrong)


def test_a_range_of_sixteen_bits_for_files_of_eight(tmp_path):
    photograph(tmp_path)
    with pytest.raises(ValueError, match=r"a\.png has 8 bits, .*for files of more"):
        from_folder(tmp_path, image_range=(0, 4095))
    values = read_values(tmp_path / "a.png").astype(float)
    image = from_folder(tmp_path, image_range=(50, 150)).read(0)["image"]
    np.testing.assert_array_equal(image, np.rint(np.clip((values - 50) * 2.55, 0, 255)))


def test_a_cache_of_another_range_is_not_used(tmp_path):
    (tmp_path / "images").mkdir()
    Image.fromarray(TWELVE).save(tmp_path / "images" / "a.png")
    for high in (4095, 2047):
        examples = from_folder(tmp_path / "images", image_range=(0, high))
        image = examples.cached(str(tmp_path / "cache")).read(0)["image"]
        np.testing.assert_array_equal(image, examples.read(0)["image"])


@pytest.mark.parametrize(
    ("channels", "extra"),
    [(2, (0,)), (4, (0,)), (5, (0, 0)), (5, (1, 0)), (13, (0,) * 10)],
)
def test_more_channels_than_three_are_refused(tmp_path, channels, extra):
    values = RNG.integers(0, 256, (8, 8, channels), dtype="uint8")
    write_tiff(tmp_path / "a.tif", values, extra)
    with pytest.raises(ValueError, match=r"a\.tif .*has \d+ channels.* save only"):
        from_folder(tmp_path)


def test_alpha_that_is_called_so_is_left_out(tmp_path):
    values = RNG.integers(0, 256, (8, 8, 4), dtype="uint8")
    write_tiff(tmp_path / "a.tif", values, (2,))
    image = from_folder(tmp_path).read(0)["image"]
    np.testing.assert_array_equal(image, values[..., :3])


def masks(tmp_path, array, num_classes=3, photometric=1, **options):
    photograph(tmp_path / "images", shape=(*array.shape, 3))
    write_tiff(tmp_path / "masks" / "a.tif", array, photometric=photometric)
    examples = from_folder(
        tmp_path / "images", tmp_path / "masks", num_classes=num_classes, **options
    )
    ((_, label_map),) = evaluation(
        examples,
        num_classes=num_classes,
        ignore_class=options.get("ignore_class", 255),
    )
    return np.asarray(label_map)[0]


TRUTH = np.arange(64).reshape(8, 8) % 4 - 1


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
@pytest.mark.parametrize("void", [-1, -9999, 255])
def test_masks_with_an_ignored_id_of_their_own(tmp_path, dtype, void):
    label_map = np.where(TRUTH < 0, void, TRUTH).astype(dtype)
    np.testing.assert_array_equal(
        masks(tmp_path, label_map, ignore_class=void), label_map
    )
    for other in (-2, 254):
        with pytest.raises(ValueError, match=f"contains {void}; allowed are 0 to 2"):
            masks(tmp_path, label_map, ignore_class=other)


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_float_masks_with_a_fraction(tmp_path, value):
    label_map = np.full((8, 8), value, "float32")
    with pytest.raises(ValueError, match=r"a\.tif .*whole numbers, class ids.* floats"):
        masks(tmp_path, label_map)


def test_masks_whose_ids_are_read_inverted_are_refused(tmp_path):
    label_map = np.maximum(TRUTH, 0)
    with pytest.raises(ValueError, match=r"a\.tif has 0 as white.*save it with 0 as"):
        masks(tmp_path, label_map.astype("uint8"), photometric=0)
    found = masks(tmp_path, label_map.astype("uint16"), photometric=0)
    np.testing.assert_array_equal(found, label_map)


@pytest.mark.parametrize("dtype", ["uint32", "float32"])
def test_masks_with_ids_beyond_int32(tmp_path, dtype):
    label_map = np.full((8, 8), 2, dtype)
    np.testing.assert_array_equal(masks(tmp_path, label_map), label_map)
    label_map[3, 3] = 3_000_000_000
    with pytest.raises(ValueError, match=r"a\.tif .*up to 2147483647.* 3000000000"):
        masks(tmp_path, label_map)


def test_masks_of_signed_bytes_are_refused(tmp_path):
    """Pillow would take -1 for 255, and -2 for 254."""
    with pytest.raises(ValueError, match=r"a\.tif has 8 bits with a sign"):
        masks(tmp_path, TRUTH.astype("int8"))


def test_so_many_classes_that_255_is_one(tmp_path):
    many = (np.arange(400).reshape(20, 20) % 300).astype("int16")
    with pytest.raises(ValueError, match="ignore_class=255 is one of the classes"):
        masks(tmp_path, many, 300)
    found = masks(tmp_path, many, 300, ignore_class=-1)
    np.testing.assert_array_equal(found, many)


@pytest.mark.parametrize("dtype", ["uint8", "bool"])
@pytest.mark.parametrize("value", [1, 255])
def test_binary_masks(tmp_path, dtype, value):
    truth = TRUTH > 0
    for name in "ab":
        photograph(tmp_path / "images", f"{name}.png", (8, 8, 3))
    (tmp_path / "masks").mkdir()
    first = truth if dtype == "bool" else truth * np.uint8(value)
    Image.fromarray(first).save(tmp_path / "masks" / "a.png")
    Image.fromarray(truth * np.uint8(1)).save(tmp_path / "masks" / "b.png")
    examples = from_folder(
        tmp_path / "images", tmp_path / "masks", binary_masks=True, num_classes=2
    )
    for index in range(2):
        np.testing.assert_array_equal(examples.read(index)["label_map"], truth)


def test_binary_masks_with_other_values(tmp_path):
    photograph(tmp_path / "images", shape=(8, 8, 3))
    (tmp_path / "masks").mkdir()
    options = {"binary_masks": True, "num_classes": 2}
    for values, words in (
        ([0, 1, 255], "both 1 and 255"),
        ([0, 128, 255], "128; allow"),
    ):
        mask = np.array(values, "uint8")[np.arange(64).reshape(8, 8) % 3]
        Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
        with pytest.raises(ValueError, match=words):
            from_folder(tmp_path / "images", tmp_path / "masks", **options)
    with pytest.raises(ValueError, match="Only one of `binary_masks`, `classes`"):
        from_folder(tmp_path / "images", tmp_path / "masks", label_table=[0], **options)


def test_an_object_of_255_is_not_taken_for_ignored(tmp_path):
    photograph(tmp_path / "images", shape=(8, 8, 3))
    (tmp_path / "masks").mkdir()
    Image.fromarray((TRUTH > 0) * np.uint8(255)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(ValueError, match=r"class 0 and 255 alone.* \(--binary_masks"):
        from_folder(tmp_path / "images", tmp_path / "masks", num_classes=2)
    with pytest.raises(ValueError, match="`num_classes` must be 2 or more"):
        from_folder(tmp_path / "images", tmp_path / "masks", num_classes=1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("orientation", [6, 8])
def test_rotated_tiffs_that_are_not_compressed(dtype, orientation, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (6, 8)).astype(dtype)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / "a.tif", exif=exif)
    shown = np.rot90(values, 1 if orientation == 8 else -1)
    np.testing.assert_array_equal(read_mask(tmp_path / "a.tif"), shown)
