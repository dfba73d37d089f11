"""Read files that were made to break the program, or damaged on the way."""

import os
import resource
import warnings
from contextlib import contextmanager

from tortures.hostile_files.networks import (
    checkpoints,
    load_encoder,
    torch_checkpoint,
)
from tortures.hostile_files.paths import ways_out
from tortures.hostile_files.photographs import NAMES, make_photographs
from tortures.hostile_files.pictures import bombs, images, masks
from tortures.hostile_files.tally import Tally
from tortures.hostile_files.texts import class_tables, flagfiles, lists


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
    """Hide what decoders print to stderr."""
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
    """Load what is loaded once, so that its memory is not counted as a file's."""
    from keras_imas import data

    root = torture.room("warm_up")
    make_photographs(root, NAMES)
    examples = data.from_folder(root / "images", root / "masks")
    data.check({"labeled": examples}, 256)
    load_encoder("mobilenet_v2", None)
    if torch_checkpoint():
        load_encoder("resnet50_deep_stem", None)
