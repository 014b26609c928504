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


@pytest.mark.usefixtures("events")
def test_what_goes_on_behind_the_last_unit_is_said_at_once(capsys: pytest.CaptureFixture[str]):
    with progress.bar("training", total=3, unit="epoch") as bar:
        for _ in range(2):
            bar.advance()
        bar.advance(note="now forests")
        last = progress.parse(capsys.readouterr().out.splitlines()[-1])
        assert (last.done, last.note, last.ended) == (3, "now forests", False)
    assert "left" not in progress.line(last, 60.0)


def test_the_time_left_is_that_of_all_units_and_counts_down(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    bars = progress.bars(get_time=lambda: now[0], auto_refresh=False)
    task = bars.add_task("tuning", total=100, unit="trial", note="")
    column = bars.columns[3]

    def left() -> str:
        return column.render(bars.tasks[0]).plain

    assert left() == "-:--:--"
    now[0] = 10.0
    bars.update(task, completed=10)
    assert left() == "0:01:30"
    now[0] = 15.0
    assert left() == "0:01:25"
    now[0] = 40.0  # one slow trial is no reason to expect ninety of them
    bars.update(task, completed=11)
    assert left() == "0:05:23"
    now[0] = 50.0
    bars.update(task, completed=50)
    assert left() == "0:00:50"
    bars.update(task, completed=100)
    assert left() == "0:00:50"  # what it took


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


@pytest.mark.parametrize(
    ("note", "more", "lines"),
    [
        (None, False, ["predicting: 4/4 rows, took 30 s"]),
        ("best 0.5", False, ["predicting: 4/4 rows, best 0.5, took 30 s"]),
        ("now forests", True, ["predicting: 4/4 rows, now forests", "predicting: took 30 s"]),
    ],
)
def test_without_a_terminal_all_units_are_said_once(
    note: str | None,
    more: bool,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.bar("predicting", total=4, unit="row") as bar:
        now[0] = 20.0
        bar.advance(2)
        now[0] = 25.0
        bar.advance(2, note=note, more=more)
        now[0] = 30.0
    half = "predicting: 2/4 rows, about 20 s left"
    assert capsys.readouterr().out.splitlines() == [half, *lines]


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
