import json
import sys

import numpy as np
import pytest
from absl import flags
from PIL import Image

from keras_imas.runs.flags import define_flags, given_flags
from keras_imas.runs.reading import Reading, reading_from_flags
from keras_imas.runs.several_networks import common_reading, run_of_each

RUN = {
    "settings": {"image_size": ["24", "32"], "mask_name": "{}_L.png", "classes": ""},
    "class_names": ["red", "green"],
    "ignore_class": 9,
}


@pytest.fixture
def parse(monkeypatch, request):
    """Parse a command line by flags of its own, those of all fields or of some."""
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    for name in ("string", "integer", "float", "boolean", "list"):
        define = getattr(flags, f"DEFINE_{name}")
        monkeypatch.setattr(
            flags,
            f"DEFINE_{name}",
            lambda *args, define=define, **kw: define(*args, flag_values=values, **kw),
        )
    define_flags(Reading, only=getattr(request, "param", None))
    return lambda *arguments: values(["program", *arguments])


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    return tmp_path


def test_a_run_tells_what_no_flag_says(parse, run, capsys):
    parse("--max_pixels=1000")
    reading = reading_from_flags(run / "teacher_best.keras")
    assert reading.image_size == (24, 32) and reading.mask_name == "{}_L.png"
    assert reading.ignore_class == 9 and reading.max_pixels == 1000
    assert reading.table.names == ("red", "green") and reading.known_classes == 2
    assert capsys.readouterr().err == ""


def test_a_flag_that_contradicts_the_run_is_named_and_counts(parse, run, capsys):
    parse("--ignore_class=255", "--image_size=24,32", "--class_names=red,blue")
    reading = reading_from_flags(run)
    assert reading.ignore_class == 255 and reading.image_size == (24, 32)
    said = capsys.readouterr().err
    assert "--ignore_class=255 contradicts the run" in said
    assert "the classes are red, blue here" in said or "--class_names" in said
    assert "image_size" not in said


@pytest.mark.parametrize("parse", [("classes", "image_size")], indirect=True)
def test_a_program_that_reads_no_masks_takes_a_table(parse, run, tmp_path):
    facts = {**RUN, "settings": {"binary_masks": True}}
    (run / "run.json").write_text(json.dumps(facts))
    (tmp_path / "table.csv").write_text("name,id\nred,0\ngreen,1\n")
    parse()
    assert reading_from_flags(run).binary_masks
    parse(f"--classes={tmp_path / 'table.csv'}")
    assert reading_from_flags(run).table.names == ("red", "green")


def test_a_table_is_found_from_elsewhere(parse, run, tmp_path):
    where = tmp_path / "there"
    where.mkdir()
    (where / "classes.csv").write_text("name,r,g,b\nred,200,0,0\ngreen,0,200,0\n")
    settings = {"classes": "classes.csv"}
    facts = {**RUN, "settings": settings, "working_directory": str(where)}
    (run / "run.json").write_text(json.dumps(facts))
    parse()
    reading = reading_from_flags(run)
    for folder, color in (("images", (9, 9, 9)), ("masks", (0, 200, 0))):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (4, 4), color).save(tmp_path / folder / "a.png")
    examples = reading.read_folder(tmp_path / "images", tmp_path / "masks")
    [(_, example)] = examples.pick([0])
    assert np.unique(example["label_map"]).tolist() == [1]


def test_a_table_that_has_changed_since_the_run_is_not_taken(parse, run, tmp_path):
    (tmp_path / "classes.csv").write_text("name,id\ngreen,0\nred,1\n")
    facts = {
        **RUN,
        "settings": {"classes": "classes.csv"},
        "working_directory": str(tmp_path),
    }
    (run / "run.json").write_text(json.dumps(facts))
    parse()
    with pytest.raises(ValueError, match="classes.csv' has changed since the run"):
        reading_from_flags(run)
    parse(f"--classes={tmp_path / 'classes.csv'}")
    assert reading_from_flags(run).table.names == ("green", "red")


def test_without_a_run_the_flags_count(parse, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    parse("--num_classes=3", "--classes=")
    reading = reading_from_flags(tmp_path / "network.keras")
    assert reading.known_classes == 3 and reading.table is None
    parse("--classes=~/classes.csv", "--num_classes=0")
    assert flags.FLAGS.classes == str(tmp_path / "classes.csv")


@pytest.fixture
def write_runs(tmp_path):
    """Write runs named a, b, ... that differ, and return the files of networks."""

    def write(*differences):
        files = []
        for name, facts in zip("abcd", differences, strict=False):
            (tmp_path / name).mkdir()
            text = json.dumps({**RUN, **facts})
            (tmp_path / name / "run.json").write_text(text)
            files.append(str(tmp_path / name / f"{name}.keras"))
        return files

    return write


TABLE = "name,id,r,g,b\nred,0,200,0,0\ngreen,1,0,200,0\n"


@pytest.mark.parametrize(
    ("facts", "match", "way_out"),
    [
        (
            {"image_size": [32, 48]},
            r"'.*a\.keras' with image_size=24,32 and '.*b\.keras' with .*=32,48",
            "--image_size=24,32",
        ),
        ({"image_range": [0, 4095]}, "no image_range and .*=0.0,4095.0", None),
        ({"ignore_class": 0}, "ignore_class=9 and .*=0", "--ignore_class=9"),
        ({"settings": {"image_size": ["24", "32"]}}, "no mask_name", "--mask_name=x"),
        (
            {"class_names": ["green", "red"]},
            r"red, green and '.*b\.keras' with green, red\. Rate one, or pass --class",
            "--class_names=red,green",
        ),
        (
            {"settings": {**RUN["settings"], "classes": "table.csv"}},
            "no classes and .* with classes=",
            "--classes=table.csv",
        ),
    ],
)
def test_networks_of_runs_that_read_otherwise_are_refused(
    parse, write_runs, tmp_path, monkeypatch, facts, match, way_out
):
    (tmp_path / "table.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    files = write_runs({}, facts)
    parse()
    with pytest.raises(ValueError, match=f"{match}"):
        common_reading(files, alone="rate one")
    with pytest.raises(ValueError, match=r"\. Rate one, or pass --"):
        common_reading(files[::-1], alone="rate one")
    if way_out:
        parse(way_out)
        assert common_reading(files) == reading_from_flags(files[0])


def test_networks_of_runs_that_read_alike_are_read_at_once(parse, write_runs, capsys):
    files = write_runs({}, {"class_names": ["0", "1"]}, {"image_sizes": {"9,9": 1}})
    parse("--ignore_class=5")
    assert common_reading(files).image_size == (24, 32)
    # Each run is named once, also with two networks of it.
    assert capsys.readouterr().err.count("contradicts") == 3
    common_reading([files[0], files[0].replace("a.keras", "last.keras")])
    assert capsys.readouterr().err.count(f"contradicts the run of {files[0]!r}") == 1


def test_how_masks_in_folders_are_read_counts_only_there(parse, write_runs):
    files = write_runs({}, {"settings": {"image_size": ["24", "32"]}})
    parse()
    with pytest.raises(ValueError, match="mask_name"):
        common_reading(files)
    assert common_reading(files, mask_folder=False).image_size == (24, 32)


def test_a_network_that_is_part_of_no_run_is_read_as_the_others(parse, write_runs):
    files = ["elsewhere/x.keras", *write_runs({}, {})]
    assert run_of_each(files) == {
        files[0]: files[1],
        files[1]: files[1],
        files[2]: files[2],
    }
    parse()
    assert common_reading(files).ignore_class == 9
    assert common_reading(files[:1]).ignore_class == 255


@pytest.mark.parametrize("parse", [("image_size", "image_range")], indirect=True)
def test_a_program_without_masks_has_no_flag_for_other_classes(parse, write_runs):
    files = write_runs({"ignore_class": 3}, {}, {"class_names": ["green", "red"]})
    parse()
    assert common_reading(files[:2], mask_folder=False).image_size == (24, 32)
    with pytest.raises(ValueError, match="same order.*with green, red$"):
        common_reading(files[1:], mask_folder=False)


def test_flags_of_other_packages_are_none_of_a_run_s(parse):
    flags.DEFINE_integer("of_another_package", 5, "", module_name="another")
    parse()
    assert "of_another_package" not in given_flags()
    assert given_flags().keys() == Reading.__dataclass_fields__.keys()
    assert sys.argv[0] in flags.FLAGS.flags_by_module_dict()
