"""What a release needs is in its place, and said once."""

import importlib.metadata
import re
import tomllib

import programs
import pytest

import keras_imas

ROOT = programs.ROOT
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*_*.yml"))


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_version_stands_in_one_place():
    project = tomllib.loads(read("pyproject.toml"))
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "keras_imas.__version__"
    }
    assert importlib.metadata.version("keras-imas") == keras_imas.__version__
    for name in ("CITATION.cff", "README.md", "mkdocs.yml"):
        assert keras_imas.__version__ not in read(name), name


def test_the_changelog_has_the_sections_of_keep_a_changelog():
    text = read("CHANGELOG.md")
    versions = re.findall(r"^## (.*)$", text, re.M)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[[\d.]+\] - \d{4}-\d\d-\d\d", v) for v in versions[1:])
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.*)$", text, re.M)) <= kinds


def test_a_deprecation_has_a_date():
    program = (
        "import warnings; warnings.simplefilter('error'); import keras_imas.recipe"
    )
    process = programs.run("-c", program, cwd=ROOT)
    assert re.search(
        r"keras_imas\.runs\.recipe.* until 20\d\d-\d\d-\d\d", process.stdout
    )


def test_forms_of_issues_ask_for_the_environment():
    yaml = pytest.importorskip("yaml")
    assert len(FORMS) == 2
    for form in FORMS:
        found = yaml.safe_load(form.read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(found)
        fields = {field["id"]: field for field in found["body"]}
        assert "keras-imas env" in fields["environment"]["attributes"]["label"]
    assert fields["environment"]["type"] == "textarea"


def test_the_release_workflow_publishes_nothing():
    yaml = pytest.importorskip("yaml")
    text = read(".github/workflows/release.yml")
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}
    assert "twine check" in text
    for word in ("twine upload", "gh-action-pypi-publish", "secrets.", "id-token"):
        assert word not in text


def test_hooks_run_what_ci_runs():
    hooks = re.findall(r"entry: (\S+)(?: (\S+))?", read(".pre-commit-config.yaml"))
    ci = read(".ci/run")
    for words in hooks:
        command = " ".join(w for w in words if w and not w.startswith("-"))
        assert re.search(rf"^{re.escape(command)}\b", ci, re.M), command
