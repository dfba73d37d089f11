import pytest

from keras_imas.report.charts import hardness_charts, training_charts
from keras_imas.runs import read_run


@pytest.fixture
def runs(tmp_path, write_run):
    pytest.importorskip("plotly")
    return [read_run(write_run(tmp_path / name)) for name in ("one", "two")]


def test_curves_of_runs_are_beside_each_other(runs):
    charts = {chart.title: chart for chart in training_charts(runs)}
    assert list(charts) == [
        "mIoU on the validation images", "IoU of a class", "Loss", "Mean hardness",
    ]  # fmt: skip
    loss = charts["Loss"].figure
    assert [line.name for line in loss.data] == ["one", "two"]
    assert loss.data[0].x == (1, 2) and loss.data[0].y == (1.0, 0.5)


def test_a_class_can_be_chosen(runs):
    (chart,) = [c for c in training_charts(runs[:1]) if c.choices]
    assert [line.name for line in chart.figure.data] == ["teacher", "student"] * 2
    assert chart.choices["a<b"] == [False, False, True, True]
    assert [line.visible for line in chart.figure.data] == chart.choices["road"]


def test_few_epochs_are_marked_by_whole_numbers(runs):
    charts = training_charts(runs) + hardness_charts(runs[0])
    assert {c.figure.layout.xaxis.dtick for c in charts} == {1}


def test_hardness_is_compared_with_the_true_error_where_it_is_known(runs):
    titles = [c.title for c in hardness_charts(runs[0], {"a": 0.5, "b": 0.1, "c": 0.2})]
    assert "The biggest movers" in titles
    assert titles[-1].startswith("Hardness against true error: rank correlation -1.00")
    assert len(hardness_charts(runs[0])) == len(titles) - 1
