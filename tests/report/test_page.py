import re
import shutil
import subprocess
import sys
import zipfile

import programs
import pytest

from keras_imas.report.inspection import Inspection
from keras_imas.runs.read_run import read_run

ERRORS = {"a": 0.5, "b": 0.1, "c": 0.2}
TILES = [
    {
        "image": name,
        "hardness": value,
        "error": None,
        "pictures": {"image": "data:,"},
        "details": {},
    }
    for name, value in (("a", 0.9), ("b<", 0.1))
]
NEXT = [
    {"rank": n, "image": f"#{n}", "hardness": 1.0, "novelty": 0.5, "picture": "data:,"}
    for n in range(1, 13)
]


@pytest.fixture
def make(tmp_path, write_run):
    pytest.importorskip("plotly")
    pytest.importorskip("jinja2")
    from keras_imas.report.page import make_page

    def make(gallery=(), next=(), **run):
        runs = [read_run(write_run(tmp_path / "one", **run))]
        runs.append(read_run(write_run(tmp_path / "two", minutes=3.5, finished=True)))
        kinds = zip(("hardest", "easiest"), gallery, strict=False)
        shown = {kind: [tile] for kind, tile in kinds}
        found = Inspection(shown, list(next), ERRORS, ["No teacher yet"])
        return make_page(runs, {"one": found})

    return make


def text_of(page):
    """What the page says, without its scripts."""
    page = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.S)
    return " ".join(re.sub(r"<[^>]*>", "", page.replace("<wbr>", "")).split())


def test_the_page_holds_all_that_it_shows(make):
    page = make(TILES)
    for text in (
        "after epoch 2", "The run is finished", "rank correlation", "No teacher yet",
        "The biggest movers", "IoU of a class",
    ):  # fmt: skip
        assert text in text_of(page), text
    assert not re.search(r'<(script|link|img)[^>]*(src|href)="(?!data:)', page)


def test_a_page_that_is_watched_is_read_again(make, tmp_path, write_run):
    from keras_imas.report.page import make_page

    assert 'http-equiv="refresh"' not in make()
    runs = [read_run(write_run(tmp_path / "watched"))]
    assert '<meta http-equiv="refresh" content="30">' in make_page(runs, refresh=30)


def test_names_are_not_markup(make):
    page = make(TILES)
    assert "b&lt;" in page
    assert "a<b" not in re.sub(r"<script>.*?</script>", "", page, flags=re.S)


def test_what_one_comes_for_comes_first(make):
    text = text_of(make(TILES, NEXT))
    order = ["mIoU of the teacher", "The hardest", "Label these next", "Training"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_images_are_shown_before_there_is_a_network(make):
    text = text_of(make(TILES))
    assert "The hardest hardness 0.90 a The easiest hardness 0.10 b&lt;" in text


def test_pictures_stand_beside_each_other(make):
    pictures = {"image": "data:,1", "truth": "data:,2", "teacher": "data:,3"}
    tile = {**TILES[0], "error": 0.256, "pictures": pictures}
    page = make([{**tile, "details": {"confidence": "data:,4"}}, tile])
    assert "hardness 0.90, 26 % of its pixels wrong a image truth teacher" in text_of(
        page
    )
    for number, title in enumerate([*pictures, "confidence"], 1):
        assert f'<img src="data:,{number}" alt="{title} of a">' in page


def test_images_without_names_are_numbered_in_words(make):
    text = text_of(make(TILES, NEXT))
    assert "1 unlabeled image 1 hardness 1.000, novelty 0.500" in text
    assert "#1" not in text


def test_says_nothing_of_ties_where_there_are_none(make):
    assert "their order means nothing" not in text_of(make(TILES, NEXT))


def test_says_that_nothing_ranks_images_of_one_hardness(make):
    page = make(TILES, NEXT, hardness={1: {"a": 1.0, "b": 1.0, "c": 0.5}})
    text = text_of(page)
    assert "2 of the 3 images have hardness 1.000: their order means nothing" in text


@pytest.mark.full
def test_a_wheel_holds_the_page(tmp_path):
    pytest.importorskip("setuptools", minversion="77")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet"]
    options = ["--no-build-isolation", f"--wheel-dir={tmp_path}"]
    copy = tmp_path / "checkout"  # as a build leaves files where it was made
    left_out = shutil.ignore_patterns(".git", "build", "*.egg-info", "docs", "tests")
    shutil.copytree(programs.ROOT, copy, ignore=left_out)
    subprocess.run([*command, *options, copy], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    for suffix in ("html", "css", "js"):
        assert f"keras_imas/report/page.{suffix}" in sizes
    tour = [size for name, size in sizes.items() if name.endswith(".keras")]
    assert len(tour) == 3 and sum(tour) < 2e6


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
def test_the_page_in_a_browser(browser, make, tmp_path):
    (tmp_path / "page.html").write_text(make(TILES, NEXT), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: None if "file:" in r.url else wrong.append(r.url))
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_function("document.querySelectorAll('.main-svg').length >= 14")
    charts = page.locator(".chart")
    assert charts.count() >= 7
    for number in range(charts.count()):
        cell, drawn = (
            place.bounding_box()
            for place in (
                charts.nth(number),
                charts.nth(number).locator("svg.main-svg").first,
            )
        )
        assert drawn["x"] + drawn["width"] <= cell["x"] + cell["width"] + 1

    # Another class, and ink that can be read on dark paper.
    shown = "chart => chart.data.map(line => line.visible)"
    choice = page.locator("select")
    chart = choice.locator("xpath=ancestor::figure").locator(".chart")
    before = chart.evaluate(shown)
    choice.select_option("a<b")
    assert chart.evaluate(shown) == [not visible for visible in before]
    ink = "chart => chart.layout.font.color.trim()"
    light = chart.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        f"({ink})(document.querySelector('.chart')) !== '{light}'", timeout=5000
    )
    page.emulate_media(color_scheme="light")

    table = page.locator("table").first  # of the run with true errors
    page.get_by_text("All 3 images").first.click()
    cells = table.locator("tbody tr td:first-child")
    assert cells.all_inner_texts() == ["b", "c", "a"]  # the hardest first
    table.get_by_text("hardness").click()
    assert cells.all_inner_texts() == ["a", "c", "b"]
    table.get_by_text("hardness").click()
    assert cells.all_inner_texts() == ["b", "c", "a"]
    for expected in (["a", "b", "c"], ["b", "a", "c"]):  # "c" has none
        table.get_by_text("change").click()
        assert cells.all_inner_texts() == expected

    for width in (1300, 400):
        page.set_viewport_size({"width": width, "height": 900})
        fits = f"document.documentElement.scrollWidth <= {width}"
        page.wait_for_function(fits, timeout=5000)
    assert wrong == []
