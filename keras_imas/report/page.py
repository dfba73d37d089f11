"""A page on runs, in one HTML file that needs nothing else."""

import json
import re

import numpy as np

from keras_imas.report.charts import hardness_charts, training_charts
from keras_imas.report.image_name import image_name
from keras_imas.report.summary import summarize, tie_of

_SCORES = {
    "student_confidence": "student sure",
    "teacher_confidence": "teacher sure",
    "student_iou": "IoU, student's weights",
    "teacher_iou": "IoU, teacher's weights",
}


def make_page(runs, inspections=None, *, refresh=None):
    """Make the page.

    Args:
        runs: List of `keras_imas.runs.Run`.
        inspections: Dict from a run's name to its
            `keras_imas.report.inspection.Inspection`. Defaults to `None`: no images.
        refresh: Seconds after which a browser reads the page again. Defaults to
            `None`: it doesn't.

    Returns:
        The HTML, a string.

    Raises:
        ImportError: If Plotly or Jinja is not installed.
    """
    check_installed()
    import jinja2
    import plotly.offline

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_imas.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "breakable": _breakable}
    inspections = inspections or {}
    return environment.get_template("page.html").render(
        runs=[_content(run, inspections.get(run.name)) for run in runs],
        training=[_drawn(chart) for chart in training_charts(runs)],
        plotly=plotly.offline.get_plotlyjs(),
        refresh=refresh,
    )


def check_installed():
    """Refuse to start where the page can't be made at the end.

    Raises:
        ImportError: If Plotly or Jinja is not installed.

    Example:
        >>> check_installed()
    """
    try:
        import jinja2  # noqa: F401
        import plotly.offline  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'The report needs Plotly and Jinja: pip install "keras-imas[report]"'
        ) from error


def _content(run, inspection):
    """Return what the page shows of a run."""
    errors = inspection.errors if inspection else {}
    content = {
        "name": run.name,
        "directory": run.directory,
        "summary": summarize(run, errors),
        "classes": list(
            zip(
                run.facts.get("class_names", ()),
                run.facts.get("colors", ()),
                strict=True,
            )
        ),
        "missing": inspection.missing if inspection else [],
        "gallery": inspection.gallery if inspection else {},
        "next": inspection.next if inspection else [],
        "facts": _facts(run),
        "hardness": None,
    }
    if run.hardness is not None:
        content["hardness"] = {
            "recent_epochs": run.hardness.recent_epochs,
            "tie": tie_of(run.hardness.recent()),
            "charts": [_drawn(chart) for chart in hardness_charts(run, errors)],
            "table": _image_table(run, errors),
        }
    return content


def _facts(run):
    facts = run.facts
    versions = facts.get("versions") or {}
    found = {
        "directory": run.directory,
        "command": " ".join(map(str, facts.get("command") or ())),
        "backend": facts.get("backend"),
        "steps": facts.get("steps"),
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items() if v),
        "git revision": facts.get("git_revision"),
        "split": facts.get("split"),
        **{k.replace("_", " "): v for k, v in (facts.get("recipe") or {}).items()},
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _image_table(run, errors):
    """Return the heads and the rows of the table of all images, the hardest first."""
    table = run.hardness
    scores = {name: title for name, title in _SCORES.items() if name in table.scores}
    columns = [table.recent(), table.change(), *map(table.recent, scores)]
    heads = ["image", "hardness", "change", *scores.values()]
    if errors:
        columns.append([errors.get(name) for name in table.images])
        heads.append("true error")
    order = np.argsort(-columns[0], kind="stable")
    return {
        "heads": heads,
        "rows": [
            [image_name(table.images[i]), *(_number(column[i]) for column in columns)]
            for i in order
        ],
    }


def _drawn(chart):
    figure = json.loads(chart.figure.to_json())
    return {"title": chart.title, "figure": figure, "choices": chart.choices}


def _number(value):
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _breakable(name):
    """Return a name that may go on in a new line after what separates its parts."""
    from markupsafe import Markup

    parts = re.split(r"(?<=[/_])(?=.)", image_name(name))
    return Markup("<wbr>").join(parts)
