"""The report as people use it, in a real browser: whole, quick, accessible, and alone on its disk.

`RARENODE_SCREENSHOTS=docs` also writes the pictures of the documentation.
"""

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from pipeline.__main__ import STAGES
from pipeline.artifacts import paths
from pipeline.config import edit
from pipeline.datasets import registry
from pipeline.reporting import page as reporting
from pipeline.reporting import sources
from pipeline.reporting.rare import MOST
from tests.datasets.test_hmc import VARIABLE
from tests.reporting import sample
from tests.test_pipeline import ROOT, copy_of_working_tree

from . import browser as browsers

HMC = os.environ.get(VARIABLE)
needs_benchmarks = pytest.mark.skipif(HMC is None, reason=f"{VARIABLE} names no folder")
PICTURES = os.environ.get("RARENODE_SCREENSHOTS")
NODES = 5000
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsers.browser() as found:
        yield found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a made-up hierarchy with 5,000 nodes, hostile names among them."""
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        sample.write(folder, nodes=NODES)
        text = reporting.render(sources.read())
    (folder / "report.html").write_text(text, encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """From a data set to its report, by a small run of the whole pipeline."""
    found: dict[str, Path] = {}

    def build(dataset: str) -> Path:
        if dataset not in found:
            copy = copy_of_working_tree(tmp_path_factory.mktemp("built") / dataset)
            values = {"dataset": dataset, "evaluate.bootstrap": 20, "train.epochs": 4}
            edit.plan(values.items(), copy.folder / "params.yaml").write()
            surroundings = copy.environment(Path(sys.executable).parent)
            if dataset != "hpo_eye":
                assert HMC is not None
                registry.get(dataset).fetch(copy.folder / paths.raw(dataset), HMC)
            for stage in STAGES:
                subprocess.run(
                    [sys.executable, "-m", "pipeline", stage],
                    cwd=copy.folder,
                    env=surroundings,
                    check=True,
                )
            found[dataset] = copy.folder / paths.REPORT
        return found[dataset]

    return build


class Tab:
    """A page that notes what it asks for and what goes wrong on it."""

    def __init__(self, browser: Browser, report: Path, **options: Any) -> None:
        self.page: Page = browsers.page(browser, **options)
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda said: self.wrong.append(said.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(report.as_uri())

    def close(self, report: Path) -> None:
        """Nothing went wrong, and nothing but the file was asked for."""
        assert self.wrong == []
        assert [url for url in self.asked if not url.startswith("blob:")] == [report.as_uri()]
        self.page.context.close()


@pytest.mark.parametrize(
    "dataset", ["hpo_eye", pytest.param("cellcycle_GO", marks=needs_benchmarks)]
)
def test_a_report_is_searched_sorted_saved_and_accessible(
    dataset: str, built: Callable[[str], Path], browser: Browser, tmp_path: Path
):
    report = built(dataset)
    assert report.stat().st_size < 6_000_000
    tab = Tab(browser, report, accept_downloads=True)
    page = tab.page
    table = page.locator("#node-table")
    second = table.locator("tbody tr").nth(1)
    name, node = second.locator(".name").inner_text(), second.locator(".id").inner_text()

    page.fill("#explorer-search", node)
    page.locator("#explorer-found button").first.click()
    details = page.locator("#explorer-details")
    assert details.locator("h3").inner_text() == name
    assert details.locator("dd").first.inner_text() == node
    picture = page.locator("#explorer-icicle").screenshot()
    page.select_option("#explorer-colour", index=1)
    assert page.locator("#explorer-icicle").screenshot() != picture

    depth = table.locator("thead button").nth(2)
    depth.click()
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    deepest = [int(text) for text in table.locator("tbody tr td:nth-child(3)").all_inner_texts()]
    assert deepest == sorted(deepest, reverse=True)
    assert len(deepest) > 50
    page.fill("#node-search", node)
    assert table.locator("tbody tr").count() >= 1
    page.fill("#node-search", "")
    with page.expect_download() as download:
        page.click("#node-csv")
    saved = download.value.path().read_bytes().decode()
    rows = [*csv.DictReader(io.StringIO(saved, newline=""))]
    said = page.locator("#node-count").inner_text()
    assert said == f"{len(rows):,} of {len(rows):,} nodes"
    assert [int(row["depth"]) for row in rows[: len(deepest)]] == deepest
    page.click(".found-rare a")
    rare = sum(1 <= int(row["support"]) <= MOST for row in rows)
    assert 0 < rare < len(rows)
    assert page.locator("#node-count").inner_text() == f"{rare:,} of {len(rows):,} nodes"

    paper = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(paper)
    page.click("#theme")
    assert page.evaluate(paper) == light
    page.click("#theme")
    assert page.evaluate(paper) != light
    for theme in ("dark", "light"):
        found = Axe().run(page).response["violations"]
        serious = [(one["id"], theme) for one in found if one["impact"] in SERIOUS]
        assert serious == [], [node["html"] for one in found for node in one["nodes"]][:9]
        page.click("#theme")
        page.click("#theme")
    tab.close(report)


def test_names_are_data_and_keys_are_enough(large: Path, browser: Browser):
    tab = Tab(browser, large)
    page = tab.page
    page.fill("#explorer-search", "<script>")
    page.keyboard.press("Enter")
    title = page.locator("#explorer-details h3")
    assert title.inner_text() == sample.HOSTILE
    page.focus("#explorer-icicle")
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowUp")
    above = title.inner_text()
    assert above != sample.HOSTILE
    page.keyboard.press("ArrowDown")
    assert title.inner_text() != above
    assert page.evaluate("document.querySelectorAll('#explorer-details script').length") == 0
    details = page.locator("#explorer-details")
    details.locator("button").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "explorer-details"


def test_every_row_of_the_hierarchy_is_painted_and_every_node_listed(large: Path, browser: Browser):
    tab = Tab(browser, large)
    page = tab.page
    page.wait_for_timeout(300)
    painted = page.evaluate(
        """() => {
          const canvas = document.getElementById("explorer-icicle");
          const rows = Math.max(...data.depth) + 1;
          const tall = canvas.height / rows;
          const wide = canvas.width;
          const all = canvas.getContext("2d").getImageData(0, 0, wide, canvas.height).data;
          return [...Array(rows).keys()].map((row) => {
            const y = Math.floor((row + 0.5) * tall);
            const line = all.subarray(4 * y * wide, 4 * (y + 1) * wide);
            let filled = 0;
            for (let at = 3; at < line.length; at += 4) filled += line[at] > 0;
            return filled;
          });
        }"""
    )
    assert min(painted) > 0
    page.click("#node-more")
    expect(page.locator("#node-table tbody tr")).to_have_count(NODES, timeout=30_000)
    tab.close(large)
    tab.close(large)


@pytest.mark.parametrize("width", [390, 900, 1400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_scrolls_sideways(large: Path, browser: Browser, width: int, theme: Any):
    tab = Tab(browser, large, width=width, theme=theme)
    wide = tab.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width
    tab.close(large)


@pytest.mark.parametrize("width", [1400, 1920])
def test_no_table_scrolls_sideways_where_a_window_is_wide(
    width: int, large: Path, browser: Browser
):
    tab = Tab(browser, large, width=width)
    tab.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tables = tab.page.evaluate(
        """[...document.querySelectorAll(".scroll")].map(
          (frame) => [frame.ariaLabel, frame.scrollWidth - frame.clientWidth])"""
    )
    assert len(tables) > 10
    assert [table for table in tables if table[1] > 0] == []
    tab.close(large)


@pytest.mark.parametrize("width", [1400, 390])
def test_few_levels_are_tall_where_details_stand_beside_them(
    width: int, browser: Browser, tmp_path: Path
):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        sample.write(tmp_path, nodes=24, examples=400)
        (tmp_path / "report.html").write_text(reporting.render(sources.read()), encoding="utf-8")
    tab = Tab(browser, tmp_path / "report.html", width=width)
    tab.page.wait_for_timeout(300)
    levels = tab.page.evaluate("Math.max(...data.depth) + 1")
    assert 3 <= levels <= 7
    tall = tab.page.evaluate("document.getElementById('explorer-icicle').clientHeight")
    if width == 390:
        assert tall == 34 * levels
    else:
        assert 34 * levels < 250 < tall <= 560
    tab.close(tmp_path / "report.html")


def test_without_scripts_the_tables_are_there(large: Path, browser: Browser):
    tab = Tab(browser, large, java_script_enabled=False)
    assert tab.page.locator("#node-table tbody tr").count() == 100
    assert "needs JavaScript" in tab.page.inner_text("#explorer")
    assert not tab.page.locator("#node-controls").is_visible()
    tab.close(large)


def test_it_prints(large: Path, browser: Browser, tmp_path: Path):
    tab = Tab(browser, large)
    tab.page.emulate_media(media="print")
    heads = tab.page.locator("#node-table th").all_inner_texts()
    names = tab.page.locator("#node-table tbody .name").all_inner_texts()
    assert all(heads)
    assert len(names) == 100
    assert all(names)
    assert not tab.page.locator("#node-controls").is_visible()
    tab.page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    tab.close(large)


@pytest.mark.skipif(PICTURES is None, reason="RARENODE_SCREENSHOTS names no folder")
def test_pictures_of_the_documentation(browser: Browser):
    """Of the report of `make run`, which is looked for in this workspace."""
    assert PICTURES is not None
    report = ROOT / paths.REPORT
    tab = Tab(browser, report, height=1000, device_scale_factor=2)
    assert tab.page.inner_text("h1") == "Rare nodes of hpo_eye"
    tab.page.screenshot(path=ROOT / PICTURES / "report.png")
    tab.page.evaluate("document.getElementById('explorer').scrollIntoView({behavior: 'instant'})")
    tab.page.wait_for_timeout(500)
    tab.page.screenshot(path=ROOT / PICTURES / "explorer.png")
    tab.close(report)
