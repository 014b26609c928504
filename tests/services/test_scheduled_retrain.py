"""A schedule that retrains on real data: better is promoted, worse rejected, bad data refused.

The data and what becomes of them are those of test_retrain.py, where somebody calls the command.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.champion.processes import git
from pipeline.config import edit
from pipeline.datasets.source import RawDataset
from tests.champion import diseases

from .conftest import Server, until
from .test_retrain import MINE, SMALL, folder, raw  # noqa: F401  fixtures

CRON = ("--name", "story", "--cron", "* * * * *")


@pytest.mark.usefixtures("worker")
def test_cron_promotes_a_better_challenger_rejects_a_worse_one_and_refuses_bad_data(
    prefect: Server,
    folder: Path,  # noqa: F811
    raw: RawDataset,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(folder)
    some, all_rows = diseases.chosen(raw, 500), diseases.chosen(raw, 2000)
    diseases.write(MINE, raw, some)
    files = ("--features", "mine/features.csv", "--labels", "mine/labels.csv")
    files += ("--hierarchy", "mine/hierarchy.csv", "--name", "eyes")
    done = prefect.rarenode("init", *files, "--id", "id", "--groups", "family")
    assert done.returncode == 0, done.stderr
    edit.plan(SMALL.items()).write()
    git("add", "--all")
    git("commit", "--quiet", "--message", "own data")

    run = next_run(prefect, "Promoted")
    assert "v0.1.0 is the first champion" in run["state"]["message"]
    assert {name.split("-")[0] for name in prefect.tasks(run)} == {"look", "validate", "train"}

    diseases.write(MINE, raw, all_rows)
    run = next_run(prefect, "Promoted")
    assert "v0.2.0 takes the place of v0.1.0" in run["state"]["message"]
    champion = git("tag")

    shuffled = list(all_rows)
    random.Random(1).shuffle(shuffled)
    diseases.write_labels(MINE, raw, all_rows, shuffled)
    run = next_run(prefect, "Failed")
    assert "data/prepared does not meet expectations" in run["state"]["message"]
    assert git("tag") == champion

    edit.plan([("retrain.drift", "ignore")]).write()
    git("commit", "--quiet", "--all", "--message", "drift is ignored")
    run = next_run(prefect, "Rejected")
    assert "v0.2.0 stays the champion" in run["state"]["message"]
    assert git("tag") == champion
    assert git("status", "--porcelain") == ""


def next_run(server: Server, state: str) -> dict[str, Any]:
    """Let the schedule fire until a run ends otherwise than Unchanged: this has to be how."""
    before = {run["id"] for run in server.runs("story")}
    assert server.rarenode("deploy", *CRON).returncode == 0

    def found() -> list[dict[str, Any]]:
        runs = [run for run in server.runs("story") if run["id"] not in before]
        return [run for run in runs if run["end_time"] and run["state_name"] != "Unchanged"]

    run = until(found, 900)[0]
    assert server.rarenode("deploy", *CRON, "--pause").returncode == 0
    until(lambda: all(one["end_time"] for one in server.runs("story")), 120)
    assert run["auto_scheduled"]
    assert run["state_name"] == state, run["state"]["message"]
    return run
