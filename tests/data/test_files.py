"""Files of every format and mode, written by Pillow and read by the pipelines."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from keras_imas.data import ClassTable, evaluation, from_folder, semi_supervised

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 16, 3), dtype="uint8")
GREY = RGB[..., 0]
IDS = RNG.integers(0, 4, (12, 16), dtype="uint8")


def image(examples, index=0):
    return np.asarray(examples.read(index)["image"])


def write(folder, name, pixels, mode=None, **options):
    folder.mkdir(exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture if mode is None else picture.convert(mode)).save(folder / name, **options)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp", ".PNG"])
def test_lossless_formats(tmp_path, suffix):
    form = {".PNG": "png", ".webp": "webp"}.get(suffix)
    options = {"lossless": True} if suffix == ".webp" else {}
    write(tmp_path, f"a{suffix}", RGB, format=form, **options)
    np.testing.assert_array_equal(image(from_folder(tmp_path)), RGB)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".gif"])
def test_lossy_formats(tmp_path, suffix):
    smooth = np.full((12, 16, 3), (200, 100, 50), "uint8")
    write(tmp_path, f"a{suffix}", smooth)
    np.testing.assert_allclose(image(from_folder(tmp_path)), smooth, atol=3)


def test_grey_becomes_rgb_and_alpha_is_left_out(tmp_path):
    grey = np.repeat(GREY[..., None], 3, axis=-1)
    write(tmp_path, "1.png", GREY)
    write(tmp_path, "2.jpg", np.full((12, 16), 77, "uint8"))
    write(tmp_path, "3.png", np.dstack([RGB, GREY]))
    write(tmp_path, "4.png", np.dstack([GREY, GREY]), mode=None)
    examples = from_folder(tmp_path)
    np.testing.assert_array_equal(image(examples, 0), grey)
    np.testing.assert_allclose(image(examples, 1), 77, atol=2)
    np.testing.assert_array_equal(image(examples, 2), RGB)
    np.testing.assert_array_equal(image(examples, 3), grey)


def test_sixteen_bits_become_eight(tmp_path):
    deep = GREY.astype("uint16") * 256 + 99
    write(tmp_path, "a.png", deep)
    write(tmp_path, "b.tif", deep)
    examples = from_folder(tmp_path)
    for index in range(2):
        expected = np.repeat(GREY[..., None], 3, axis=-1)
        np.testing.assert_array_equal(image(examples, index), expected)


def test_palette_image_has_its_colors(tmp_path):
    picture = Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png")
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(image(from_folder(tmp_path)), expected)


def test_images_without_a_range_are_refused(tmp_path):
    write(tmp_path, "a.tif", GREY.astype("float32"))
    with pytest.raises(ValueError, match=r"a\.tif has 32 bits a channel"):
        from_folder(tmp_path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path, orientation):
    from PIL import ImageOps

    rows, columns = np.mgrid[:12, :16]
    smooth = np.dstack([20 * rows, 15 * columns, 8 * (rows + columns)]).astype("uint8")
    exif = Image.Exif()
    exif[0x0112] = orientation
    write(tmp_path / "images", "a.jpg", smooth, exif=exif, quality=95)
    with Image.open(tmp_path / "images" / "a.jpg") as stored:
        shown = np.asarray(ImageOps.exif_transpose(stored))
    write(tmp_path / "masks", "a.png", np.zeros(shown.shape[:2], "uint8"))
    examples = from_folder(tmp_path / "images", tmp_path / "masks", num_classes=2)
    assert examples.sizes == {shown.shape[:2]}
    # TensorFlow's and Pillow's decoders of JPEG differ by rounding.
    np.testing.assert_allclose(image(examples), shown, atol=10)


def test_mask_of_the_stored_size_of_a_rotated_image(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    write(tmp_path / "images", "a.jpg", RGB, exif=exif)
    write(tmp_path / "masks", "a.png", IDS)
    with pytest.raises(ValueError, match="EXIF rotates the image"):
        from_folder(tmp_path / "images", tmp_path / "masks")


def labels(tmp_path, **options):
    examples = from_folder(tmp_path / "images", tmp_path / "masks", **options)
    return np.asarray(examples.read(0)["label_map"])


@pytest.mark.parametrize("form", ["png_exif", "png_late", "png_xmp", "webp", "tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_rotation_wherever_a_format_tells_it(tmp_path, form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{form.split('_')[0]}"
    options = {"exif": exif}
    if form == "png_late":
        options = {}
    elif form == "png_xmp":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        xmp = f'<x tiff:Orientation="{orientation}"/>'
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    elif form == "webp":
        options["lossless"] = True
    write(tmp_path, path.name, RGB, **options)
    if form == "png_late":
        content = path.read_bytes()
        chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(chunk) - 4) + chunk
        chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
        path.write_bytes(content[:-12] + chunk + content[-12:])
    shown = RGB[::-1, ::-1] if orientation == 3 else np.rot90(RGB, -1)
    examples = from_folder(tmp_path)
    np.testing.assert_array_equal(image(examples), shown)
    assert examples.sizes == {shown.shape[:2]}


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_damaged_exif_tells_nothing(tmp_path, suffix):
    options = {"lossless": True} if suffix == ".webp" else {}
    smooth = np.full((12, 16, 3), (200, 100, 50), "uint8")
    write(tmp_path, f"a{suffix}", smooth, exif=b"Exif\0\0XX*\0damaged", **options)
    np.testing.assert_allclose(image(from_folder(tmp_path)), smooth, atol=3)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_masks_of_few_bits_are_refused(tmp_path, bits):
    """Pillow, TensorFlow and most readers stretch them to 0..255."""
    write(tmp_path / "images", "a.png", np.zeros((2, 8, 3), "uint8"))
    (tmp_path / "masks").mkdir()
    header = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(bits)) * 2)
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")):
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "masks" / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.png has 2 or 4 bits of grey"):
        labels(tmp_path)


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".png", ".webp"])
def test_pages_and_frames_are_not_dropped_in_silence(tmp_path, suffix):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    pages[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=rf"a\{suffix} has several pages or frames"):
        from_folder(tmp_path)


def test_pages_that_are_overviews_are_no_loss(tmp_path):
    """As in cloud-optimized GeoTIFFs, where they follow in the same file."""
    overview, transparent = Image.fromarray(RGB[::2, ::2]), Image.fromarray(GREY > 99)
    overview.encoderinfo = {"tiffinfo": {254: 1}}
    transparent.encoderinfo = {"tiffinfo": {254: 4}}
    pages = {"save_all": True, "append_images": [overview, transparent]}
    Image.fromarray(RGB).save(tmp_path / "a.tif", **pages)
    np.testing.assert_array_equal(image(from_folder(tmp_path)), RGB)


def test_masks_are_told_by_their_content(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", IDS, format="jpeg")
    with pytest.raises(ValueError, match=r"a\.png is a JPEG, which changes values"):
        labels(tmp_path)
    write(tmp_path / "masks", "a.png", IDS, format="gif")
    with pytest.raises(ValueError, match=r"a\.png is a GIF, whose palette is numbered"):
        labels(tmp_path)


def test_masks_that_do_not_mean_the_same(tmp_path):
    for name in "ab":
        write(tmp_path / "images", f"{name}.png", RGB)
    write(tmp_path / "masks", "a.png", np.array(list(COLORS), "uint8")[IDS])
    write(tmp_path / "masks", "b.png", IDS % 3)
    with pytest.raises(ValueError, match=r"a\.png has colors .*b\.png is grey"):
        labels(tmp_path, classes=TABLE)
    write(tmp_path / "masks", "a.png", (IDS > 1) * np.uint8(255), mode="1")
    with pytest.raises(ValueError, match=r"a\.png has 1 bit .*b\.png more"):
        labels(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_masks_of_ids(tmp_path, suffix):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", f"a{suffix}", IDS)
    np.testing.assert_array_equal(labels(tmp_path, num_classes=4), IDS)


def test_masks_of_sixteen_bits(tmp_path):
    ids = IDS.astype("uint16") * 300
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", ids)
    found = labels(tmp_path, num_classes=901, ignore_class=65535)
    np.testing.assert_array_equal(found, ids)
    with pytest.raises(ValueError, match="contains 900; allowed are 0 to 899"):
        labels(tmp_path, num_classes=900, ignore_class=65535)


def test_masks_of_one_bit(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", (IDS > 1) * np.uint8(255), mode="1")
    np.testing.assert_array_equal(labels(tmp_path, num_classes=2), IDS > 1)


COLORS = {(0, 0, 0): 255, (128, 64, 128): 0, (70, 70, 70): 1, (0, 0, 142): 2}
TABLE = ClassTable(("road", "building", "car"), None, COLORS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_masks_of_colors(tmp_path, mode):
    colors = np.array(list(COLORS), "uint8")[IDS]
    write(tmp_path / "images", "a.png", RGB)
    picture = Image.fromarray(colors)
    picture = picture.quantize(8) if mode == "P" else picture.convert(mode)
    (tmp_path / "masks").mkdir()
    picture.save(tmp_path / "masks" / "a.png")
    expected = np.array(list(COLORS.values()))[IDS]
    found = labels(tmp_path, classes=TABLE, num_classes=3)
    np.testing.assert_array_equal(found, expected)


def test_masks_of_ids_beside_a_table_of_colors(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", IDS % 3)
    np.testing.assert_array_equal(labels(tmp_path, classes=TABLE), IDS % 3)


def test_grey_masks_where_all_colors_are_grey(tmp_path):
    table = ClassTable(("no", "yes"), None, {(0, 0, 0): 0, (255, 255, 255): 1})
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", (IDS > 1) * np.uint8(255))
    found = labels(tmp_path, classes=table, num_classes=2)
    np.testing.assert_array_equal(found, IDS > 1)


def test_a_color_that_is_not_listed(tmp_path):
    import tensorflow as tf

    colors = np.array(list(COLORS), "uint8")[IDS]
    colors[3, 4] = (9, 8, 7)
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.png", colors)
    with pytest.raises(ValueError, match=r"`a` .* has \(9, 8, 7\), which the table"):
        labels(tmp_path, classes=TABLE, num_classes=3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`a`.*\(9, 8, 7\)"):
        labels(tmp_path, classes=TABLE)


def test_masks_that_lose_values_or_have_no_table(tmp_path):
    write(tmp_path / "images", "a.png", RGB)
    write(tmp_path / "masks", "a.jpg", IDS)
    with pytest.raises(ValueError, match=r"a\.jpg is a JPEG, which changes values"):
        labels(tmp_path)
    (tmp_path / "masks" / "a.jpg").unlink()
    write(tmp_path / "masks", "a.png", RGB)
    with pytest.raises(ValueError, match="colors that are listed: classes="):
        labels(tmp_path)


def test_sbd(tmp_path):
    scipy_io = pytest.importorskip("scipy.io")
    write(tmp_path / "images", "a.png", RGB)
    (tmp_path / "masks").mkdir()
    content = {"GTcls": {"Segmentation": IDS, "Boundaries": 0}}
    scipy_io.savemat(tmp_path / "masks" / "a.mat", content)
    np.testing.assert_array_equal(labels(tmp_path, num_classes=4), IDS)
    scipy_io.savemat(tmp_path / "masks" / "a.mat", {"other": 1})
    with pytest.raises(ValueError, match="no label map GTcls.Segmentation"):
        labels(tmp_path)
    content["GTcls"]["Segmentation"] = IDS + 0.5
    scipy_io.savemat(tmp_path / "masks" / "a.mat", content)
    with pytest.raises(ValueError, match="must hold whole numbers"):
        labels(tmp_path)
    content["GTcls"]["Segmentation"] = IDS.astype(float)
    scipy_io.savemat(tmp_path / "masks" / "a.mat", content)
    np.testing.assert_array_equal(labels(tmp_path, num_classes=4), IDS)
    content["GTcls"]["Segmentation"] = IDS
    scipy_io.savemat(tmp_path / "masks" / "a.mat", content, do_compression=True)
    np.testing.assert_array_equal(labels(tmp_path, num_classes=4), IDS)
    (tmp_path / "masks" / "a.mat").write_bytes(b"PK\3\4 no file of MATLAB" * 20)
    with pytest.raises(ValueError, match=r"a\.mat cannot be read: no label map"):
        labels(tmp_path)


@pytest.fixture
def damaged(tmp_path):
    """Eight images, of which 1 is cut off, 4 is nothing and 6 has a bad mask."""
    for number in range(8):
        pixels = RNG.integers(0, 256, (40, 40, 3), dtype="uint8")
        pixels[0, 0] = number
        suffix = ".jpg" if number == 1 else ".png"
        write(tmp_path / "images", f"{number}{suffix}", pixels)
        write(tmp_path / "masks", f"{number}.png", pixels[..., 0] % 4)
    for path in ("images/1.jpg", "images/4.png", "masks/6.png"):
        content = (tmp_path / path).read_bytes()
        (tmp_path / path).write_bytes(content[: len(content) // 2])
    return tmp_path


def test_bad_image_is_named(damaged):
    import tensorflow as tf

    examples = from_folder(damaged / "images", damaged / "masks")
    for name, path in (("1", "images/1.jpg"), ("6", "masks/6.png")):
        only = from_folder(damaged / "images", damaged / "masks", [name])
        with pytest.raises(tf.errors.InvalidArgumentError, match=f"{path} cannot be"):
            list(evaluation(only))
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be read"):
        list(evaluation(examples))


def test_bad_images_are_skipped(damaged):
    folders = damaged / "images", damaged / "masks"
    examples = from_folder(*folders, on_bad_image="skip")
    batches = list(evaluation(examples, batch_size=2))
    images = np.concatenate([images for images, _ in batches])
    assert images[:, 0, 0, 0].tolist() == [0, 2, 3, 5, 7]
    assert examples.bad.keys() == {"1", "4", "6"}
    assert "images/1.jpg cannot be read: " in examples.bad["1"]
    assert "masks/6.png" in examples.bad["6"]


def test_batches_are_full_where_images_are_skipped(damaged):
    labeled = from_folder(
        damaged / "images", damaged / "masks", ["0", "1", "2"], on_bad_image="skip"
    )
    unlabeled = from_folder(
        damaged / "images", None, ["3", "4", "5", "6", "7"], on_bad_image="skip"
    )
    batches = semi_supervised(
        labeled, unlabeled, crop_size=16, labeled_batch_size=2, unlabeled_batch_size=2
    )
    for _ in range(2):
        epoch = list(batches)
        assert len(epoch) == len(batches) == 2
        for inputs, _ in epoch:
            assert set(inputs["labeled_index"].numpy()) <= {0, 2}
            assert 1 not in inputs["unlabeled_index"].numpy()
    assert labeled.bad.keys() == {"1"} and unlabeled.bad.keys() == {"4"}


def test_all_images_bad(damaged):
    import tensorflow as tf

    examples = from_folder(damaged / "images", None, ["1", "4"], on_bad_image="skip")
    batches = semi_supervised(
        (RGB[None], IDS[None]), examples, crop_size=8, unlabeled_batch_size=1
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="None of 2 images can be"):
        list(batches)


def test_on_bad_image_has_two_values(tmp_path):
    write(tmp_path, "a.png", RGB)
    with pytest.raises(ValueError, match='`on_bad_image` must be "error" or "skip"'):
        from_folder(tmp_path, on_bad_image="blank")
