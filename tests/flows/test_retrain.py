"""The retrain flow in a miniature workspace; what is compared is made up."""

from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.orchestration import get_client

from flows import history
from flows.retrain import retrain
from pipeline import cli
from pipeline.champion import committed, record, registry, training
from pipeline.champion.processes import git
from tests.flows.retraining import comparison, make, predicting, rows, state

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make(tmp_path / "workspace", monkeypatch)


def finds(monkeypatch: pytest.MonkeyPatch, low: float) -> None:
    monkeypatch.setattr(training, "compare", lambda *_, **__: comparison(low))


def test_first_is_promoted_then_what_is_not_worse_and_what_is_worse_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    before = git("rev-parse", "HEAD"), git("status", "--porcelain")
    first = retrain(return_state=True)
    assert (first.name, first.is_completed()) == ("Promoted", True)
    assert first.message == "v0.1.0 is the first champion: there was none to be held against."
    assert predicting() == "id,x\n1,1\n2,0\n"
    assert (git("rev-parse", "HEAD"), git("status", "--porcelain")) == before

    untouched = state(folder)
    assert retrain(return_state=True).name == "Unchanged"
    assert state(folder) == untouched

    rows(2)
    untouched = state(folder)
    finds(monkeypatch, -0.0101)
    worse = retrain(return_state=True)
    assert (worse.name, worse.is_completed()) == ("Rejected", True)
    assert "micro AP +0.090 [-0.010, +0.190], margin 0.01" in str(worse.message)
    assert state(folder) == untouched
    # The same challenger does not come every night.
    again = retrain(return_state=True)
    assert again.name == "Unchanged"
    assert "v0.1.0 stays the champion: it may be worse" in str(again.message)
    # But it does when somebody has accepted other data.
    Path("data/accepted.json").write_text('{"schema": 1, "dataset": null, "by": "hand"}')
    assert "so left out: data/accepted.json" in str(retrain(return_state=True).message)
    git("commit", "--quiet", "--all", "--message", "accepted")
    assert retrain(return_state=True).name == "Rejected"

    finds(monkeypatch, -0.01)
    better = retrain(True, return_state=True)
    assert better.name == "Promoted"
    assert str(better.message).startswith("v0.2.0 takes the place of v0.1.0: not worse by more")
    assert predicting() == "id,x\n1,2\n2,0\n"
    champion = registry.champion()
    assert champion is not None
    assert champion.name == "v0.2.0"
    # The version has what it was made from, and what was accepted with it.
    made = record.read(champion)
    assert made is not None
    assert (made["against"], made["figures"][0]["holds"]) == ("v0.1.0", True)
    assert committed.config_of(champion.commit).tables != committed.config_of("HEAD").tables
    assert '"rows": "id,x' in committed.file_of(champion.commit, "data/accepted.json")
    assert "micro AP" in git("tag", "--list", "--format=%(contents)", "rarenode@v0.2.0")
    # What was pushed is enough for somebody else.
    assert any((folder.parent / "store").rglob("*.dir"))
    assert len(git("worktree", "list").splitlines()) == 1

    # Killed when it was a version and not yet the champion: that is made good.
    rows(3)
    assert retrain(return_state=True).name == "Promoted"
    git("tag", "--delete", "rarenode#champion#3")
    once_more = retrain(return_state=True)
    assert once_more.name == "Promoted"
    assert str(once_more.message).startswith("v0.3.0 takes the place of v0.2.0")
    assert predicting() == "id,x\n1,3\n2,0\n"


def test_validation_that_fails_fails_the_flow_with_its_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    Path("refuse-validate").touch()
    untouched = state(folder)
    ended = retrain(return_state=True)
    assert ended.is_failed()
    assert "found bad data in .rarenode/challenger-reports/validation" in str(ended.message)
    assert state(folder) == untouched
    assert registry.versions() == []


def test_no_identity_is_said_before_anything_is_trained(folder: Path):
    git("config", "--unset", "user.name")
    git("config", "--unset", "user.email")
    git("config", "user.useConfigOnly", "true")
    ended: Any = retrain(return_state=True)
    assert ended.is_failed()
    assert "git config user.name" in str(ended.message)


class _Secretive:
    def notify(self, *_: Any, **__: Any) -> None:
        raise ValueError("could not reach https://hooks.example/secret")


def test_command_has_its_tag_from_the_first_moment_and_says_that_nobody_was_told_but_no_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "  notify: webhook/team\n")
    git("commit", "--quiet", "--all", "--message", "notify")
    monkeypatch.setattr(Block, "load", lambda name: _Secretive())
    seen: list[bool] = []

    def reconcile(lock: str) -> int:
        with get_client(sync_client=True) as client:
            seen.append(any(history.tag(lock) in run.tags for run in client.read_flow_runs()))
        return 0

    monkeypatch.setattr(history, "reconcile", reconcile)
    assert cli.main(["retrain"]) == 0
    assert seen == [True]
    out, err = capfd.readouterr()
    assert "look: data set toy, as committed.\n" in out
    assert "notify: nobody was told through the block 'webhook/team': ValueError" in out
    assert "secret" not in out + err
