"""`rarenode models`, and what the tags and the link say of the champion."""

import json
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline import cli
from pipeline.champion import place, registry, versions
from pipeline.champion.processes import git
from pipeline.errors import WorkspaceError
from tests.champion.conftest import dvc, version

pytestmark = pytest.mark.usefixtures("repository")


def predicting() -> str:
    """The content of the bundle that predictions are made with."""
    return (place.LINK / "bundle.json").read_text()


def names() -> list[str]:
    return [one.name for one in registry.champions()]


def test_champion_changes_hands_and_rolls_back_as_far_as_it_goes(
    capsys: pytest.CaptureFixture[str],
):
    for content in "abc":
        version(content)
    assert names() == ["v0.3.0", "v0.2.0", "v0.1.0"]
    assert cli.main(["models", "rollback"]) == 0
    assert predicting() == "b"
    assert cli.main(["models", "rollback"]) == 0
    assert predicting() == "a"
    assert "v0.1.0 is the champion again, instead of v0.2.0" in capsys.readouterr().out
    tags = git("tag")
    assert cli.main(["models", "rollback"]) == 2
    assert "to roll back to, found v0.1.0 alone" in capsys.readouterr().err
    assert (git("tag"), predicting()) == (tags, "a")
    assert cli.main(["models", "promote", "0.3.0"]) == 0
    assert predicting() == "c"
    assert cli.main(["models", "rollback"]) == 0
    assert predicting() == "a"
    # GTO itself tells the same.
    shown = subprocess.run(["git", "tag", "--list", "rarenode#*"], capture_output=True, text=True)
    assert len(shown.stdout.split()) == 7
    assert not git("status", "--porcelain")


@pytest.mark.parametrize("arrives", [True, False])
def test_what_has_arrived_at_the_remote_is_not_undone_here(arrives: bool, tmp_path: Path):
    git("init", "--quiet", "--bare", str(tmp_path / "origin"))
    git("remote", "add", "origin", str(tmp_path / "origin"))
    assert not registry.unpushed("origin")
    version("a")
    assert registry.unpushed("origin")
    undone: list[str] = []

    def push() -> None:
        with ExitStack() as undo:
            undo.callback(undone.append, "the tag")
            with registry.unless_arrived("origin", "rarenode#champion#1", undo):
                if arrives:
                    registry.push("origin")
                raise TimeoutError

    with pytest.raises(TimeoutError):
        push()
    assert bool(undone) is not arrives
    assert registry.unpushed("origin") is not arrives


def test_a_version_that_never_became_the_champion_is_taken_back():
    version("a")
    version("b", champion=False)
    versions.discard_unfinished()
    assert [one.name for one in registry.versions()] == ["v0.1.0"]


def test_list_marks_the_champion_and_is_the_same_as_json(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["models", "list"]) == 0
    assert capsys.readouterr().out == "No version yet. `rarenode retrain` makes one.\n"
    first = version("a")
    version("b", champion=False)
    git("tag", "--annotate", "--message", "by hand", "rarenode@v0.0.1", "HEAD")  # no record
    assert cli.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "v0.2.0", "v0.1.0", "v0.0.1"]
    assert lines[2].split() == [
        *("v0.1.0", "2026-01-02", "03:04", first.commit[:9], "toy", "aaaaaaaaa"),
        *("10", "0.500", "0.250", "champion"),
    ]
    assert cli.main(["models", "list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["champion"] for one in found] == [False, True, False]
    assert found[1]["commit"] == first.commit


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v9.0.0", "expected a registered version, one of v0.1.0, found 'v9.0.0'"),
        ("v0.1.0", "expected another version than the champion, found v0.1.0"),
    ],
)
def test_promotion_that_cannot_be_is_one_message(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
):
    version("a")
    tags = git("tag")
    assert cli.main(["models", "promote", name]) == 2
    assert message in capsys.readouterr().err
    assert git("tag") == tags


def test_without_an_identity_nothing_is_tagged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    version("a")
    version("b")
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.delenv(f"GIT_{name}")
    git("config", "user.useConfigOnly", "true")
    tags = git("tag")
    assert cli.main(["models", "rollback"]) == 2
    assert "`git config user.name NAME`" in capsys.readouterr().err
    assert git("tag") == tags


def test_link_follows_the_tags_whatever_was_cut_off():
    version("a")
    place.reconcile()
    second = version("b")  # tagged, and killed before the link followed
    assert predicting() == "a"
    assert place.reconcile() == second
    assert predicting() == "b"
    place.LINK.unlink()
    shutil.rmtree(".rarenode/champions")
    assert place.reconcile() == second
    assert predicting() == "b"


def test_tag_that_cannot_be_followed_is_taken_back(monkeypatch: pytest.MonkeyPatch):
    version("a")
    version("b")
    place.reconcile()
    tags = git("tag")
    swap = place.swap

    def break_off(bundle: Path | None) -> None:
        monkeypatch.setattr(place, "swap", swap)
        raise OSError("no space left on device")

    monkeypatch.setattr(place, "swap", break_off)
    with pytest.raises(OSError, match="no space"):
        versions.rollback()
    assert git("tag") == tags
    assert predicting() == "b"


def test_bundle_comes_from_the_remote_where_the_cache_is_lost_and_else_it_is_said(
    tmp_path: Path,
):
    dvc("remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    version("a")
    dvc("push", "--all-tags")
    version("b")
    shutil.rmtree(".dvc/cache")
    with pytest.raises(WorkspaceError, match=r"bundle of v0\.2\.0 in DVC's cache or its remote"):
        place.reconcile()
    assert not place.LINK.exists()
    last = registry.champion()
    assert last is not None
    registry.unassign(last, "gone")
    place.reconcile()
    assert predicting() == "a"


def test_what_is_no_link_is_not_replaced():
    version("a")
    place.LINK.mkdir(parents=True)
    with pytest.raises(WorkspaceError, match=r"expected a link models/champion, found something"):
        place.reconcile()


def test_versions_go_to_a_git_remote_and_come_from_it_all_or_none(tmp_path: Path):
    origin = tmp_path / "origin"
    git("init", "--quiet", "--bare", str(origin))
    git("remote", "add", "origin", str(origin))
    version("a")
    git("tag", "mine")
    registry.push("origin")
    assert git("tag", folder=origin).splitlines() == ["rarenode#champion#1", "rarenode@v0.1.0"]
    git("tag", "--delete", "rarenode#champion#1", "rarenode@v0.1.0")
    registry.fetch("origin")
    assert names() == ["v0.1.0"]
