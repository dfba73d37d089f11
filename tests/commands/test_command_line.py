"""`keras-imas`, run as a user runs it."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import programs
import pytest
from PIL import Image
from tiers import core_and_full

from keras_imas.command_line import COMMANDS
from keras_imas.runs.shipped_recipes import recipe_names

TINY = (
    "--weights=none",
    "--crop_size=33",
    "--labeled_batch_size=2",
    "--unlabeled_batch_size=2",
    "--warmup_steps=0",
)
FOLDER = ("--images=images", "--masks=masks", "--num_classes=3")
# The entry point that `pip install` writes, whatever is installed here.
ENTRY_POINT = f"""\
import sys
sys.argv[0] = "keras-imas"
sys.path.insert(0, {str(programs.ROOT)!r})
from keras_imas_command import main
sys.exit(main())
"""


def run(*arguments, cwd):
    return programs.run("-c", ENTRY_POINT, *arguments, cwd=cwd)


@pytest.fixture
def photographs(tmp_path):
    """Six photographs, of which two have masks."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(6):
        image = rng.integers(0, 256, (40, 56, 3), dtype="uint8")
        Image.fromarray(image).save(tmp_path / "images" / f"{number}.png")
        if number < 2:
            mask = Image.fromarray(image[..., 0] % 3)
            mask.save(tmp_path / "masks" / f"{number}.png")
    return tmp_path


WITHOUT_KERAS = """
import contextlib, io, sys
sys.path.insert(0, sys.argv.pop(1))
from keras_imas_command import main
with contextlib.redirect_stdout(io.StringIO()) as printed:
    main()
print(printed.getvalue())
loaded = {"keras", "tensorflow", "jax", "torch", "numpy"} & set(sys.modules)
assert not loaded, loaded
"""


def test_a_reader_that_has_seen_enough_ends_it_quietly():
    """As `keras-imas --help | head -1` does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_imas", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    assert b"BrokenPipe" not in process.stderr.read()
    process.wait()


@pytest.mark.parametrize(
    "arguments", [(), ("--help",), ("train", "--help"), ("benchmark",)]
)
def test_the_first_screen_imports_neither_keras_nor_a_backend(arguments, tmp_path):
    process = programs.run("-c", WITHOUT_KERAS, programs.ROOT, *arguments, cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    listed = [words for words in COMMANDS if f"\n  {words} " in process.stdout]
    group = arguments[0] if arguments and "--help" != arguments[0] else None
    assert listed == [
        words
        for words in COMMANDS
        if (words.startswith(group) if group else not words.startswith("benchmark"))
    ]
    assert len(process.stdout.splitlines()) < 40


def test_every_program_of_the_checkout_is_a_command():
    programs_of_commands = {c.program for c in COMMANDS.values() if c.program}
    for program in programs_of_commands:
        text = (programs.ROOT / program).read_text(encoding="utf-8")
        assert "from keras_imas.commands.running import load, run" in text
        assert len(text.splitlines()) < 20
    examples = {f"examples/{p.name}" for p in programs.ROOT.glob("examples/*.py")}
    assert examples <= programs_of_commands


RECIPES = [
    "--recipe=voc_classic_92_r50",
    "--flagfile=voc_classic_92_r50",
    "--flagfile=examples/flagfiles/voc_classic_92_r50.flags",
]
WRONG = {
    "lable-next": "no command 'lable-next'; did you mean 'label-next'?",
    "train foldr": "'train foldr'; did you mean 'train folder'?",
    "benchmark stepp": "'benchmark stepp'; did you mean 'benchmark step'?",
    "predict --imput=a": "no flag --imput; did you mean --input?",
    "predict --model=a": "--input is needed\n--output is needed\nkeras-imas",
    "report": "Pass the directories of one or several runs.\nkeras-imas",
    "report nowhere --output=.": "Error: `output` can't be written",
    "label-next nowhere": "Error: ",
    "train voc --recipe=voc_classic": "There is no recipe 'voc_classic'",
    "train folder --recipe=x": "There are no recipes of folder",
    "train voc --flagfile=x": "--flagfile=x",
    "check --images a": "`images` and `masks` are needed",
}


@pytest.mark.parametrize(
    "typed", core_and_full(["lable-next", "predict --imput=a"], WRONG)
)
def test_what_is_wrong_is_said_in_a_line_and_what_to_do(typed, tmp_path):
    process = run(*typed.split(), cwd=tmp_path)
    assert process.returncode == 1
    assert WRONG[typed] in process.stdout
    assert "Traceback" not in process.stdout


@pytest.mark.parametrize("words", core_and_full(["train folder"], COMMANDS))
def test_help_of_a_command_fits_a_screen_and_the_full_one_has_all(words, tmp_path):
    process = run(*words.split(), "--help", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    assert f"    keras-imas {words}" in process.stdout
    assert "python " not in process.stdout
    # TensorFlow's import prints lines before it, whatever the log level.
    _, _, screen = process.stdout.partition(f"    keras-imas {words}")
    assert len(screen.splitlines()) <= 48
    process = run(*words.split(), "--helpfull", cwd=tmp_path)
    assert process.returncode == 0
    program = COMMANDS[words].program
    if program:
        shown = programs.run(programs.ROOT / program, "--help", cwd=tmp_path).stdout
        assert f"python {program}" in shown and "keras-imas " not in shown
        for name in re.findall(r"^  --(?:\[no\])?(\w+):", shown, re.M):
            assert re.search(rf"^  --(\[no\])?{name}[= \n]", process.stdout, re.M), name


def test_a_report_asks_for_what_it_needs_before_it_reads_a_run(tmp_path):
    hidden = ENTRY_POINT.replace(
        "import sys", "import sys\nsys.modules['plotly'] = None"
    )
    process = programs.run("-c", hidden, "report", "nowhere", cwd=tmp_path)
    assert process.returncode == 1
    assert 'pip install "keras-imas[report]"' in process.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.full
def test_env_says_what_a_bug_report_needs(tmp_path):
    process = run("env", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    facts = dict(line.split(":", 1) for line in process.stdout.splitlines())
    assert facts["python"].strip() == ".".join(map(str, sys.version_info[:3]))
    assert {"keras-imas", "system", "backend", "devices", "keras"} <= facts.keys()
    assert "tpu" not in process.stdout


def test_recipes_are_listed(tmp_path):
    process = run("train", "cityscapes", "--recipe=list", cwd=tmp_path)
    assert process.returncode == 0, process.stdout
    # Between lines of TensorFlow's own.
    listed = re.findall(r"^cityscapes_\w+", process.stdout, re.M)
    assert listed == recipe_names("cityscapes") and len(listed) == 17


@pytest.mark.parametrize("recipe", core_and_full(RECIPES[:1], RECIPES))
def test_recipes_are_chosen_by_name(recipe, tmp_path):
    process = run("train", "voc", recipe, "--crop_size=0", cwd=tmp_path)
    assert "`crop_size` must be positive. Received: 0" in process.stdout


def test_check_takes_flags_as_people_type_them(photographs):
    process = run(
        "check", "--images", "images", "--masks", "masks", "--num_classes", "3",
        cwd=photographs,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    assert "labeled: 2 images" in process.stdout


@pytest.mark.full
def test_a_run_is_stopped_resumed_and_used(photographs):
    """The printed command is the one that was typed, and resumes the run."""
    binaries = photographs / "bin"
    binaries.mkdir()
    # Beside the Python that it runs, as `pip install` puts it.
    python = binaries / os.path.basename(sys.executable)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    entry_point = binaries / "keras-imas"
    code = f"sys.executable = {str(python)!r}\n"
    text = ENTRY_POINT.replace("import sys\n", f"import sys\n{code}", 1)
    entry_point.write_text(f"#!{sys.executable}\n{text}")
    for path in (python, entry_point):
        path.chmod(0o755)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PATH"] = f"{binaries}{os.pathsep}{environment['PATH']}"

    def call(command, **options):
        return subprocess.run(
            command, cwd=photographs, env=environment, text=True, timeout=400,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    command = ["keras-imas", "train", "folder", *FOLDER, *TINY, "--epochs=20"]
    output = photographs / "runs" / "folder-imas-1"
    printed = programs.stop_after_an_epoch(
        command, output, cwd=photographs, env=environment
    )
    again = printed.split("To resume:\n")[1].strip()
    assert "keras-imas train folder --images=images" in again
    assert "python" not in again
    resumed = call(again, shell=True)
    assert resumed.returncode == 0, resumed.stdout
    assert "runs/folder-imas-1 holds an unfinished run" in resumed.stdout
    assert "  keras-imas report runs/folder-imas-1" in resumed.stdout
    facts = json.loads((output / "run.json").read_text())
    assert facts["finished"] and facts["command"][:3] == command[:3]
    assert "recipe" not in facts["settings"]

    listed = call(["keras-imas", "label-next", output, "--count=3", "--show=2"])
    assert listed.returncode == 0, listed.stdout
    assert listed.stdout.count(". hardness ") == 2
    with open(output / "label_next_folder-imas-1.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and {row["image"] for row in rows} <= set("2345")
    assert (photographs / rows[0]["file"]).is_file()

    said = call([sys.executable, "-m", "keras_imas", "env", "--help"]).stdout
    assert "    python -m keras_imas env" in said


# Python runs it first, and signals as soon as a program opens a file of this name.
SIGNAL_WHILE_READING = """
import os, signal, sys
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith("labeled.txt"):
        os.kill(os.getpid(), signal.SIGTERM)
sys.addaudithook(hook)
"""


def test_a_signal_while_data_are_read_prints_the_command_too(photographs):
    (photographs / "labeled.txt").write_text("0\n1\n")
    (photographs / "site").mkdir()
    (photographs / "site" / "sitecustomize.py").write_text(SIGNAL_WHILE_READING)
    path = os.pathsep.join([str(photographs / "site"), str(programs.ROOT)])
    command = ["-m", "keras_imas", "train", "folder", *FOLDER, "--labeled=labeled.txt"]
    process = programs.run(*command, cwd=photographs, PYTHONPATH=path)
    assert process.returncode == 75, process.stdout
    again = process.stdout.split("To resume:\n")[1].strip()
    assert again.endswith("--labeled=labeled.txt --output_dir=runs/folder-imas-1")
    assert not (photographs / "runs").exists()


@pytest.mark.full
def test_python_m_prints_the_command_that_python_runs(photographs):
    process = programs.run(
        "-m", "keras_imas", "train", "folder", "--x", cwd=photographs
    )
    assert process.returncode == 1
    assert "python -m keras_imas train folder --help" in process.stdout


@pytest.mark.full
def test_the_wheel_does_the_whole_job(tmp_path):
    """Built, installed in an environment of its own, and used away from here."""
    pytest.importorskip("setuptools")
    source = tmp_path / "source"
    shutil.copytree(programs.ROOT / "keras_imas", source / "keras_imas")
    for name in ("pyproject.toml", "keras_imas_command.py", "README.md", "LICENSE"):
        shutil.copy(programs.ROOT / name, source)
    process = programs.run(
        "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
        "--wheel-dir", tmp_path, source, cwd=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in recipe_names():
        assert f"keras_imas/runs/recipes/{name}.flags" in names
    assert {"keras_imas_command.py", "keras_imas/commands/demo.py"} <= names

    shutil.rmtree(source)
    environment = tmp_path / "environment"
    programs.run("-m", "venv", "--without-pip", environment, cwd=tmp_path)
    (site,) = environment.glob("[Ll]ib/**/site-packages")
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "--python", environment, "install", "--quiet",
         "--no-deps", wheel],
        capture_output=True, text=True,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    # What it needs, but not this checkout: a .pth of an editable install is not read.
    needed = [p for p in sys.path if p.endswith("site-packages")]
    (site / "needed.pth").write_text("\n".join(needed))
    (program,) = environment.glob("*/keras-imas*")
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    work = tmp_path / "work"
    work.mkdir()
    for arguments, text in (
        (("--help",), "train folder"),
        (("env",), "backend:"),
        (("train", "folder", "--help"), "keras-imas train folder --images=photos"),
        (("train", "voc", "--recipe=list"), "voc_classic_92_r50"),
        (("demo", "--tour"), "3. Label next"),
    ):
        process = subprocess.run(
            [program, *arguments], cwd=work, env=variables, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300,
        )  # fmt: skip
        assert process.returncode == 0, process.stdout
        assert text in process.stdout
    assert "\n  keras-imas demo" in process.stdout
    where = subprocess.run(
        [environment / program.parent.name / "python", "-c",
         "import keras_imas; print(keras_imas.__file__)"],
        cwd=work, env=variables, capture_output=True, text=True,
    )  # fmt: skip
    assert str(site) in where.stdout, where.stdout + where.stderr
