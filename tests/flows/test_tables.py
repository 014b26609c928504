"""The tables that a run ends with, on terminals of several widths and in a file."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from flows import headline, tables, terminal

FIGURES = ("micro_ap", "macro_ap", "macro_f1/half", "macro_f1/prior_matched", "macro_f1/tuned")
BASELINES = ("prior", "weighted/paper", "bce", "mcloss")


def metrics(*more: str) -> dict[str, Any]:
    """As a run of the default data set makes them; each figure is another one."""
    numbers = iter(range(1000))

    def value() -> float:
        return 0.1 + next(numbers) / 1000

    def test() -> dict[str, Any]:
        rules = {name.partition("/")[2]: {"macro_f1": value()} for name in FIGURES if "/" in name}
        return {"micro_ap": value(), "macro_ap": value(), "rules": rules}

    def difference() -> dict[str, Any]:
        return {name: {"mean": value(), "ci95": [value(), value()]} for name in FIGURES}

    methods = {name: {"test": test(), "difference": difference()} for name in (*BASELINES, *more)}
    about = {"dataset": "hpo_eye", "method": "ours", "members": 10, "profile": "quick"}
    return {**about, "test": test(), "baselines": methods}


def printed(width: int, found: dict[str, Any], **options: Any) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, **({"force_terminal": True} | options))
    tables.show(console, "Scores", headline.scores(found), first="bold")
    turned = terminal._turn(headline.differences(found))
    tables.show(console, "Differences", turned)
    return re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())


def cells(found: dict[str, Any]) -> list[str]:
    """Every value and every name that has to be there, in one piece."""
    head, rows = headline.scores(found)
    turned, differences = headline.differences(found)
    texts = [*head, *turned, *(cell for row in (*rows, *differences) for cell in row)]
    return [part for text in texts for part in re.split(r" (?=[(\[])", text)]


@pytest.mark.parametrize("width", [50, 80, 120, 200])
@pytest.mark.parametrize("more", [(), ("focal", "asymmetric", "class_balanced", "weighted/ours")])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(width: int, more: tuple[str, ...]):
    text = printed(width, metrics(*more))
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for cell in cells(metrics(*more)):
        assert re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", text), cell


@pytest.mark.parametrize(("width", "parts"), [(50, (3, 4)), (80, (1, 2)), (120, (1, 1))])
def test_there_are_as_few_parts_as_fit(width: int, parts: tuple[int, int]):
    text = printed(width, metrics())
    scores, differences = text.split("Differences")
    assert (scores.count("────\n"), differences.count("────\n")) == parts
    assert scores.count("ours") == parts[0]  # its names stand in each


def test_an_interval_stays_in_one_line_where_there_is_room_for_it():
    head, rows = headline.differences(metrics())
    for width in (80, 200):
        assert rows[0][1] in printed(width, metrics())
    assert head[1] in printed(80, metrics())


def test_a_file_has_every_table_in_one_piece_without_colours_and_spaces_at_the_end():
    text = printed(10_000, metrics("focal", "asymmetric"), force_terminal=False)
    assert text.count("────\n") == 2
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_run_without_baselines_has_no_table_of_differences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    alone = metrics() | {"baselines": {}}
    monkeypatch.setattr(headline, "read", lambda: alone)
    terminal._summarise(Console(), stage_states=[], seconds=1.0)
    out = capsys.readouterr().out
    assert "0.1" in out
    assert "Paired" not in out


def test_names_of_data_are_no_markup(capsys: pytest.CaptureFixture[str]):
    tables.show(Console(), "[red]x[/red]", (["a", "b"], [["[bold]n", "1"]]))
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "[bold]n" in out
