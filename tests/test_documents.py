"""The documents say what is so."""

import ast
import importlib.util
import os
import re
import subprocess
import sys

import keras
import numpy as np
import programs
import pytest
from PIL import Image

from keras_imas import data
from keras_imas.command_line import COMMANDS

ROOT = programs.ROOT
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    # First, as other pages use what it makes.
    *sorted(
        ROOT.glob("docs/**/*.md"), key=lambda path: (path.name != "library.md", path)
    ),
]
IDS = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```", re.S | re.M)

# What is not run of the documents, and why. Messages, `text`, are no code.
EXEMPT_DOCUMENTS = {
    "CONTRIBUTING.md": "lint and the tests themselves: .ci/run",
    "walkthrough.md": "takes CamVid, and long: run by hand",
}
EXEMPT = {
    r"^pip install": "what is installed is what these tests run in",
    r"^python scripts/test\.py": "the tests themselves",
    r"^export KERAS_|--strategy=|\bstrategy_scope\(": (
        "several hosts or devices: tests/backends/test_devices.py"
    ),
    r"train_folder\.py \S+ \S+ --num_classes=11$": (
        "killed, and resumed: tests/test_examples.py"
    ),
    r"--folds=": "eleven trainings: tests/runs/test_compared_runs.py",
    r"\bwandb\b": "other packages, tried by hand",
    r"--preset=gpu|--backbone=dinov2_small": "takes a GPU",
    r"\.from_preset\(": "downloads: tests/test_any_network.py has KerasHub's networks",
}
# What makes the rest small: flags for the programs, other text in Python.
FLAGS = {
    r"train_\w+\.py|keras-imas train": "--steps=2 --crop_size=33 --weights=none "
    "--verbose=0 --labeled_batch_size=2 --unlabeled_batch_size=2",
    r"examples/demo\.py": "--steps=50",
    r"train_cityscapes\.py$": "--unlabeled_batch_size=80",
    r"--images=camvid": "--image_size=48,64 --dry_run",
    r"scripts/export\.py": {
        "tensorflow": "",
        "jax": "--formats=tf_saved_model",
        "torch": "--formats=onnx,openvino",
    }[keras.backend.backend()],
    r"benchmark\.py step": "--crop_size=33 --rounds=1 --nomemory --noparts "
    "--pytorch=float32",
}
SUBSTITUTES = {
    "epochs=50": "epochs=1",
    "supervised_only_steps=750": "supervised_only_steps=0",
    "crop_size=321": "crop_size=33",
    'weights="resnet50.pth"': "weights=None",
    'weights="dinov2-small/"': "weights=None",
    'backbone="dinov2_small")': 'backbone="dinov2_small", weights=None)',
    'backbone="mobilenet_v2"': 'backbone="mobilenet_v2", weights=None',
}
# What a document takes for granted.
BEFORE = {
    "see_what_it_does.md": "cp -r runs/folder-imas-1 runs/folder-supervised-1 && "
    "cp runs/folder-imas-1/student_last.keras epoch_10.keras && "
    "cp runs/folder-imas-1/teacher_last.keras epoch_20.keras"
}


def blocks(document, *languages):
    """Lists a document's blocks of code; with languages, those of them alone."""
    found = BLOCKS.findall(document.read_text(encoding="utf-8"))
    return [(name, code) for name, code in found if not languages or name in languages]


def to_run(document):
    """Lists `(language, code)` of what runs: blocks, of bash single commands."""
    pieces = []
    for language, code in blocks(document):
        if language == "bash":
            code = re.sub(r"\\\n\s*|[ \t]#.*", "", code)
            pieces += [
                ("bash", c.strip()) for c in re.split("\n|&&", code) if c.strip()
            ]
        elif language != "text":
            pieces.append((language, code))
    exempt = "|".join(EXEMPT)
    return [(name, code) for name, code in pieces if not re.search(exempt, code)]


def can_run(command):
    """Tell whether the extra that a command needs is installed."""
    return "export" not in command or importlib.util.find_spec("onnxruntime")


def run_command(command, cwd):
    flags = [added for program, added in FLAGS.items() if re.search(program, command)]
    command = " ".join([command, *flags])
    folders = [f"{cwd}/bin", os.path.dirname(sys.executable), os.environ["PATH"]]
    path = os.pathsep.join(folders)
    process = subprocess.run(
        command,
        shell=True,
        cwd=cwd,
        env={**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=500,
    )
    assert process.returncode == 0, f"{command}\n{process.stdout}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_links_and_programs_are_there(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target
    for _, code in blocks(document, "bash"):
        for program in re.findall(r"python ((?:examples|scripts)/\S+\.py)", code):
            assert (ROOT / program).is_file(), program
        for typed in re.findall(r"^keras-imas (.*)", code, re.M):
            one, two = typed.split()[0], " ".join(typed.split()[:2])
            assert one.startswith("--") or {one, two} & COMMANDS.keys(), typed


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_flags_are_those_of_the_programs(document):
    code = "\n".join(c for _, c in blocks(document, "bash")).replace("\\\n", " ")
    programs = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("examples/*.py")]
    sources = [*programs, *ROOT.glob("keras_imas/**/*.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for line in code.split("\n"):
        if not re.search(r"python \w+/\S+\.py|^keras-imas \w", line):
            continue
        for flag in re.findall(r" --([a-z]\w*)", line):
            name = f"({flag}|{flag.removeprefix('no')})"
            defined = rf'"(--)?{name}"|\b{name}: \w+ = field'
            assert flag in ("flagfile", "help") or re.search(defined, source), flag


def test_every_command_is_in_the_table_with_its_program():
    table = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    for words, command in COMMANDS.items():
        program = f"`{command.program}`" if command.program else ""
        assert f"| `keras-imas {words}` | {command.summary} | {program} |" in table


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_python_is_python(document):
    for _, code in blocks(document, "python"):
        ast.parse(code)


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_blocks_are_run_or_exempt(document):
    program = r"(\w+=\w+ )?(python (examples|scripts)/|keras-imas )"
    if document.name not in EXEMPT_DOCUMENTS:
        for language, code in to_run(document):
            assert language in ("bash", "python", "csv"), code
            assert language != "bash" or re.match(program, code), code


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A directory with the files that the documents name, drawn here."""
    for folder in ("examples", "scripts"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    entry_point = tmp_path / "bin" / "keras-imas"  # as pip installs it, of this package
    entry_point.parent.mkdir()
    entry_point.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from keras_imas_command import main\nmain()\n"
    )
    entry_point.chmod(0o755)
    images, label_maps = data.scenes.load(12, height=64, width=96)
    labeled, unlabeled, val = range(4), range(4, 8), range(8, 12)
    train = range(8)
    for pattern, arrays, numbers in (
        ("photos/{}.jpg", images, train),
        ("masks/{}.png", label_maps % 11, labeled),
        ("val_photos/{}.jpg", images, val),
        ("val_masks/{}.png", label_maps % 11, val),
        ("more_photos/{}.jpg", images, val),
        ("photo.jpg", images, [0]),
        ("camvid/images/train/{}.png", images, train),
        ("camvid/masks/train/{}.png", label_maps % 11, labeled),
        ("camvid/images/val/{}.png", images, val),
        ("camvid/masks/val/{}.png", label_maps % 11, val),
        ("cityscapes/leftImg8bit/train/a/{}_leftImg8bit.png", images, train),
        ("cityscapes/gtFine/train/a/{}_gtFine_labelTrainIds.png", label_maps, train),
        ("cityscapes/leftImg8bit/val/a/{}_leftImg8bit.png", images, val),
        ("cityscapes/gtFine/val/a/{}_gtFine_labelTrainIds.png", label_maps, val),
    ):
        for number in numbers:
            path = tmp_path / pattern.format(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(arrays[number]).save(path)
    (tmp_path / "DIR").symlink_to("cityscapes")
    (tmp_path / "camvid/splits/1_16_seed0").mkdir(parents=True)
    for name, numbers in (
        ("labeled.txt", labeled),
        ("unlabeled.txt", unlabeled),
        ("camvid/splits/1_16_seed0/labeled.txt", labeled),
        ("camvid/splits/1_16_seed0/unlabeled.txt", unlabeled),
        ("camvid/val.txt", val),
        ("train.txt", range(160)),
    ):
        (tmp_path / name).write_text("\n".join(map(str, numbers)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.full
def test_blocks_run(workplace):
    """All in the order of reading: later ones take what earlier ones have made."""
    logits = np.zeros((2, 8, 8, 11), "float32")
    given = {"student_logits": logits, "teacher_logits": logits}
    given["images"] = np.zeros((2, 33, 33, 3), "float32")
    ran = set()
    for document in DOCUMENTS:
        if document.name in EXEMPT_DOCUMENTS:
            continue
        if document.name in BEFORE:
            run_command(BEFORE[document.name], workplace)
        names = dict(given)
        for language, code in to_run(document):
            if language == "python":
                for text, substitute in SUBSTITUTES.items():
                    code = code.replace(text, substitute)
                exec(compile(code, document, "exec"), names)
            elif language == "csv":
                (workplace / "classes.csv").write_text(code)
                data.read_class_table("classes.csv")
            elif code not in ran and can_run(code):
                run_command(code, workplace)
                ran.add(code)
        if document.name == "library.md":
            given = names


@pytest.mark.full
@pytest.mark.tensorflow_only
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    process = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.returncode == 0, process.stdout
    pages = {
        page.parent.name: page.read_text(encoding="utf-8")
        for page in tmp_path.glob("reference/*/index.html")
    }
    assert 'id="keras_imas.IMAS"' in pages["imas"]
    sizes = {name: len(page.encode()) for name, page in pages.items()}
    assert max(sizes.values()) <= 100_000, sizes
