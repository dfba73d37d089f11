import os

import numpy as np
import programs
import pytest
from scipy import stats

from keras_imas.report import study

EVALUATION = {"reading": "whole", "images": "val", "iou": [0.5, None]}
RESULT = {
    "data": "camvid", "labels": 23, "split_seed": 1, "seed": 1, "method": "uniform",
    "variant": "plain", "steps": 10, "minutes": 2.5, "backend": "jax",
    "revision": "abc", "class_names": ["sky", "road"],
    "pseudo_labels": [
        {"recall": [0, 0], "precision": [1, 1], "hardness_correlation": 0.1},
        {"recall": [0.5, None], "precision": [0.8, None], "hardness_correlation": 0.6},
    ],
    "evaluations": [
        {**EVALUATION, "network": "teacher", "mean_iou": 0.4},
        {**EVALUATION, "network": "teacher", "mean_iou": 0.6},
        {**EVALUATION, "network": "student", "mean_iou": 0.3},
        {**EVALUATION, "network": "teacher", "mean_iou": 0.7, "reading": "windows"},
    ],
}  # fmt: skip


def test_rows_of_a_trial(tmp_path):
    path = tmp_path / "some.csv"
    study.append(path, study.rows_of(RESULT))
    study.append(path, study.rows_of({**RESULT, "seed": 2, "split_seed": 2}))
    whole, windows, *others = study.read(path)
    assert len(others) == 2 and others[0]["seed"] == "2"
    assert (whole["teacher_last"], whole["teacher_best"]) == ("0.5", "0.6")
    assert (whole["student_last"], windows["student_last"]) == ("0.3", "")
    assert (whole["iou_sky"], whole["iou_road"]) == ("0.5", "")
    assert (whole["recall_sky"], whole["precision_sky"]) == ("0.5", "0.8")
    assert whole["hardness_correlation"] == "0.6"
    assert (windows["reading"], windows["evaluations"]) == ("windows", "1")


def test_columns_of_another_data_set_come_last(tmp_path):
    path = tmp_path / "some.csv"
    study.append(path, [{"a": 1}])
    study.append(path, [{"a": 2, "b": 3}])
    assert study.read(path) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]


def test_classes_of_one_name_have_columns_of_their_own():
    row, _ = study.rows_of({**RESULT, "class_names": ["road", "road"]})
    assert (row["iou_road (0)"], row["iou_road (1)"]) == (0.5, "")
    assert (row["recall_road (0)"], row["precision_road (0)"]) == (0.5, 0.8)


def test_a_table_is_always_whole(tmp_path):
    class Broken:
        def __str__(self):
            raise KeyboardInterrupt

    path = tmp_path / "some.csv"
    study.append(path, [{"a": "é"}])
    with pytest.raises(KeyboardInterrupt):
        study.append(path, [{"a": Broken()}])
    assert os.listdir(tmp_path) == ["some.csv"]
    assert path.read_bytes() == "a\né\n".encode()


def test_the_interval_is_that_of_paired_differences():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(2, 9))
    mean, half, count = study.paired(dict(enumerate(ours)), dict(enumerate(theirs)))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (mean - half, mean + half) == pytest.approx(tuple(expected))
    assert count == 9


def test_one_pair_has_no_interval():
    assert study.paired({0: 0.5}, {0: 0.25, 1: 0.1}) == (0.25, None, 1)


def rows():
    scores = {"supervised": (0.5, 0.6), "uniform": (0.6, 0.65)}
    return [
        {
            **{"data": "camvid", "labeled": "23", "variant": "plain"},
            **{"reading": "whole", "images": "val", "method": method},
            **{"split_seed": str(seed), "seed": str(seed), "teacher_last": str(score)},
        }
        for method, of_seed in scores.items()
        for seed, score in enumerate(of_seed)
    ]


def test_table():
    lines = study.table(rows(), ("supervised", "plain")).splitlines()
    assert "0.550 ± 0.071 |  |" in lines[2]
    assert "0.625 ± 0.035 | +0.075 ± 0.318 (2) |" in lines[3]
    assert "difference" not in study.table(rows())


@pytest.mark.parametrize(
    "baseline", [("supervized", "plain"), ("supervised",), ("plain", "supervised")]
)
def test_a_baseline_that_is_not_there_is_refused(baseline):
    known = "'teacher_last': supervised,plain; uniform,plain. Received: "
    with pytest.raises(ValueError, match=known + ",".join(baseline)):
        study.table(rows(), baseline)


def test_a_score_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="such as teacher_last.*'teacher'"):
        study.table(rows(), column="teacher")


def test_plot(tmp_path):
    study.plot(rows(), tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_a_score_without_numbers_is_refused():
    with pytest.raises(ValueError, match="such as teacher_last.*'method'"):
        study.table(rows(), column="method")


def test_the_program_says_what_is_no_study(tmp_path):
    (tmp_path / "other.csv").write_text("name,id\nroad,0\n")
    study.append(tmp_path / "good.csv", rows())
    for arguments, message in (
        (["no.csv"], "there is no table 'no.csv'"),
        (["other.csv"], "is no table of a study: it has no column images, data"),
        (["good.csv", "--plot=no/plot.png"], "No such file or directory: 'no/plot"),
    ):
        script = programs.ROOT / "scripts" / "study_report.py"
        process = programs.run(script, *arguments, cwd=tmp_path)
        assert process.returncode == 1, process.stdout
        assert message in process.stdout and "Traceback" not in process.stdout
