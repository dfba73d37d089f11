"""A page on runs, in one HTML file that needs nothing else."""

import html

import numpy as np

from keras_imas.report.inspection import rank_correlation

_BINS = 20
_MOVERS = 8
# Curves of several runs: Plotly's own colors, one a run.
_RUN_COLORS = (
    "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf",
    "#e377c2",
)  # fmt: skip
_LOGGED = (
    ("loss", "Loss"),
    ("supervised_loss", "Supervised loss"),
    ("consistency_loss", "Consistency loss"),
    ("pseudo_label_ratio", "Share of pseudo labels that count"),
)


def make_page(runs, inspections=None):
    """Make the page.

    Args:
        runs: List of `keras_imas.runs.Run`.
        inspections: Dict from a run's name to its
            `keras_imas.report.inspection.Inspection`. Defaults to `None`: no images.

    Returns:
        The HTML, a string.

    Raises:
        ImportError: If Plotly is not installed.
    """
    try:
        import plotly.io
    except ImportError as error:
        raise ImportError(
            'The report needs Plotly: pip install "keras-imas[report]"'
        ) from error
    inspections = inspections or {}
    figures = []

    def show(figure):
        """Return the HTML of a figure; the first brings Plotly along."""
        if figure is None:
            return ""
        figure.update_layout(
            template="plotly_white", margin=dict(l=60, r=20, t=50, b=45)
        )
        _mark_whole_epochs(figure)
        figures.append(figure)
        return plotly.io.to_html(
            figure,
            full_html=False,
            include_plotlyjs=len(figures) == 1,
            config={"displaylogo": False, "responsive": True},
            div_id=f"figure-{len(figures)}",
        )

    body = [
        f"<h1>{html.escape(' · '.join(run.name for run in runs))}</h1>",
        _summary(runs),
        "<h2>Training</h2>",
        '<div class="columns">',
        show(_mean_iou(runs)),
        show(_class_iou(runs)),
        *(show(_curve(runs, name, title)) for name, title in _LOGGED),
        show(_mean_hardness(runs)),
        "</div>",
    ]
    for run in runs:
        if run.hardness is not None:
            body += _of_run(run, inspections.get(run.name), show)
    names = html.escape(", ".join(run.name for run in runs))
    return _PAGE.format(title=names, body="\n".join(filter(None, body)))


def _of_run(run, inspection, show):
    few = run.hardness.recent_epochs
    what = "the last" if few == 1 else f"the mean of the last {few}"
    yield f"<h2>Hardness by image: {html.escape(run.name)}</h2>"
    yield (
        "<p>Hardness is 1 minus the mean over teacher and student of confidence ratio "
        "times weighted IoU: near 0 where both are sure and agree. Each epoch's is of "
        f"one random crop of an image; images are ranked by {what}.</p>"
    )
    yield '<div class="columns">'
    yield show(_bands(run))
    yield show(_histogram(run))
    yield show(_movers(run))
    if inspection is not None:
        yield show(_against_error(run, inspection.errors))
    yield "</div>"
    if inspection is not None:
        for sentence in inspection.missing:
            yield f"<p><em>{html.escape(sentence)}.</em></p>"
        if inspection.gallery:
            yield "<h3>The easiest and the hardest</h3>"
            if len(inspection.gallery[0]["pictures"]) > 1:
                yield f"<p>{_legend(run)}</p>"
            yield _gallery(inspection.gallery)
        if inspection.next:
            yield "<h3>Label these next</h3>"
            yield (
                "<p>The hardest images without near-duplicates: hardness times novelty,"
                " the distance to the nearest image that is labeled or ranked before."
                "</p>"
            )
            yield _next_table(inspection.next)
    yield "<h3>All images</h3>"
    yield _image_table(run, inspection)


def _summary(runs):
    rows = []
    for run in runs:
        facts, recipe = run.facts, run.facts.get("recipe", {})
        epochs = run.history[-1]["epoch"] if run.history else 0
        teacher = run.column("val_mean_iou")[1]
        student = run.column("val_student_mean_iou")[1]
        rows.append(
            [
                run.name,
                "finished" if run.finished else f"after epoch {epochs}",
                recipe.get("method", ""),
                facts.get("backend", ""),
                facts.get("labeled", ""),
                facts.get("unlabeled", ""),
                epochs,
                _number(teacher[-1] if teacher else None),
                _number(max(teacher) if teacher else None),
                _number(student[-1] if student else None),
                facts.get("minutes", ""),
            ]
        )
    head = [
        "run", "state", "method", "backend", "labeled", "unlabeled", "epochs",
        "teacher mIoU, last", "best", "student mIoU, last", "minutes",
    ]  # fmt: skip
    return _table(head, rows)


def _figure(title, x="epoch", y="", **layout):
    import plotly.graph_objects

    figure = plotly.graph_objects.Figure()
    return figure.update_layout(
        title=title, xaxis_title=x, yaxis_title=y, height=380, **layout
    )


def _mark_whole_epochs(figure):
    """Keep Plotly from marking epoch 1.2 where there are few epochs."""
    if figure.layout.xaxis.title.text == "epoch":
        epochs = [epoch for trace in figure.data for epoch in trace.x]
        if max(epochs) - min(epochs) < 10:
            figure.update_xaxes(dtick=1)


def _color(number):
    return _RUN_COLORS[number % len(_RUN_COLORS)]


def _line(figure, run, number, x, y, suffix="", dash="solid", **options):
    figure.add_scatter(
        x=x,
        y=y,
        name=f"{run.name}{suffix}",
        mode="lines" if len(x) > 1 else "markers",
        line=dict(color=_color(number), dash=dash),
        **options,
    )


def _curve(runs, name, title):
    figure = _figure(title)
    for number, run in enumerate(runs):
        epochs, values = run.column(name)
        if epochs:
            _line(figure, run, number, epochs, values)
    return figure if figure.data else None


def _mean_iou(runs):
    figure = _figure("mIoU on the validation images")
    for number, run in enumerate(runs):
        for name, suffix, dash in (
            ("val_mean_iou", " teacher", "solid"),
            ("val_student_mean_iou", " student", "dot"),
        ):
            epochs, values = run.column(name)
            if epochs:
                _line(figure, run, number, epochs, values, suffix, dash)
    return figure if figure.data else None


def _class_iou(runs):
    """IoU of one class, chosen by a menu, over the epochs."""
    figure = _figure("IoU of a class")
    classes, shown = {}, []
    for number, run in enumerate(runs):
        epochs, iou = run.column("iou")
        if not epochs:
            continue
        for index, name in enumerate(run.facts["class_names"]):
            classes.setdefault(name, len(classes))
            for network, dash in (("teacher", "solid"), ("student", "dot")):
                values = [row[network][index] for row in iou]
                suffix = f" {network}"
                visible = classes[name] == 0
                _line(
                    figure, run, number, epochs, values, suffix, dash, visible=visible
                )
                shown.append(name)
    if not shown:
        return None
    buttons = [
        dict(
            label=name,
            method="update",
            args=[
                {"visible": [other == name for other in shown]},
                {"title.text": f"IoU of {name}"},
            ],
        )
        for name in classes
    ]
    first = next(iter(classes))
    return figure.update_layout(
        title=f"IoU of {first}",
        updatemenus=[dict(buttons=buttons, x=1, y=1.16, xanchor="right")],
    )


def _mean_hardness(runs):
    figure = _figure("Mean hardness", yaxis_range=[0, 1])
    for number, run in enumerate(runs):
        if run.hardness is not None:
            mean = np.nanmean(run.hardness.scores["hardness"], axis=1)
            _line(figure, run, number, run.hardness.epochs.tolist(), mean.tolist())
    return figure if len(figure.data) > 1 else None


def _bands(run):
    """Mean hardness, with bands that hold half and four fifths of the images."""
    table = run.hardness
    hardness = table.scores["hardness"]
    epochs = table.epochs.tolist()
    figure = _figure("Hardness: mean, and half and 80 % of the images")
    for low, high, opacity in ((10, 90, 0.15), (25, 75, 0.25)):
        edges = np.nanpercentile(hardness, [high, low], axis=1)
        figure.add_scatter(
            x=epochs + epochs[::-1],
            y=[*edges[0].tolist(), *edges[1][::-1].tolist()],
            mode="lines",
            fill="toself",
            fillcolor=f"rgba(31,119,180,{opacity})",
            line=dict(width=0),
            name=f"{low} to {high} %",
            hoverinfo="skip",
        )
    mean = np.nanmean(hardness, axis=1).tolist()
    mode = "lines" if len(epochs) > 1 else "markers"
    figure.add_scatter(
        x=epochs, y=mean, name="mean", mode=mode, line=dict(color=_color(0))
    )
    return figure.update_yaxes(range=[0, 1])


def _histogram(run):
    table = run.hardness
    edges = np.linspace(0, 1, _BINS + 1)
    counts = np.array(
        [
            np.histogram(row[np.isfinite(row)], edges)[0]
            for row in table.scores["hardness"]
        ]
    )
    figure = _figure("How many images are how hard", y="hardness")
    figure.add_heatmap(
        x=table.epochs.tolist(),
        y=((edges[1:] + edges[:-1]) / 2).round(3).tolist(),
        z=counts.T.tolist(),
        colorscale="Blues",
        colorbar=dict(title="images"),
    )
    return figure


def _movers(run):
    """Hardness of the images that it changed most for."""
    table = run.hardness
    change = np.nan_to_num(table.change())
    if len(table.epochs) < 2:
        return None
    figure = _figure("The biggest movers")
    chosen = np.argsort(-np.abs(change), kind="stable")[:_MOVERS]
    for image in chosen:
        hardness = table.scores["hardness"][:, image]
        seen = np.isfinite(hardness)
        figure.add_scatter(
            x=table.epochs[seen].tolist(),
            y=hardness[seen].tolist(),
            mode="lines+markers",
            name=f"{table.images[image]} ({change[image]:+.2f})",
        )
    return figure.update_yaxes(range=[0, 1])


def _against_error(run, errors):
    if not errors:
        return None
    recent = dict(zip(run.hardness.images, run.hardness.recent().tolist(), strict=True))
    names = list(errors)
    hardness = [recent[name] for name in names]
    correlation = rank_correlation(hardness, list(errors.values()))
    figure = _figure(
        f"Hardness against true error: rank correlation {correlation:.2f} "
        f"({len(names)} images)",
        x="hardness",
        y="share of wrong pixels (teacher)",
    )
    figure.add_scatter(
        x=hardness, y=list(errors.values()), text=names, mode="markers", opacity=0.6
    )
    return figure


def _gallery(tiles):
    titles = list(tiles[0]["pictures"])
    half = len(tiles) // 2
    if len(titles) == 1:  # There is no network yet.
        return _strip("easiest", tiles[:half]) + _strip("hardest", tiles[half:])
    rows = []
    for number, tile in enumerate(tiles):
        kind = "easiest" if number < half else "hardest"
        cells = "".join(
            f'<td><img src="{tile["pictures"][title]}" '
            f'alt="{html.escape(title)} of {html.escape(tile["image"])}"></td>'
            for title in titles
        )
        rows.append(
            f"<tr><th>{kind}<br>{tile['hardness']:.2f}<br>"
            f"<small>{html.escape(tile['image'])}</small></th>{cells}</tr>"
        )
    head = "".join(f"<th>{html.escape(title)}</th>" for title in ["", *titles])
    table = f'<table class="gallery"><tr>{head}</tr>{"".join(rows)}</table>'
    return f'<div class="wide">{table}</div>'


def _strip(kind, tiles):
    """Photographs in a row, where a column of them would leave the page empty."""
    figures = "".join(
        f'<figure><img src="{picture}" alt="{html.escape(title)} of {image}">'
        f"<figcaption>{kind} {tile['hardness']:.2f} <small>{image}</small></figcaption>"
        "</figure>"
        for tile in tiles
        for image in [html.escape(tile["image"])]
        for title, picture in tile["pictures"].items()
    )
    return f'<div class="strip">{figures}</div>'


def _next_table(rows):
    head = ["rank", "", "image", "hardness", "novelty"]
    cells = [
        [
            row["rank"],
            _Html(f'<img src="{row["picture"]}" alt="">'),
            row["image"],
            _number(row["hardness"]),
            _number(row["novelty"]),
        ]
        for row in rows
    ]
    return _table(head, cells, filtered=True)


def _image_table(run, inspection):
    table = run.hardness
    names = {
        "student_confidence": "student sure",
        "teacher_confidence": "teacher sure",
        "student_iou": "IoU, student's weights",
        "teacher_iou": "IoU, teacher's weights",
    }
    names = {key: title for key, title in names.items() if key in table.scores}
    columns = [table.recent(), table.change(), *(table.recent(key) for key in names)]
    head = ["image", "hardness", "change", *names.values()]
    errors = inspection.errors if inspection else {}
    if errors:
        head.append("true error")
    rows = []
    for image in np.argsort(-columns[0], kind="stable"):
        name = str(table.images[image])
        row = [name, *(_number(column[image]) for column in columns)]
        rows.append(row + [_number(errors.get(name))] * bool(errors))
    return _table(head, rows, filtered=True)


class _Html(str):
    """A string that is HTML already."""


def _table(head, rows, filtered=False):
    def cell(value):
        return value if isinstance(value, _Html) else html.escape(str(value))

    titles = "".join(f"<th>{cell(title)}</th>" for title in head)
    lines = "".join(
        f"<tr>{''.join(f'<td>{cell(value)}</td>' for value in row)}</tr>"
        for row in rows
    )
    table = (
        f'<table class="sortable"><thead><tr>{titles}</tr></thead>'
        f"<tbody>{lines}</tbody></table>"
    )
    if not filtered:
        return f'<div class="wide">{table}</div>'
    return (
        '<div class="filtered"><input type="search" placeholder="Filter, such as '
        'hardness&gt;0.5 or a part of a name" aria-label="Filter"> '
        f'<span class="count"></span><div class="scroll">{table}</div></div>'
    )


def _number(value):
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.3f}"


def _legend(run):
    return " ".join(
        f'<span class="class"><i style="background:rgb{tuple(color)}"></i>'
        f"{html.escape(name)}</span>"
        for name, color in zip(
            run.facts["class_names"], run.facts["colors"], strict=True
        )
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #222; margin: 1.5em auto;
  max-width: 1500px; padding: 0 1em; }}
h1 {{ font-size: 1.5em; }} h2 {{ border-top: 1px solid #ccc; padding-top: .8em; }}
.columns {{ display: grid; gap: 1em;
  grid-template-columns: repeat(auto-fit, minmax(min(560px, 100%), 1fr)); }}
.columns > * {{ min-width: 0; }}
table {{ border-collapse: collapse; font-size: 13px; }}
th, td {{ padding: 3px 9px; text-align: right; border-bottom: 1px solid #eee; }}
th:first-child, td:first-child {{ text-align: left; }}
.sortable th {{ cursor: pointer; background: #f3f5f8; position: sticky; top: 0; }}
.sortable th[aria-sort=ascending]::after {{ content: " ▲"; }}
.sortable th[aria-sort=descending]::after {{ content: " ▼"; }}
.wide {{ overflow-x: auto; }}
.strip {{ display: flex; flex-wrap: wrap; gap: 4px; margin-bottom: .5em; }}
figure {{ margin: 0; }} figcaption {{ font-size: 13px; }}
.scroll {{ max-height: 480px; overflow: auto; margin-top: .4em; }}
.gallery td {{ padding: 2px; }} .gallery th {{ text-align: center; }}
.gallery th:first-child {{ max-width: 190px; overflow-wrap: anywhere; }}
img {{ display: block; }} input {{ padding: .3em; width: 27em; max-width: 90%; }}
.class {{ white-space: nowrap; margin-right: .6em; }}
.class i {{ display: inline-block; width: 12px; height: 12px; margin-right: 3px; }}
</style>
</head>
<body>
{body}
<script>
"use strict";
const value = cell => {{
  const number = Number(cell.textContent);
  return cell.textContent === "" || Number.isNaN(number) ? cell.textContent : number;
}};
for (const table of document.querySelectorAll("table.sortable")) {{
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.addEventListener("click", () => {{
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {{
      const [x, y] = [value(a.cells[column]), value(b.cells[column])];
      if (x === "–" || y === "–") return (x === "–") - (y === "–");  // unknown: last
      const order = typeof x === "number" && typeof y === "number"
        ? x - y : String(x).localeCompare(String(y));
      return down ? -order : order;
    }});
    table.tBodies[0].append(...rows);
  }}));
}}
for (const box of document.querySelectorAll(".filtered")) {{
  const [input, count] = [box.querySelector("input"), box.querySelector(".count")];
  const heads = [...box.querySelectorAll("th")].map(
    h => h.textContent.trim().toLowerCase());
  const rows = [...box.querySelector("tbody").rows];
  const holds = {{
    "<": (x, y) => x < y, "<=": (x, y) => x <= y,
    ">": (x, y) => x > y, ">=": (x, y) => x >= y,
  }};
  // A column's name may have blanks: of what is before the sign, its longest end that
  // begins a column's name is the column, and what is before that are words.
  const parse = text => {{
    const rules = [];
    const rest = text.replace(/([^<>]+?) *([<>]=?) *(-?[0-9.]+)(?= |$)/g,
      (all, before, sign, number) => {{
        const words = before.split(/ +/).filter(Boolean);
        for (let n = 0; n < words.length; n++) {{
          const name = words.slice(n).join(" ");
          const column = heads.findIndex(head => head.startsWith(name));
          if (column < 0) continue;
          rules.push(row =>
            holds[sign](Number(row.cells[column].textContent), Number(number)));
          return words.slice(0, n).join(" ");
        }}
        return all;
      }});
    for (const word of rest.split(/ +/).filter(Boolean))
      rules.push(row => row.textContent.toLowerCase().includes(word));
    return rules;
  }};
  const apply = () => {{
    const rules = parse(input.value.toLowerCase());
    let shown = 0;
    for (const row of rows) {{
      row.hidden = !rules.every(rule => rule(row));
      shown += !row.hidden;
    }}
    count.textContent = `${{shown}} of ${{rows.length}}`;
  }};
  input.addEventListener("input", apply);
  apply();
}}
</script>
</body>
</html>
"""
