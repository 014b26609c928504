"""Colours on a terminal alone, and none where NO_COLOR asks for none: every place that prints."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from pipeline.artifacts import files, paths

from .conftest import ROOT
from .test_tables import metrics

MAIN = "import sys; from pipeline.cli import main; sys.exit(main(sys.argv[1:]))"
# A stage that draws its own bar, as `dvc repro` lets it.
BAR = """
from pipeline import progress
with progress.bar("working", total=3, unit="epoch") as bar:
    bar.advance(3, note="loss [bold]1[/bold]")
progress.note("a note")
"""
COLOUR = re.compile(r"\x1b\[(?:[\d;]*;)?(?:[349][0-7]|10[0-7]|[34]8)(?:;[\d;]*)?m")
SEQUENCE = re.compile(r"\x1b\[[?\d;]*[A-Za-z]")


def environment(**more: str) -> dict[str, str]:
    ours = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **more}


def on_terminal(code: str, *arguments: str, columns: int = 80, **more: str) -> str:
    """What a program prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-c", code, *arguments]
    process = subprocess.Popen(
        command, env=environment(**more), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while block := os.read(ours, 65536):
            said += block
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(ours)
    process.wait(60)
    return said.decode().replace("\r\n", "\n")


def in_pipe(code: str, *arguments: str, **more: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment(**more), capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("program", [(MAIN, "doctor"), (BAR,)])
def test_what_prints_has_colours_on_a_terminal_alone(
    program: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert COLOUR.search(on_terminal(*program))
    assert not COLOUR.search(on_terminal(*program, NO_COLOR="1"))
    assert "\x1b" not in on_terminal(*program, TERM="dumb")
    assert "\x1b" not in in_pipe(*program)


def test_the_doctors_lines_are_as_wide_as_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for columns in (60, 120):
        lines = SEQUENCE.sub("", on_terminal(MAIN, "doctor", columns=columns)).splitlines()
        assert max(map(len, lines)) <= columns
    whole = f"problem  workspace: expected dvc.yaml in {tmp_path}, found none: this is no workspace"
    assert whole in in_pipe(MAIN, "doctor").splitlines()


@pytest.mark.usefixtures("prefect_server", "workspace")
def test_a_run_on_a_terminal_ends_with_tables_that_fit_and_the_path_of_the_report():
    from prefect.settings import PREFECT_API_URL

    files.write_json(paths.METRICS, metrics())
    paths.REPORT.touch()
    server = str(PREFECT_API_URL.value())
    said = on_terminal(MAIN, "run", PREFECT_API_URL=server)
    assert COLOUR.search(said)
    lines = SEQUENCE.sub("", said).splitlines()
    assert max(map(len, lines)) <= 80
    end = lines[lines.index("hpo_eye, test split") :]
    assert end[1].split() == ["macro", "F1", "macro", "F1", "macro", "F1"]
    assert end[-2].startswith("4 Completed in ")
    assert end[-1] == "Report: reports/report.html"

    assert not COLOUR.search(on_terminal(MAIN, "run", PREFECT_API_URL=server, NO_COLOR="1"))
    piped = in_pipe(MAIN, "run", PREFECT_API_URL=server)
    assert "\x1b" not in piped
    assert piped.endswith("Report: reports/report.html\n")


def test_nothing_prints_past_rich_or_makes_it_take_a_file_for_a_terminal():
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for package in ("pipeline", "flows")
        for path in (ROOT / package).rglob("*.py")
        for word in ("\\x1b[", "\\033[", "\\u001b[", "force_terminal", "colorama", "rich.print")
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []
