"""What a run looks like in Prefect's own pages, in a real browser."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.flows.conftest import git
from tests.flows.test_headline import METRICS

from . import browser
from .conftest import Server, until


@pytest.fixture
def page() -> Iterator[Page]:
    with browser.browser() as found:
        yield browser.page(found, height=6000)  # a log is drawn as it is seen


@pytest.mark.usefixtures("worker")
def test_pages_show_the_stages_their_states_and_the_headline_numbers(
    prefect: Server, workspace: Path, page: Page, tmp_path: Path
):
    Path("reports").mkdir()
    Path("reports/metrics.json").write_text(json.dumps(METRICS))
    git("add", "--all")
    git("commit", "--quiet", "--message", "all")
    assert prefect.rarenode("deploy", "--flow", "train", "--name", "seen").returncode == 0
    Path("break-last").touch()
    prefect.start("train/seen")
    failed = until(lambda: [r for r in prefect.runs("seen") if r["state_name"] == "Failed"], 60)[0]
    Path("break-last").unlink()
    prefect.start("train/seen")
    run = until(lambda: [r for r in prefect.runs("seen") if r["state_name"] == "Completed"], 60)[0]

    ui = prefect.url.removesuffix("/api")
    page.goto(f"{ui}/runs/flow-run/{run['id']}")
    shown(page, "Completed", "4 Task runs", "last has a note")  # from the stage's log
    page.screenshot(path=tmp_path / "run.png")
    assert (tmp_path / "run.png").stat().st_size > 20_000  # the graph is a drawing
    page.get_by_text("Task Runs", exact=True).first.click()
    shown(page, "first\nCached", "left\nCached", "right\nCached", "last\nCompleted")

    page.goto(f"{ui}/runs/flow-run/{failed['id']}")
    shown(page, "Failed", "RuntimeError: broken on purpose")
    page.get_by_text("Task Runs", exact=True).first.click()
    shown(page, "first\nCompleted", "last\nFailed")

    (artifact,) = prefect.post(
        "artifacts/filter",
        artifacts={"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": ["headline"]}},
    )
    page.goto(f"{ui}/artifacts/artifact/{artifact['id']}")
    shown(page, "weighted/paper\t0.512\t0.250", "-0.010 [-0.020, +0.001]")


def shown(page: Page, *words: str) -> str:
    """The page's text, once it has all these words."""

    def found() -> str:
        text = page.inner_text("body")
        return text if all(word in text for word in words) else ""

    return until(found, 60, lambda: page.inner_text("body"))
