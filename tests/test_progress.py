import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline import progress

ROOT = Path(__file__).parents[1]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(progress.VARIABLE, "events")


@pytest.mark.usefixtures("events")
def test_events_are_few_and_the_last_one_always_comes(capsys: pytest.CaptureFixture[str]):
    with progress.bar("training", total=1000, unit="epoch") as bar:
        for step in range(1000):
            bar.advance(note=f"loss {step}")
    seen = [progress.parse(line) for line in capsys.readouterr().out.splitlines()]
    assert len(seen) < 20  # far fewer than steps, even on a machine that stalls
    assert seen[0] == progress.Event(seen[0].bar, "training", 1000, 0, "epoch")
    assert seen[-1].done == 1000
    assert seen[-1].note == "loss 999"
    assert seen[-1].ended


@pytest.mark.usefixtures("events")
def test_bar_ends_when_the_work_fails(capsys: pytest.CaptureFixture[str]):
    def work() -> None:
        with progress.bar("training", total=2, unit="epoch") as bar:
            bar.advance()
            raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        work()
    last = progress.parse(capsys.readouterr().out.splitlines()[-1])
    assert (last.done, last.ended) == (1, True)


@pytest.mark.usefixtures("events")
def test_bars_of_several_threads_count_right(capsys: pytest.CaptureFixture[str]):
    with progress.bar("all", total=400, unit="trial") as bar:
        workers = [
            threading.Thread(target=lambda: [bar.advance() for _ in range(100)]) for _ in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert progress.parse(capsys.readouterr().out.splitlines()[-1]).done == 400


def test_ordinary_and_damaged_lines_are_no_events():
    assert progress.parse("epoch 3") is None
    assert progress.parse(progress.PREFIX + '{"bar": 1, "lab') is None
    assert progress.parse(progress.PREFIX + '{"unknown": 1}') is None
    assert progress.parse(progress.PREFIX + "3") is None


def test_without_a_terminal_only_the_end_of_short_work_is_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    with progress.bar("tuning", total=2, unit="trial") as outer:
        for _ in range(2):
            with progress.bar("one trial", total=3, unit="epoch") as inner:
                inner.advance(3)
            outer.advance(note="best 0.5")
    progress.note("a note")
    out = capsys.readouterr().out
    assert out == "tuning: 2/2 trials, best 0.5, took 0 s\na note\n"


def test_long_work_has_an_estimate():
    event = progress.Event(1, "training", 40, 10, "epoch", "loss 1")
    assert progress.line(event, 20.0) == "training: 10/40 epochs, loss 1, about 60 s left"


def test_a_terminal_shows_bars_and_names_are_no_markup():
    code = (
        "from pipeline import progress\n"
        "with progress.bar('on [bold]data[/x]', total=2, unit='epoch') as bar:\n"
        "    bar.advance(2, note='[red]')\n"
        "    progress.note('say [this]')\n"
    )
    done = subprocess.run(
        [
            "script",
            "--quiet",
            "--return",
            "--command",
            f'{sys.executable} -c "{code}"',
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"TERM": "xterm", "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
        check=True,
    )
    assert "on [bold]data[/x]" in done.stdout
    assert "say [this]" in done.stdout
    assert "2/2 epochs" in done.stdout
