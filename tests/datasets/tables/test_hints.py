"""What numeric columns may be instead is said, whatever the format and wherever blocks end."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.datasets.tables import hints, kinds
from pipeline.datasets.tables.formats import text as text_format
from pipeline.datasets.tables.kinds import Summary

ROWS = 400
SHUFFLED = [(row * 7) % ROWS for row in range(ROWS)]


def hint(name: str, values: Sequence[float | None], path: Path) -> str:
    if path.suffix == ".parquet":
        parquet.write_table(pa.table({name: values, "-": values}), path)
    else:
        cells = ["" if value is None else str(value) for value in values]
        path.write_text(f"{name},-\n" + "".join(f"{cell},\n" for cell in cells))
    return kinds.understand(path)[0].hint


@pytest.fixture(params=[".csv", ".parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(text_format, "_BYTES", 100)
    return tmp_path / f"x{request.param}"


@pytest.mark.parametrize("name", ["site_id", "ZIP", "Job Code", "vehicleType", "class"])
def test_few_whole_numbers_under_the_name_of_a_code_may_be_one(name: str, path: Path):
    assert hint(name, [row % 20 for row in range(ROWS)], path) == "code"
    assert hint(name, [row % 21 for row in range(ROWS)], path) == ""
    assert hint(name, [row % 20 for row in range(199)], path) == ""
    assert hint(name, [row % 20 + (row == 9) / 2 for row in range(ROWS)], path) == ""


@pytest.mark.parametrize("name", ["x", "valid", "grid", "codes per hour", "level"])
def test_few_whole_numbers_under_another_name_are_numbers(name: str, path: Path):
    assert hint(name, [row % 2 for row in range(ROWS)], path) == ""


def test_another_whole_number_in_each_row_may_be_an_id(path: Path, monkeypatch: pytest.MonkeyPatch):
    assert hint("n", SHUFFLED, path) == "id"
    assert hint("n", range(5, ROWS), path) == "id"
    assert hint("n", [*SHUFFLED, 0], path) == ""
    assert hint("n", [*SHUFFLED, None], path) == ""
    assert hint("n", [*SHUFFLED, 0.5], path) == ""
    assert hint("n", range(9), path) == ""
    monkeypatch.setattr(hints, "_KEPT", 50)  # numbers that rise need not be kept
    assert hint("n", range(ROWS), path) == "id"
    assert hint("n", [*range(ROWS), ROWS - 1], path) == ""


def test_hints_say_what_can_be_done():
    columns = [Summary(name, "numeric", hint="code") for name in ("a_id", "zip")]
    columns += [Summary("n", "numeric", hint="id"), Summary("k", "categorical", hint="code")]
    assert [*kinds.described(columns)][2:] == [
        "'a_id', 'zip': taken as numeric, with few whole numbers. If they are codes, --categorical "
        "a_id makes a category",
        "'n': taken as numeric, with another whole number in each row. --id n names examples by "
        "it, --ignored n sets it aside",
    ]


def test_what_looks_like_dates_is_said_with_what_can_be_done():
    columns = [Summary("seen on", "categorical", hint="date"), Summary("t", "text", hint="date")]
    assert [*kinds.described(columns)][2:] == [
        "'seen on', 't' look like dates, and are not read as such. Only ISO 8601 is, 2026-01-31: "
        "write it so in the file (in pandas, pd.to_datetime with format=, then "
        ".dt.strftime('%Y-%m-%d')), or --ignored 'seen on' sets it aside"
    ]
    (line,) = [*kinds.described(columns[1:])][1:]
    assert line.startswith("'t' looks like dates, and is not read as such. Only ISO 8601 is")


def test_what_is_no_word_is_shown_in_quotes_and_without_control_characters():
    columns = [
        Summary("\x1b[31m\nid", "numeric", hint="id"),
        Summary("a type", "numeric", hint="code"),
    ]
    _, code, row = kinds.described(columns)
    assert "--categorical 'a type' makes" in code
    assert row.endswith(
        r"--id '\x1b[31m\nid' names examples by it, --ignored '\x1b[31m\nid' sets it aside"
    )
