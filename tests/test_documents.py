"""The documents say what is so."""

import ast
import os
import re
import subprocess
import sys

import programs
import pytest

ROOT = programs.ROOT
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
BLOCKS = re.compile(r"^```(\w+)\n(.*?)^```", re.S | re.M)


def blocks(document, language):
    text = document.read_text(encoding="utf-8")
    return [code for name, code in BLOCKS.findall(text) if name == language]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_programs_are_there(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), target
    for code in blocks(document, "bash"):
        for program in re.findall(r"python ((?:examples|scripts)/\S+\.py)", code):
            assert (ROOT / program).is_file(), program


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_flags_are_those_of_the_programs(document):
    code = "\n".join(blocks(document, "bash")).replace("\\\n", " ")
    programs = [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("examples/*.py")]
    sources = [*programs, *ROOT.glob("keras_imas/**/*.py")]
    source = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for line in code.split("\n"):
        if not re.search(r"python \w+/\S+\.py", line):
            continue
        for flag in re.findall(r" --([a-z]\w*)", line):
            name = f"({flag}|{flag.removeprefix('no')})"
            defined = rf'"(--)?{name}"|\b{name}: \w+ = field'
            assert flag == "flagfile" or re.search(defined, source), flag


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_is_python(document):
    for code in blocks(document, "python"):
        ast.parse(code)


@pytest.mark.full
def test_networks_of_ones_own_are_built(tmp_path):
    document = ROOT / "docs" / "bring_your_own_network.md"
    # KerasHub's presets are downloaded.
    code = [c for c in blocks(document, "python") if "hub" not in c]
    assert code
    (tmp_path / "document.py").write_text("\n".join(code))
    process = programs.run("document.py", cwd=tmp_path)
    assert process.returncode == 0, process.stdout


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
    assert "keras_imas.IMAS" in (tmp_path / "api" / "index.html").read_text()
