"""Attack with text files: lists of names, tables of classes, flagfiles."""

import contextlib
import io
import sys

from hypothesis import strategies as st
from tortures.hostile_files.fuzzing import fuzz
from tortures.hostile_files.photographs import NAMES, make_photographs

# Lines as people write them, and as nobody does.
_LINES = st.one_of(
    st.sampled_from([*NAMES, "a.png", "images/a.png", "a.png a.png", "a,masks/a.png"]),
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
    """Read lists of impossible names, in impossible encodings."""
    from keras_imas import data

    root = torture.room("lists")
    make_photographs(root, NAMES)
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
    fuzz(torture, anything, torture.times(1500), attack)


def class_tables(torture, tally):
    """Read tables whose numbers, names or quotes are wrong."""
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
    fuzz(torture, anything, torture.times(3000), attack)


def flagfiles(torture, tally):
    """Read flagfiles with unknown flags, of no encoding, or that include themselves."""
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

    fuzz(torture, content, torture.times(1000), attack)
    flags.FLAGS.unparse_flags()


@contextlib.contextmanager
def _silence():
    """Add what is printed to the message of an exit."""
    text = io.StringIO()
    with contextlib.redirect_stderr(text), contextlib.redirect_stdout(text):
        try:
            yield
        except SystemExit as error:
            raise SystemExit(f"{error}\n{text.getvalue()}") from None
