"""Files that somebody made to break the program, or that were damaged on the way."""

import collections
import io
import os
import pickle
import resource
import signal
import sys
import traceback
import warnings
import zipfile
import zlib
from contextlib import contextmanager

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from tortures.torture import Row

_SECONDS = 20  # for one input; more is a hang
_NAMES = ("a", "b/c", "ä ö", "2007_000032")


def run(torture):
    """Yield a row for each kind of file."""
    _warm_up(torture)
    for name, attack in (
        ("list files", lists),
        ("tables of classes", class_tables),
        ("images", images),
        ("masks", masks),
        ("paths and links out of the data's folders", ways_out),
        ("decompression bombs", bombs),
        ("flagfiles", flagfiles),
        ("models (.keras), weights (.h5), checkpoints (.pth)", checkpoints),
    ):
        tally = Tally()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with _quiet():
            attack(torture, tally)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        yield tally.row(f"hostile {name}", grown)


@contextmanager
def _quiet():
    """Keep what decoders print by themselves from the screen."""
    before = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)


def _warm_up(torture):
    """Load what is loaded once, so that it is not taken for what files do to memory."""
    from keras_imas import data

    root = torture.room("warm_up")
    _make_photographs(root, _NAMES)
    examples = data.from_folder(root / "images", root / "masks")
    data.check({"labeled": examples}, 256)
    _load_encoder("mobilenet_v2", None)
    if _torch_checkpoint():
        _load_encoder("resnet50_deep_stem", None)


class Tally:
    """What came of inputs: read, refused in words that name the file, or worse."""

    def __init__(self):
        self.counts = collections.Counter()
        self.worst = None

    def attempt(self, name, function, *arguments):
        """Call a function and count what it does with an input.

        Args:
            name: What an error must name, or one of a tuple of names.
            function: What reads the input.
            *arguments: Its arguments.

        Returns:
            What the function returns, or None.
        """
        names = name if isinstance(name, tuple) else (name,)
        try:
            with _time_limit():
                result = function(*arguments)
        except _TooLong:
            self.counts["hung"] += 1
            self.worst = self.worst or f"{name}: hung"
        except (ValueError, OSError, SystemExit) as error:
            if any(str(name) in str(error) for name in names):
                self.counts["refused"] += 1
            else:
                self._crash(name, error)
        except Exception as error:
            self._crash(name, error)
        else:
            self.counts["read"] += 1
            return result
        return None

    def _crash(self, name, error):
        self.counts["crashed"] += 1
        if self.worst is None:
            trace = traceback.extract_tb(error.__traceback__)[-1]
            self.worst = f"{name}: {error!r} at {trace.filename}:{trace.lineno}"

    def row(self, fault, grown):
        """Return the row of the table; `grown` is by how many KiB memory peaked."""
        bad = self.counts["crashed"] + self.counts["hung"] + self.counts["accepted"]
        counted = (
            f"{self.counts['read']:,} read, {self.counts['refused']:,} refused by "
            f"name, {self.counts['crashed']} crashes, {self.counts['hung']} hangs; "
            f"peak memory +{grown / 1024:.0f} MiB"
        )
        lost = f"{counted}; {self.worst}" if bad else f"nothing: {counted}"
        return Row(fault, self.counts.total(), lost, not bad)


class _TooLong(BaseException):
    pass


@contextmanager
def _time_limit():
    def stop(number, frame):
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _examples(torture, strategy, count, function):
    """Call a function with examples of a hypothesis strategy."""

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=torture.seed == 0,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def each(example):
        function(example)

    each()


def _mutated(content, random):
    """Return bytes with some of them changed, cut off, doubled or swapped."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        place = random.randrange(len(content) + 1)
        kind = random.randrange(5)
        if kind == 0:
            del content[place:]
        elif kind == 1:
            content[place : place + 4] = random.choice(
                (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\1\0\0")
            )
        elif kind == 2:
            content[place:place] = content[max(0, place - 64) : place]
        elif kind == 3:
            content[place : place + 1] = random.randbytes(1)
        else:
            content[place : place + random.randrange(200)] = b""
    return bytes(content)


# Lines as people write them, and as nobody does.
_LINES = st.one_of(
    st.sampled_from([*_NAMES, "a.png", "images/a.png", "a.png a.png", "a,masks/a.png"]),
    st.sampled_from(
        [
            "../a.png",
            "/etc/passwd",
            "..\\..\\a.png",
            "a.png\0.png",
            '"a.png',
            "~/a.png",
            "$HOME/a.png",
            "file:///a.png",
            "x" * 200_000,
            '"' + "y" * 200_000,
            "/".join(["d"] * 3000),
        ]
    ),
    st.text(max_size=40),
)


def lists(torture, tally):
    """Names that are no names, in encodings that are none."""
    from keras_imas import data

    root = torture.room("lists")
    _make_photographs(root, _NAMES)
    path = root / "list.txt"

    def attack(content):
        path.write_bytes(content)
        tally.attempt(
            path.name, data.from_folder, root / "images", root / "masks", path
        )

    lines = st.lists(_LINES, max_size=6).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
    )
    codecs = st.sampled_from(["utf-16", "cp1252"])
    encoded = st.tuples(st.lists(_LINES, max_size=3), codecs).map(
        lambda x: "\n".join(x[0]).encode(x[1], "replace")
    )
    anything = st.one_of(lines, lines, encoded, st.binary(max_size=300))
    _examples(torture, anything, torture.times(1500), attack)


def class_tables(torture, tally):
    """Tables whose numbers, names or quotes are not what they should be."""
    from keras_imas.data import read_class_table

    path = torture.room("classes") / "classes.csv"
    cell = st.one_of(
        st.integers(-1, 300).map(str),
        st.sampled_from(["", "road", "9" * 5000, "١٢", "1e9", "-0", '"', "²", "nan"]),
        st.text(max_size=12),
    )
    header = st.one_of(
        st.permutations(["name", "id", "r", "g", "b"]).map(list),
        st.just(["name"]),
        st.lists(cell, max_size=6),
    )
    rows = st.lists(st.lists(cell, max_size=6), max_size=6)
    separator = st.sampled_from([",", ";", "\t", ", "])
    table = st.tuples(header, rows, separator).map(
        lambda t: "\n".join(t[2].join(row) for row in [t[0], *t[1]]).encode(
            "utf-8", "surrogatepass"
        )
    )

    def attack(content):
        path.write_bytes(content)
        tally.attempt(path.name, read_class_table, path)

    anything = st.one_of(table, table, st.binary(max_size=300))
    _examples(torture, anything, torture.times(3000), attack)


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
    """Images of every format, damaged: each is read or named."""
    seeds = [
        (suffix, _encoded(Image.fromarray(_pixels(mode), mode), suffix, options))
        for suffix, options in _FORMATS.items()
        for mode in ("L", "RGB")
    ]
    exif = Image.Exif()
    exif[0x0112] = 6
    seeds += [
        ("jpg", _encoded(Image.fromarray(_pixels("RGB")), "jpg", {"exif": exif})),
        ("png", _encoded(Image.fromarray(_pixels("RGB")), "png", {"exif": exif})),
        ("png", _encoded(Image.fromarray(_pixels("I;16")), "png", {})),
        ("png", _encoded(Image.fromarray(_pixels("L")).convert("P"), "png", {})),
        ("png", _encoded(Image.fromarray(_pixels("L")).convert("1"), "png", {})),
    ]
    _damaged(torture, tally, "images", seeds, torture.times(3000))


def masks(torture, tally):
    """Masks, damaged, SBD's files among them."""
    labels = Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8) % 3)
    seeds = [
        (suffix, _encoded(labels, suffix, options))
        for suffix, options in _FORMATS.items()
        if suffix not in ("jpg", "gif")
    ]
    seeds.append(("png", _encoded(labels.convert("P"), "png", {})))
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
        _make_photographs(folder, names)
        for name in names:
            suffix, content = random.choice(seeds)
            (folder / what / f"{name}.png").unlink()
            file = folder / what / f"{name}.{suffix}"
            file.write_bytes(_mutated(content, random))

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


def ways_out(torture, tally):
    """What leads out of the folders: it must not be read."""
    from keras_imas import data

    root = torture.room("ways_out")
    _make_photographs(root, ("a", "b"))
    secret = root / "elsewhere"
    secret.mkdir()
    Image.fromarray(_pixels("RGB")).save(secret / "secret.png")
    random = torture.random("ways_out")
    path = root / "list.txt"
    ups = ("..", "images/..", "./../", "a/../..", "images/../../ways_out")
    for number in range(torture.times(300)):
        up = "/".join(random.choice(ups) for _ in range(random.randrange(1, 4)))
        line = random.choice(
            (
                f"{up}/elsewhere/secret.png",
                f"{up}/elsewhere/secret",
                f"{secret}/secret.png",
                f"{up}/elsewhere/secret.png".replace("/", "\\"),
                f"images/{up}/elsewhere/secret.png",
                f"a.png,{up}/elsewhere/secret.png",
                f"a.png {secret}/secret.png",
                f"link{number}.png",
                f"linked{number}/secret.png",
            )
        )
        links = []
        if line.startswith("link"):
            link = root / "images" / line.split("/")[0]
            link.symlink_to(secret / "secret.png" if "/" not in line else secret)
            links.append(link)
        path.write_text(f"b.png\n{line}\n")
        masks_folder = None if links else root / "masks"
        examples = tally.attempt(
            path.name, data.from_folder, root / "images", masks_folder, path
        )
        if examples is not None:
            tally.counts["accepted"] += 1
            tally.worst = tally.worst or f"{line!r} was read"
        for link in links:
            link.unlink()


def bombs(torture, tally):
    """Small files that decode to gigabytes."""
    from keras_imas import data

    root = torture.room("bombs")
    random = torture.random("bombs")
    for number in range(torture.times(40)):
        folder = root / str(number)
        _make_photographs(folder, ("a",))
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
    tiny = bytearray(_encoded(Image.new("L", (1, 1)), suffix, {}))
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


def flagfiles(torture, tally):
    """Flagfiles with unknown flags, in no encoding, that name themselves."""
    from absl import flags

    from keras_imas.runs.flags import define_flags, parse_flags
    from keras_imas.runs.recipe import Recipe

    if "crop_size" not in flags.FLAGS:
        define_flags(Recipe())
    path = torture.room("flagfiles") / "run.flags"
    value = st.one_of(
        st.text(max_size=12), st.sampled_from(["1e999", "-1", "nan", "9" * 5000, ""])
    )
    flag_names = ("crop_size", "seed", "learning_rate", "multi_grid")
    known = st.sampled_from(flag_names)
    # What is wrong with a number's value is said by the name of its flag.
    names = (path.name, *(f"`{name}`" for name in flag_names))
    line = st.one_of(
        st.tuples(st.one_of(known, st.text(max_size=9)), value).map(
            "--{0[0]}={0[1]}".format
        ),
        st.sampled_from(
            ["# comment", f"--flagfile={path}", "--flagfile=no_such", "--"]
        ),
        st.text(max_size=30),
    )
    content = st.one_of(
        st.lists(line, max_size=6).map(
            lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
        ),
        st.binary(max_size=200),
    )

    def attack(content):
        path.write_bytes(content)

        def read():
            with _silence():
                parse_flags(["train.py", f"--flagfile={path}"])
            return Recipe.from_flags()

        try:
            tally.attempt(names, read)
        finally:
            flags.FLAGS.unparse_flags()
            for name in flags.FLAGS.get_key_flags_for_module(sys.argv[0]):
                name.unparse()

    _examples(torture, content, torture.times(1000), attack)
    flags.FLAGS.unparse_flags()


@contextmanager
def _silence():
    """Keep what is printed for the exit's message."""
    import contextlib

    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(text):
        try:
            yield
        except SystemExit as error:
            raise SystemExit(f"{error}\n{text.getvalue()}") from None


class _Evil:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def checkpoints(torture, tally):
    """Saved models and weights: damaged, and with code in them."""
    import keras

    from keras_imas.runs.safe_loading import load_model

    root = torture.room("checkpoints")
    random = torture.random("checkpoints")
    layers = [keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, padding="same")]
    network = keras.Sequential(layers)
    whole = root / "whole.keras"
    network.save(whole)
    for number in range(torture.times(300)):
        path = root / f"{number}.keras"
        path.write_bytes(_mutated(whole.read_bytes(), random))
        tally.attempt(path.name, load_model, path)
        path.unlink()

    # With code: a lambda in the configuration, pickles where weights should be.
    proof = root / "unpickled"
    with_code = keras.Sequential([*layers, keras.layers.Lambda(lambda x: x)])
    lambdas = root / "lambda.keras"
    with_code.save(lambdas)
    found = tally.attempt(lambdas.name, load_model, lambdas)
    evil = pickle.dumps({"conv1.0.weight": _Evil(proof)})
    pickles = {"evil.pth": evil, "evil.weights.h5": evil, "evil.keras": evil}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", evil)
        file.writestr("archive/version", "3\n")
    pickles["evil_zip.pth"] = archive.getvalue()
    torch_checkpoint = _torch_checkpoint()
    count = torture.times(200) if torch_checkpoint else 0
    for number in range(count):
        pickles[f"{number}.pth"] = _mutated(torch_checkpoint, random)
    for name, content in pickles.items():
        path = root / name
        path.write_bytes(content)
        if name.endswith(".keras"):
            tally.attempt(name, load_model, path)
        else:
            deep = name.endswith(".pth")
            if deep and not torch_checkpoint:
                continue
            backbone = "resnet50_deep_stem" if deep else "mobilenet_v2"
            tally.attempt(name, _load_encoder, backbone, path)
    if proof.exists() or found is not None:
        tally.counts["accepted"] += 1
        tally.worst = "code in a file was run"


def _load_encoder(backbone, path):
    from keras_imas.models import dilated_backbone

    dilated_backbone(
        backbone, weights=path and str(path), input_shape=(32, 32, 3), output_stride=32
    )


def _torch_checkpoint():
    try:
        import torch
    except ImportError:  # it is optional
        return None
    file = io.BytesIO()
    torch.save({"conv1.0.weight": torch.zeros(64, 3, 3, 3)}, file)
    return file.getvalue()


def _pixels(mode):
    rng = np.random.default_rng(0)
    if mode == "I;16":
        return rng.integers(0, 65536, (8, 8), "uint16")
    return rng.integers(0, 256, (8, 8) if mode == "L" else (8, 8, 3), "uint8")


def _encoded(image, suffix, options):
    file = io.BytesIO()
    form = {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix)
    image.save(file, form, **options)
    return file.getvalue()


def _make_photographs(root, names):
    for name in names:
        for what, mode in (("images", "RGB"), ("masks", "L")):
            path = root / what / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_pixels(mode) % 3, mode).save(path)
