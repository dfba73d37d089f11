"""Attack with images and masks: damaged ones, and decompression bombs."""

import io
import os
import zlib

import numpy as np
from PIL import Image
from tortures.hostile_files.fuzzing import mutated
from tortures.hostile_files.photographs import encoded, make_photographs, pixels

_FORMATS = {
    "png": {},
    "jpg": {},
    "bmp": {},
    "gif": {},
    "tif": {"compression": "tiff_deflate"},
    "webp": {"lossless": True},
}
_BATCH = 20  # files in a folder, which is read as one


def images(torture, tally):
    """Read damaged images of every format: each must be read or named."""
    seeds = [
        (suffix, encoded(Image.fromarray(pixels(mode), mode), suffix, options))
        for suffix, options in _FORMATS.items()
        for mode in ("L", "RGB")
    ]
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds += [
        ("jpg", encoded(Image.fromarray(pixels("RGB")), "jpg", {"exif": exif})),
        ("png", encoded(Image.fromarray(pixels("RGB")), "png", {"exif": exif})),
        ("png", encoded(Image.fromarray(pixels("I;16")), "png", {})),
        ("png", encoded(Image.fromarray(pixels("L")).convert("P"), "png", {})),
        ("png", encoded(Image.fromarray(pixels("L")).convert("1"), "png", {})),
    ]
    _damaged(torture, tally, "images", seeds, torture.times(3000))


def masks(torture, tally):
    """Read damaged masks, among them MATLAB files like those of SBD."""
    labels = Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8) % 3)
    seeds = [
        (suffix, encoded(labels, suffix, options))
        for suffix, options in _FORMATS.items()
        if suffix not in ("jpg", "gif")
    ]
    seeds.append(("png", encoded(labels.convert("P"), "png", {})))
    try:
        from scipy.io import savemat
    except ImportError:  # it is optional
        pass
    else:
        for compressed in (False, True):
            file = io.BytesIO()
            segmentation = {"Segmentation": np.asarray(labels)}
            savemat(file, {"GTcls": segmentation}, do_compression=compressed)
            seeds.append(("mat", file.getvalue()))
    _damaged(torture, tally, "masks", seeds, torture.times(2000))


def _damaged(torture, tally, what, seeds, count):
    from keras_imas import data

    random = torture.random(what)
    root = torture.room(what)
    for number in range(max(1, count // _BATCH)):
        folder = root / str(number)
        names = [f"photo{i}" for i in range(_BATCH)]
        make_photographs(folder, names)
        for name in names:
            suffix, content = random.choice(seeds)
            (folder / what / f"{name}.png").unlink()
            file = folder / what / f"{name}.{suffix}"
            file.write_bytes(mutated(content, random))

        def read(folder=folder):
            with data.collected() as problems:
                examples = data.from_folder(folder / "images", folder / "masks")
            if len(examples):
                problems += data.check({"labeled": examples}, 256).problems
            return [p.message for p in problems if p.severity == "error"]

        messages = tally.attempt(folder, read)
        if messages is not None:
            tally.counts["read"] -= 1
            named = sum(
                any(name in _words(message) for message in messages) for name in names
            )
            tally.counts["refused"] += named
            tally.counts["read"] += _BATCH - named


def _words(message):
    """Return the names of files in a message, without suffix."""
    words = message.replace("`", " ").replace("'", " ").replace(":", " ").split()
    return {os.path.splitext(os.path.basename(word))[0] for word in words}


def bombs(torture, tally):
    """Read small files that decode to gigabytes."""
    from keras_imas import data

    root = torture.room("bombs")
    random = torture.random("bombs")
    for number in range(torture.times(40)):
        folder = root / str(number)
        make_photographs(folder, ("a",))
        side = random.choice((12_000, 20_000, 60_000, 2**31 - 1))
        suffix = random.choice(("png", "tif", "bmp", "gif", "mat", "png"))
        where = "masks" if suffix == "mat" else random.choice(("images", "masks"))
        (folder / where / "a.png").unlink()
        (folder / where / f"a.{suffix}").write_bytes(_bomb(suffix, side))
        examples = tally.attempt(
            f"a.{suffix}", data.from_folder, folder / "images", folder / "masks"
        )
        if examples is not None:
            tally.counts["accepted"] += 1
            tally.worst = tally.worst or f"a bomb, {suffix} of {side}², was taken"


def _bomb(suffix, side):
    def chunk(kind, content):
        body = kind + content
        return len(content).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)

    if suffix == "png":
        header = side.to_bytes(4) + side.to_bytes(4) + bytes([8, 0, 0, 0, 0])
        pixels = zlib.compress(bytes(10_000_000), 9)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            chunk(*part)
            for part in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
        )
    if suffix == "mat":
        deflate = zlib.compressobj(9)
        zeros = bytes(1 << 20)
        content = b"".join(deflate.compress(zeros) for _ in range(800))
        content += deflate.flush()
        head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
        return (
            head
            + (15).to_bytes(4, "little")
            + len(content).to_bytes(4, "little")
            + (content)
        )
    tiny = bytearray(encoded(Image.new("L", (1, 1)), suffix, {}))
    little = side.to_bytes(4, "little")
    if suffix == "bmp":
        tiny[18:26] = little + little
    elif suffix == "gif":
        tiny[6:10] = b"\xff\xff\xff\xff"
    else:  # the tags of width and height, of type LONG
        for tag in (256, 257):
            place = tiny.index(tag.to_bytes(2, "little"), 8)
            tiny[place + 2 : place + 12] = b"\4\0\1\0\0\0" + little
    return bytes(tiny)
