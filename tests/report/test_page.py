import json
import re
import shutil

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from keras_imas.report.inspection import Inspection, inspect, rank_correlation
from keras_imas.runs import read_run
from keras_imas.runs.hardness_table import HardnessTable, read_hardness

RUN = {
    "recipe": {"method": "imas", "seed": 0},
    "backend": "jax",
    "labeled": 2,
    "unlabeled": 3,
    "class_names": ["road", "a<b"],
    "colors": [[1, 2, 3], [4, 5, 6]],
    "ignore_class": 255,
}
# By epoch: image "c" was not seen in the first.
HARDNESS = {1: {"a": 0.9, "b": 0.5}, 2: {"a": 0.2, "b": 0.6, "c": 0.4}}


def write_run(directory, **facts):
    """Write a run as training does."""
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps({**RUN, **facts}))
    lines = [
        {
            "epoch": epoch,
            "loss": 1 / epoch,
            "val_mean_iou": 0.1 * epoch,
            "val_student_mean_iou": 0.1,
            "iou": {"teacher": [0.5, None], "student": [0.4, None]},
        }
        for epoch in (1, 2)
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    # Training goes on, and the last line is not all written.
    (directory / "history.jsonl").write_text(text + '{"epoch": 3, "lo')
    rows = [
        {"epoch": epoch, "image": image, "hardness": value, "teacher_iou": 0.5}
        for epoch, images in HARDNESS.items()
        for image, value in images.items()
    ]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, directory / "hardness.parquet")
    return directory


def test_reads_a_run_that_goes_on(tmp_path):
    run = read_run(write_run(tmp_path / "mine"))
    assert run.name == "mine" and not run.finished
    assert run.column("loss") == ([1, 2], [1.0, 0.5])
    assert run.column("nothing") == ([], [])
    table = run.hardness
    assert table.images.tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(
        table.scores["hardness"], [[0.9, 0.5, np.nan], [0.2, 0.6, 0.4]], rtol=1e-6
    )
    np.testing.assert_allclose(table.last(), [0.2, 0.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(table.change(), [-0.7, 0.1, np.nan], atol=1e-6)


def test_names_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="no run.json"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match="is damaged"):
        read_run(tmp_path)


def test_says_why_images_are_not_shown(tmp_path):
    run = read_run(write_run(tmp_path / "mine"))
    found = inspect(run, verbose=0)
    assert found.gallery == [] and "not made by a program" in found.missing[0]


@pytest.mark.parametrize("size", [3, 20])
def test_rank_correlation(size):
    x = np.random.default_rng(0).permutation(size)
    assert rank_correlation(x, np.exp(x)) == pytest.approx(1)
    assert rank_correlation(x, -x) == pytest.approx(-1)
    assert np.isnan(rank_correlation([1, 2], [1, 2]))


TILES = [
    {"image": name, "hardness": value, "pictures": {"image": "data:,"}}
    for name, value in (("b<", 0.1), ("a", 0.9))
]


def make(tmp_path, gallery=()):
    pytest.importorskip("plotly")
    from keras_imas.report.page import make_page

    runs = [read_run(write_run(tmp_path / "one"))]
    runs.append(read_run(write_run(tmp_path / "two", minutes=3.5, finished=True)))
    errors = {"a": 0.5, "b": 0.1, "c": 0.2}
    found = Inspection(list(gallery), [], errors, ["No teacher yet"])
    return make_page(runs, {"one": found})


def test_the_page_holds_all_that_it_shows(tmp_path):
    page = make(tmp_path)
    for text in (
        "after epoch 2", "finished", "rank correlation", "No teacher yet",
        "The biggest movers", "IoU of road",
    ):  # fmt: skip
        assert text in page, text
    assert "a<b" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="(?!data:)', page)


def test_hardness_of_one_epoch_is_a_table_too(tmp_path):
    table = pyarrow.table({"epoch": [1], "image": ["a"], "hardness": [0.5]})
    pyarrow.parquet.write_table(table, tmp_path / "hardness.parquet")
    assert read_hardness(tmp_path / "hardness.parquet").change().tolist() == [0]


def test_images_are_shown_before_there_is_a_network(tmp_path):
    page = make(tmp_path, TILES)
    assert "easiest 0.10 <small>b&lt;</small>" in page
    assert "hardest 0.90 <small>a</small>" in page
    assert '<table class="gallery">' not in page


def test_few_epochs_are_marked_by_whole_numbers(tmp_path):
    page = make(tmp_path)
    assert page.count('"text":"epoch"},"dtick":1') == page.count('"text":"epoch"}') > 0


def test_recent_hardness_is_a_mean_of_what_was_seen():
    hardness = np.full((7, 3), 0.5, "float32")
    hardness[5:] = [[0.2, np.nan, np.nan], [0.4, 0.3, np.nan]]
    table = HardnessTable(np.arange(7), np.array(["a", "b", "c"]), {})
    table.scores["hardness"] = hardness
    assert table.recent_epochs == 2
    # "c" was not seen of late: what it had before.
    np.testing.assert_allclose(table.recent(), [0.3, 0.3, 0.5], rtol=1e-6)
    for epochs, few in ((1, 1), (5, 1), (35, 10), (200, 10)):
        table = HardnessTable(np.arange(epochs), table.images, {})
        assert table.recent_epochs == few


@pytest.fixture
def browser():
    """Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium")
    with playwright.sync_playwright() as program:
        browser = program.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.mark.full
def test_the_page_in_a_browser(browser, tmp_path):
    (tmp_path / "page.html").write_text(make(tmp_path), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if "file:" in r.url else wrong.append(r.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(".main-svg")
    figures = page.locator(".js-plotly-plot")
    assert figures.count() >= 7
    for number in range(figures.count()):
        assert figures.nth(number).locator("svg.main-svg").first.is_visible()

    table = page.locator(".filtered").first  # of the run with true errors
    cells = table.locator("tbody tr:visible td:first-child")
    assert cells.all_inner_texts() == ["b", "c", "a"]  # the hardest first
    head = table.locator("th", has_text="hardness")
    head.click()
    assert cells.all_inner_texts() == ["a", "c", "b"]
    head.click()
    assert cells.all_inner_texts() == ["b", "c", "a"]
    change = table.locator("th", has_text="change")
    for expected in (["a", "b", "c"], ["b", "a", "c"]):  # "c" has none
        change.click()
        assert cells.all_inner_texts() == expected
    head.click()
    head.click()
    table.locator("input").fill("hardness>0.3")
    assert cells.all_inner_texts() == ["b", "c"]
    assert table.locator(".count").inner_text() == "2 of 3"
    # A column's name may have blanks and capitals, and words may come before it.
    for rule, found in {
        "hardness >= 0.4": ["b", "c"],
        "hardness<=0.4": ["c", "a"],
        "c hardness < 0.5": ["c"],
        "change<0": ["a"],
        "hardness>0.3 change > 0": ["b"],
        "IoU, teacher's weights>=0.5 hardness<0.3": ["a"],
        "true error>0.3": ["a"],
    }.items():
        table.locator("input").fill(rule)
        assert cells.all_inner_texts() == found, rule
    table.locator("input").fill("nothing")
    assert cells.count() == 0
    for width in (1400, 420):
        page.set_viewport_size({"width": width, "height": 900})
        fits = f"document.documentElement.scrollWidth <= {width}"
        page.wait_for_function(fits, timeout=5000)
    assert wrong == []
