"""Every cure that an error names is a flag of the program that prints it."""

import ast
import functools
import pathlib
import re

import programs
import pytest
from tiers import core_and_full

PACKAGE = programs.ROOT / "keras_imas"
# What follows a word of advice, up to the next sentence.
ADVICE = re.compile(
    r"(?:\b[Pp]ass|\braise|\b[Cc]hoose another|\b[Tt]ry|\bor|\bwith) "
    r"(?:fewer |more |one of )?(?:`(\w+)`|(--\w+))"
)
READS_FOLDERS = ("data/folder.py", "data/files.py", "runs/reading.py")
PROGRAMS = {
    "scripts/evaluate.py": READS_FOLDERS,
    "scripts/make_splits.py": (*READS_FOLDERS, "commands/splits.py"),
    "scripts/predict.py": ("data/files.py",),
    "scripts/export.py": ("data/files.py",),
    "examples/train_folder.py": (
        *READS_FOLDERS,
        "runs/sources/folder.py",
        "runs/plan.py",
        "runs/run_directory.py",
        "runs/recipe.py",
        "runs/optimization.py",
        "runs/unlabeled_part.py",
    ),
}


@functools.cache
def sentences(path):
    """The texts of a module, without its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts.append(
                "".join(str(getattr(part, "value", "")) for part in node.values)
            )
        elif isinstance(node, ast.Constant) and id(node) not in documents:
            texts.append(str(node.value))
    return texts


def cures(path):
    found = set()
    for text in sentences(path):
        for quoted, flag in ADVICE.findall(text):
            found.add(quoted or flag.lstrip("-"))
    return found


def test_advice_is_found():
    assert {"follow_links", "mask_name"} <= cures(PACKAGE / "data/folder.py") | cures(
        PACKAGE / "runs/sources/folder.py"
    )


@pytest.mark.parametrize(
    "program", core_and_full(["examples/train_folder.py"], PROGRAMS)
)
def test_cures_are_flags(program):
    modules = [PACKAGE / name for name in PROGRAMS[program]]
    named = set().union(*map(cures, modules))
    shown = programs.run(
        programs.ROOT / program, "--help", cwd=pathlib.Path(programs.ROOT)
    ).stdout
    defined = set(re.findall(r"--(?:\[no\])?(\w+)", shown))
    assert named <= defined, named - defined
