"""What columns are found to hold."""

import csv
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.datasets.tables import frames, kinds
from pipeline.datasets.tables.formats import text as text_format
from pipeline.datasets.tables.kinds import Summary
from pipeline.datasets.tables.problems import Problems
from pipeline.datasets.tables.values import MISSING
from pipeline.errors import DatasetError
from tests.datasets.tables.written import check_message, counted


def understood(path: Path, values: Sequence[Any]) -> Summary:
    """A column `c` of text."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["c"], *([one] for one in values)])
    (found,) = kinds.understand(path)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


READ_AS = "looks like dates"
DAYS = [f"1/{day}/2026" for day in range(1, 10)]
WORDS = ["red", "green", "blue"] * 4
CASES: dict[str, tuple[list[str], str, str]] = {
    "numbers": (["1", "-2.5", "1e3", "NA"], "numeric", ""),
    "zeros and ones are numbers": (["0", "1", "1"], "numeric", ""),
    "dates": (["2026-01-31", "2026-01-31T10:00:00+01:00", "?"], "date", ""),
    "truth values": (["yes", "No", "", "yes"], "boolean", ""),
    "true and false": (["TRUE", "FALSE"], "boolean", ""),
    "categories": (WORDS, "categorical", ""),
    "texts": (["a b c", "d e", "f"], "text", ""),
    "names of rows": (["a", "b", "c", "d"], "ignored", "tells apart (nearly) every row"),
    "too many names": (["a", "b", "c", "d", "d"], "ignored", "4 different values"),
    "nothing": (["", "NA", "?"], "ignored", "no value"),
    "a word among few numbers": (["1", "2", "x", "x"], "ignored", "3 different values"),
    "one row": (["a"], "categorical", ""),
    "decimal commas": (["1,5", "-2", "1,234", "3,0E+2", "?"], "numeric", "with decimal commas"),
    "clear commas are few": (["1,234"] * 19 + ["12,34"], "numeric", "with decimal commas"),
    "less than a thousand": (["0,123", "0,456"], "numeric", "with decimal commas"),
    "dates of Germany": (["31.01.2026", "1.2.2026"] * 9, "categorical", READ_AS),
    "other dates, which tell rows apart": (
        ["1/31/2026", "2/1/2026", "soon", *DAYS],
        "ignored",
        READ_AS,
    ),
    "times of Germany": (["31.01.2026 12:30", "1.2.2026 9:15"], "text", READ_AS),
    "the year first": (["2026/01/31", "2026/2/1"] * 9, "categorical", READ_AS),
    "no zeros before": (["2026-1-31", "2026-2-1"] * 9, "categorical", READ_AS),
    "years of two digits": (["31/01/26", "1/2/26"] * 9, "categorical", READ_AS),
    "months with names": (["31-Jan-2026", "1 feb. 26", "May 3rd, 2026"] * 9, "text", READ_AS),
    "months in German": (["12. Oktober 2024", "3. März 2024"] * 9, "text", READ_AS),
    "months of years": (["2024-03", "2024-11"] * 9, "categorical", READ_AS),
    "dates without a sign": (["20240312", "20231101", "?"], "numeric", READ_AS),
    "texts that begin with a date": (
        ["31.01.2026 came in by train", "1.2.2026: no news"],
        "text",
        "",
    ),
    "versions as long as dates": (["3.4.12", "3.4.13", "3.5.10"] * 9, "categorical", ""),
    "ratios": (["1/2/10", "1/3/12"] * 9, "categorical", ""),
    "no such day or month": (["32.01.2026", "13/13/2026", "2026/13/1"] * 9, "categorical", ""),
    "eight digits that are no dates": (["20240312", "20241312"], "numeric", ""),
    "eight digits of another year": (["20240312", "90240312"], "numeric", ""),
    "no dates, but versions": (["1.2.3", "1.10.0"] * 9, "categorical", ""),
    "lists of codes": (["1", "1,2", "1,2,3", "2,3"], "ignored", "tells apart (nearly) every row"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_column_is_found_to_be(case: str, path: Path):
    values, kind, why = CASES[case]
    found = understood(path, values)
    assert (found.kind, found.why) == (kind, why)
    assert found.rows == len(values)
    assert found.missing == sum(value in MISSING for value in values)


def test_the_least_and_the_greatest_number_are_known(path: Path):
    found = understood(path, ["3", "-2.5", "", "7"])
    assert (found.low, found.high, found.missing, found.distinct) == (-2.5, 7, 1, None)


def test_numbers_with_decimal_commas_have_ends(path: Path):
    found = understood(path, ["1,5", "-2,5", "", "7"])
    assert (found.low, found.high, found.missing) == (-2.5, 7, 1)


def test_different_values_are_counted(path: Path):
    assert understood(path, WORDS).distinct == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1"] * 4 + ["x"], "line 6: expected a number in column 'c', as 4 of 5 values are, found"),
        (["2026-01-01"] * 9 + ["soon"], "line 11: expected a date such as .* as 9 of 10 values"),
        (["1,5"] * 4 + ["x"], "line 6: expected a number with a decimal comma .* most are, found"),
        (
            ["7,17"] * 9 + ["7.1"],
            "line 11: .* decimal comma in column 'c', as most are, found '7.1'",
        ),
        (
            ["1", "2,5", "3", "4,5"] * 30 + ["-"],
            "line 122: .* decimal comma .* most are, found '-'",
        ),
        (["1"] * 60 + ["2,5"] * 40 + ["-"], "line 62: expected numbers with a .* found '2,5'"),
        (
            ["1"] * 9 + ["0,5"],
            r"line 11: .* half of them at least \(--numeric takes .* found '0,5'",
        ),
        (
            ["1,234"] * 99 + ["12,34"],
            "line 2: .* throughout, found '1,234', which may be a thousand",
        ),
        (["1,5", "2.5", "3,5"], "line 2: expected numbers with a decimal point .*, found '1,5'"),
        (["1,500", "2"], "line 2: .* throughout, found '1,500', which may be a thousand"),
        (["1,000,000", "2"], "line 2: .* found '1,000,000', which may be a thousand"),
        (["1.234,5", "2,5"], "line 2: .* found '1.234,5'$"),
        (["1", "2", "3,5"], "line 4: expected numbers with a decimal point .* found '3,5'"),
        (["1", "inf"], "line 3: expected a finite number in column 'c', found inf"),
        (["1", "1e999"], "line 3: expected a finite number in column 'c', found inf"),
    ],
)
def test_what_is_nearly_of_a_kind_is_refused_where_it_is_not(
    values: list[str], message: str, path: Path
):
    with pytest.raises(DatasetError, match=rf"x\.csv, {message}") as error:
        understood(path, values)
    check_message(path, error.value)


def test_all_broken_columns_are_looked_through_in_one_more_pass(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = [[str(row)] * 40 for row in range(20)] + [["x"] * 30 + ["inf"] * 10]
    path.write_text("\n".join(map(",".join, [[f"c{place}" for place in range(40)], *rows])) + "\n")
    passes = counted(frames, "blocks", monkeypatch)
    problems = Problems()
    found = kinds.understand(path, problems=problems)
    assert {column.kind for column in found} == {"ignored"}
    assert problems.count == 40
    assert len(passes) == 2


def test_doubtful_columns_are_named_until_there_are_enough(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    names = [f"c{place}" for place in range(60)]
    path.write_text("\n".join(map(";".join, [names, *[["1,234"] * 60] * 3])) + "\n")
    named = counted(kinds, "refuse", monkeypatch)
    problems = Problems()
    kinds.understand(path, problems=problems)
    assert problems.count == 60
    assert len(named) == 40


def test_kinds_are_decided_over_all_blocks(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text_format, "_BYTES", 50)
    assert understood(path, ["1"] * 50).kind == "numeric"
    assert understood(path, ["1"] * 50 + ["x"] * 50).kind == "categorical"
    with pytest.raises(DatasetError, match=r"line 62: .*as 99 of 100 values are, found 'x'"):
        understood(path, ["1"] * 60 + ["x"] + ["1"] * 39)
    dates = ["2026-01-01"] * 60 + ["soon"] + ["2026-01-01"] * 39
    with pytest.raises(DatasetError, match=r"line 62: .*as 99 of 100 values are, found 'soon'"):
        understood(path, dates)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array([True, None]), "boolean"),
        (pa.array([1, None]), "numeric"),
        (pa.array([1.5, float("nan")]), "numeric"),
        (pa.array([date(2026, 1, 31), None]), "date"),
        (pa.array([None, None]), "ignored"),
        (pa.array(["a", None, "a", "b"]).dictionary_encode(), "categorical"),
    ],
    ids=lambda one: str(one.type) if isinstance(one, pa.Array) else one,
)
def test_types_of_parquet_count(values: pa.Array, kind: str, tmp_path: Path):
    path = tmp_path / "x.parquet"
    parquet.write_table(pa.table({"c": values}), path)
    (found,) = kinds.understand(path)
    assert found.kind == kind
    assert found.missing == (2 if kind == "ignored" else 1)


def test_an_index_of_pandas_is_no_feature_unless_it_is_said(tmp_path: Path):
    path = tmp_path / "x.parquet"
    whole = pd.DataFrame({"c": [1, 2, 3, 4]})
    whole.to_parquet(path)  # whose index of numbers from 0 is no column
    assert [found.name for found in kinds.understand(path)] == ["c"]
    whole[whole["c"] != 3].to_parquet(path)
    _, index = kinds.understand(path)
    assert (index.name, index.kind, index.distinct) == ("__index_level_0__", "ignored", None)
    assert index.why == "an index of pandas; --id takes it"
    _, index = kinds.understand(path, {"__index_level_0__": "categorical"})
    assert index.kind == "categorical"


def test_what_may_surprise_is_not_cut_off():
    columns = [Summary(f"c{place}", "numeric") for place in range(7)]
    columns.append(Summary("d", "numeric", why="with decimal commas"))
    (line,) = kinds.described(columns)
    assert line == "8 numeric: 'd' (with decimal commas), 'c0', 'c1', 'c2', 'c3', … 3 more"


def test_columns_are_described_by_kind_and_long_lists_are_cut():
    columns = [Summary(f"c{place}", "numeric") for place in range(7)]
    columns += [Summary("x" * 100, "ignored", why="no value")]
    lines = [*kinds.described(columns)]
    assert lines[0] == "7 numeric: 'c0', 'c1', 'c2', 'c3', 'c4', … 2 more"
    assert lines[1].startswith("1 ignored: 'xxx")
    assert lines[1].endswith("… (no value)")
    assert len(lines) == 2


def test_what_the_user_has_said_is_not_doubted(path: Path):
    path.write_text("c,-\n" + "31.01.2026,\n1.2.2026,\n" * 9)
    for kind in ("text", "categorical", "ignored"):
        found = kinds.understand(path, {"c": kind})[0]
        assert (found.kind, found.why, found.hint) == (kind, "as you say", "")
