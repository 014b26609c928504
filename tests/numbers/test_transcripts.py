"""Transcripts: what is kept of what a command printed, and what a page quotes of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.transcripts import fences, record
from benchmarks.transcripts.scripts import SCRIPTS, Part, Quote, Script
from tests.numbers.claims import PAGES, raw

PRINTED = ["one", "two 1", "three", "four", "five 2", "six"]


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A transcript `toy` of one command, and a repository with one page that quotes it."""
    monkeypatch.setattr(fences, "FOLDER", tmp_path)
    monkeypatch.setattr(fences, "ROOT", tmp_path)
    typed = [{"command": "say", "printed": ["early"]}, {"command": "say", "printed": PRINTED}]
    (tmp_path / "toy.json").write_text(json.dumps({"commands": typed}))
    parts = (Part("two", "three"), Part("five", "five"))
    quotes = {
        "some": Quote("say", parts, typed=True),
        "next": Quote("say", (Part("two", "two"), Part("three", "three"))),
        "all": Quote("say", time=0),
        "none": Quote("say", (Part("seven", "seven"),)),
    }
    monkeypatch.setitem(SCRIPTS, "toy", Script(("say", "say"), quotes))
    (tmp_path / "docs").mkdir()
    page = "Before.\n\n<!-- printed: toy/some -->\n\n```\nold\n```\n\nAfter.\n\n```\nstays\n```\n"
    (tmp_path / "docs" / "page.md").write_text(page)
    (tmp_path / "README.md").write_text("Nothing.\n")
    return tmp_path


@pytest.mark.usefixtures("made_up")
def test_a_quote_has_its_parts_with_a_sign_where_lines_are_left_out():
    assert fences.text("toy", "some") == "$ say\ntwo 1\nthree\n…\nfive 2\n"
    assert fences.text("toy", "next") == "two 1\nthree\n"
    assert fences.text("toy", "all") == "early\n"


@pytest.mark.usefixtures("made_up")
def test_a_quote_of_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="begins with 'seven', found none"):
        fences.text("toy", "none")


def test_a_page_quotes_anew_and_its_rest_stays(made_up: Path):
    page = made_up / "docs" / "page.md"
    assert fences.write("toy") == [page]
    written = page.read_text()
    assert written.count("```") == 4
    assert "-->\n\n```\n$ say\ntwo 1\nthree\n…\nfive 2\n```\n\nAfter.\n\n```\nstays\n" in written
    assert fences.write("toy") == []


def test_lines_of_the_machine_and_of_progress_are_not_kept(tmp_path: Path):
    clone = tmp_path / "rarenode"
    line = f"see {clone}/reports and {sys.prefix}/bin/x in {clone}, from {tmp_path}/given/a"
    assert (
        record._same(line, clone, tmp_path / "given")
        == "see reports and .venv/bin/x in ., from DIR/a"
    )
    beside = os.path.relpath(sys.prefix, clone)
    assert record._same(f"Dashboard: {beside}/bin/x", clone, None) == "Dashboard: .venv/bin/x"
    for gone in (
        "train: training bce: 15/15 epochs, took 2 s",
        "predicting: 30/30 rows, took 1 s",
        "WARNING: Location 'file:///x' is",
    ):
        assert record._LEFT_OUT.fullmatch(gone)
    for kept in ("study x-1: 1/12 trials, about 5 s left", "train: Completed after 2 s", *PRINTED):
        assert not record._LEFT_OUT.fullmatch(kept)


def test_a_file_with_two_names_counts_once(tmp_path: Path):
    (tmp_path / "sized").mkdir()
    file = tmp_path / "sized" / "a"
    file.write_bytes(bytes(1000))
    (tmp_path / "sized" / "b").hardlink_to(file)
    (tmp_path / "sized" / "c").symlink_to(file)
    assert record._size(tmp_path / "sized") == 1000


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments], cwd=record.ROOT, check=False, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_commit_of_a_transcript_is_in_the_history(name: str):
    """Else nobody can look at what printed it: record again from a commit that is to stay."""
    if shutil.which("git") is None or not (record.ROOT / ".git").exists():
        pytest.skip("not a checkout of git's")
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("a shallow checkout has no history")
    commit = fences.read(name)["commit"]
    found = git("merge-base", "--is-ancestor", commit, "HEAD")
    assert found.returncode == 0, f"expected {commit} in the history. {found.stderr}"


def test_every_quote_stands_in_a_page_and_every_page_quotes_what_there_is():
    quoted = {(fence.name, fence.quote) for page in PAGES for fence in fences.quoted(raw(page))}
    wanted = {(name, quote) for name, script in SCRIPTS.items() for quote in script.quotes}
    assert quoted == wanted
    marked = sum(len(re.findall(r"<!-- printed: ", raw(page))) for page in PAGES)
    assert marked == sum(1 for page in PAGES for _ in fences.quoted(raw(page)))


@pytest.mark.parametrize("page", PAGES)
def test_a_fence_has_the_lines_of_its_transcript_with_their_blanks(page: str):
    """`python -m benchmarks.transcripts NAME --quote` writes it again."""
    for fence in fences.quoted(raw(page)):
        assert fence.text == fences.text(fence.name, fence.quote)
