"""Charts of runs: curves over the epochs, and the hardness of images."""

import dataclasses
from typing import Any

import numpy as np

from keras_imas.evaluation import distinct_names
from keras_imas.metrics.rank_correlation import rank_correlation
from keras_imas.report.image_name import image_name

_BINS = 20
_MOVERS = 8
# Legible on white and on black; one a run.
_COLORS = (
    "#3b82c4", "#e4572e", "#2ca58d", "#9a6dd7", "#e09f1f", "#a9745b", "#17a2b8",
    "#d65db1",
)  # fmt: skip
_LOGGED = (
    ("loss", "Loss"),
    ("supervised_loss", "Supervised loss"),
    ("consistency_loss", "Consistency loss"),
    ("pseudo_label_ratio", "Share of pseudo labels that count"),
)


@dataclasses.dataclass(frozen=True)
class Chart:
    """A chart and what stands above it.

    Attributes:
        title: What it shows.
        figure: Plotly figure, without title and without colors of paper and ink, which
            the page chooses.
        choices: Dict from the name of a choice to a list of whether each trace is
            visible then; empty where there is nothing to choose.
    """

    title: str
    figure: Any
    choices: dict = dataclasses.field(default_factory=dict)


def training_charts(runs):
    """Draw what runs have logged over the epochs, beside each other.

    Args:
        runs: List of `keras_imas.runs.Run`.

    Returns:
        List of `Chart`; what no run has logged is left out.
    """
    charts = [_mean_iou(runs), _class_iou(runs)]
    charts += [_curve(runs, name, title) for name, title in _LOGGED]
    return [chart for chart in [*charts, _mean_hardness(runs)] if chart is not None]


def hardness_charts(run, errors=None):
    """Draw the hardness of a run's images.

    Args:
        run: `keras_imas.runs.Run` with hardness.
        errors: Dict from image to the share of its pixels that are wrong. Defaults to
            `None`: not known.

    Returns:
        List of `Chart`.
    """
    charts = [_bands(run), _histogram(run), _movers(run)]
    if errors:
        charts.append(_against_error(run, errors))
    return [chart for chart in charts if chart is not None]


def _figure(x="epoch", y=None, **layout):
    import plotly.graph_objects

    return plotly.graph_objects.Figure(
        layout=dict(
            template="none",
            height=320,
            margin=dict(l=50, r=15, t=10, b=40),
            legend=dict(orientation="h", yref="container", yanchor="bottom", y=0, x=0),
            xaxis=dict(title=x, zeroline=False, automargin=True),
            yaxis=dict(title=y, zeroline=False, automargin=True),
            hovermode="closest",
            **layout,
        )
    )


def _chart(title, figure, choices=None):
    """Return a chart, or `None` of nothing; mark no epoch 1.2 where there are few."""
    if not figure.data:
        return None
    if figure.layout.xaxis.title.text == "epoch":
        epochs = [epoch for trace in figure.data for epoch in trace.x]
        if max(epochs) - min(epochs) < 10:
            figure.update_xaxes(dtick=1)
    return Chart(title, figure, choices or {})


def _line(figure, name, number, x, y, dash="solid", **options):
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines" if len(x) > 1 else "markers",
        line=dict(color=_COLORS[number % len(_COLORS)], dash=dash),
        **options,
    )


def _line_name(runs, run, network):
    return network if len(runs) == 1 else f"{run.name}, {network}"


def _curve(runs, name, title):
    figure = _figure()
    for number, run in enumerate(runs):
        epochs, values = run.column(name)
        if epochs:
            _line(figure, run.name, number, epochs, values)
    return _chart(title, figure)


def _mean_iou(runs):
    figure = _figure()
    for number, run in enumerate(runs):
        for column, network, dash in (
            ("val_mean_iou", "teacher", "solid"),
            ("val_student_mean_iou", "student", "dot"),
        ):
            epochs, values = run.column(column)
            if epochs:
                name = _line_name(runs, run, network)
                _line(figure, name, number, epochs, values, dash)
    return _chart("mIoU on the validation images", figure)


def _class_iou(runs):
    """Draw the IoU of one class, which the reader chooses."""
    figure = _figure()
    shown, first = [], None
    for number, run in enumerate(runs):
        epochs, iou = run.column("iou")
        if not epochs:
            continue
        for index, name in enumerate(distinct_names(run.facts["class_names"])):
            first = first or name
            for network, dash in (("teacher", "solid"), ("student", "dot")):
                _line(
                    figure,
                    _line_name(runs, run, network),
                    number,
                    epochs,
                    [row[network][index] for row in iou],
                    dash,
                    visible=name == first,
                )
                shown.append(name)
    choices = {name: [name == other for other in shown] for name in shown}
    return _chart("IoU of a class", figure, choices)


def _mean_hardness(runs):
    logged = [(n, run) for n, run in enumerate(runs) if run.hardness is not None]
    if len(logged) < 2:  # the bands of a run show its mean
        return None
    figure = _figure(yaxis_range=[0, 1])
    for number, run in logged:
        mean = np.nanmean(run.hardness.scores["hardness"], axis=1)
        _line(figure, run.name, number, run.hardness.epochs.tolist(), mean.tolist())
    return _chart("Mean hardness", figure)


def _bands(run):
    """Draw the mean hardness, and bands of half and four fifths of the images."""
    table = run.hardness
    hardness = table.scores["hardness"]
    epochs = table.epochs.tolist()
    figure = _figure(yaxis_range=[0, 1])
    for low, high, opacity in ((10, 90, 0.18), (25, 75, 0.3)):
        edges = np.nanpercentile(hardness, [high, low], axis=1)
        figure.add_scatter(
            x=epochs + epochs[::-1],
            y=[*edges[0].tolist(), *edges[1][::-1].tolist()],
            mode="lines",
            fill="toself",
            fillcolor=f"rgba(59,130,196,{opacity})",
            line=dict(width=0),
            name=f"{low} to {high} %",
            hoverinfo="skip",
        )
    mean = np.nanmean(hardness, axis=1).tolist()
    mode = "lines" if len(epochs) > 1 else "markers"
    figure.add_scatter(x=epochs, y=mean, name="mean", mode=mode, line_color=_COLORS[0])
    return _chart("Hardness: mean, half, and 80 % of the images", figure)


def _histogram(run):
    table = run.hardness
    edges = np.linspace(0, 1, _BINS + 1)
    counts = [
        np.histogram(row[np.isfinite(row)], edges)[0]
        for row in table.scores["hardness"]
    ]
    figure = _figure(y="hardness")
    figure.add_heatmap(
        x=table.epochs.tolist(),
        y=((edges[1:] + edges[:-1]) / 2).round(3).tolist(),
        z=np.array(counts).T.tolist(),
        colorscale=[[0, "rgba(59,130,196,0)"], [1, "rgba(59,130,196,1)"]],
        colorbar=dict(title="images", thickness=12, outlinewidth=0),
    )
    return _chart("How many images are how hard", figure)


def _movers(run):
    """Draw the hardness of the images that it changed most for."""
    table = run.hardness
    if len(table.epochs) < 2:
        return None
    change = np.nan_to_num(table.change())
    figure = _figure(yaxis_range=[0, 1])
    for image in np.argsort(-np.abs(change), kind="stable")[:_MOVERS]:
        hardness = table.scores["hardness"][:, image]
        seen = np.isfinite(hardness)
        figure.add_scatter(
            x=table.epochs[seen].tolist(),
            y=hardness[seen].tolist(),
            mode="lines" if seen.sum() > 1 else "markers",
            name=f"{image_name(table.images[image])} ({change[image]:+.2f})",
        )
    return _chart("The biggest movers", figure)


def _against_error(run, errors):
    recent = dict(zip(run.hardness.images, run.hardness.recent().tolist(), strict=True))
    hardness = [recent[name] for name in errors]
    values = list(errors.values())
    correlation = rank_correlation(hardness, values)
    figure = _figure(x="hardness", y="share of wrong pixels (teacher)")
    figure.add_scatter(
        x=hardness,
        y=values,
        text=[image_name(name) for name in errors],
        mode="markers",
        opacity=0.6,
        marker_color=_COLORS[0],
    )
    return _chart(
        f"Hardness against true error: rank correlation {correlation:.2f} "
        f"({len(values)} images)",
        figure,
    )
