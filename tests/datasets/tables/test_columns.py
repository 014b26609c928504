"""What columns of each kind become, worked out by hand, in text and in Parquet alike."""

import csv
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.config.tables import Features
from pipeline.datasets.tables import columns, frames, remembered
from pipeline.datasets.tables.columns import Column, Plan
from pipeline.datasets.tables.formats import text as text_format
from pipeline.errors import DatasetError
from tests.datasets.tables.written import check_message, counted

FILE = {"path": "-", "sha256": "0" * 64}
NAN = float("nan")


def plan(names: Sequence[str], **lists: Any) -> Plan:
    return Plan.of(names, Features.model_validate(FILE | lists), Path("x.csv"))


def read(path: Path, kind: str, values: Sequence[Any]) -> pd.DataFrame:
    """The frame of a table with one column `c`."""
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, quoting=csv.QUOTE_ALL).writerows([["c"], *([one] for one in values)])
    else:
        typed = isinstance(values, pa.Array)
        parquet.write_table(pa.table({"c": values if typed else pa.array(values)}), path)
    return columns.read(path, plan(["c"], **({kind: ["c"]} if kind != "numeric" else {})))


def refusal(path: Path, kind: str, values: Sequence[Any]) -> str:
    with pytest.raises(DatasetError) as error:
        read(path, kind, values)
    return check_message(path, error.value)


@pytest.fixture(params=[".csv", ".parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Of text, in either format."""
    return tmp_path / f"x{request.param}"


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    return tmp_path / "x.parquet"


MISSING = ("", " ", "NA", "N/A", "nan", "NaN", "NULL", "null", "None", "?", "#N/A")


# numbers


def test_numbers_are_float32_and_missing_ones_nan(path: Path):
    texts = ["1", "+2.5e1", "-.5", "7.", " 3 ", "1E-3", *MISSING]
    found = read(path, "numeric", texts)["c"]
    assert found.dtype == np.float32
    expected = [1, 25, -0.5, 7, 3, 0.001, *[NAN] * len(MISSING)]
    assert np.array_equal(found, np.float32(expected), equal_nan=True)


@pytest.mark.parametrize("word", ["one", "1,5", "1_000", "0x10", "12 kg", "१", "1e", "--1", "."])
def test_a_word_is_no_number(word: str, path: Path):
    place = "line 3" if path.suffix == ".csv" else "row 2"
    expected = f"FILE, {place}: expected a number in column 'c', found {word!r}"
    assert refusal(path, "numeric", ["1", word, "x"]) == expected


def test_decimal_commas_are_read_where_a_file_has_them_throughout(
    path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", 40)
    texts = ["1,25", "-2", "NA", "1,234", "5E-1", *["3"] * 50, "1,5E+2"]
    found = read(path, "numeric", texts)["c"]
    expected = [1.25, -2, NAN, 1.234, 0.5, *[3] * 50, 150]
    assert np.array_equal(found, np.float32(expected), equal_nan=True)
    # A file with another notation, or with thousands perhaps, is not read as if it were the same.
    assert "expected a number in column 'c', found '1,5'" in refusal(
        path, "numeric", ["2.5", *["3"] * 50, "1,5"]
    )
    assert "expected a number in column 'c', found '1,234'" in refusal(
        path, "numeric", ["5", "1,234"]
    )


@pytest.mark.parametrize("word", ["sauer", "7.1", "1.234,5"])
@pytest.mark.parametrize("size", [40, 1 << 22])
def test_what_is_no_number_with_a_comma_among_those_that_are_is_named(
    word: str, size: int, path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", size)
    place = "line 32" if path.suffix == ".csv" else "row 31"
    expected = f"FILE, {place}: expected a number with a decimal comma in column 'c', as most are, "
    assert refusal(path, "numeric", ["7,17"] * 30 + [word] + ["7,2"] * 30) == (
        f"{expected}found {word!r}"
    )


def test_a_decimal_point_where_no_comma_is_near_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", 40)
    path = tmp_path / "x.csv"
    message = refusal(path, "numeric", ["7,17"] * 9 + ["7.10"] * 5 + ["7,17"] * 30)
    assert [block.table["c"].to_pylist() for block in frames.blocks(path)][2] == ["7.10"] * 5
    assert message.startswith("FILE, line 11: expected a number with a decimal comma in column")
    assert message.endswith("as most are, found '7.10'")


def test_a_number_with_a_comma_that_does_not_tell_is_said_to_be_one(path: Path):
    assert refusal(path, "numeric", ["1,234"] * 9).endswith(
        "expected a number in column 'c', found '1,234', which may be a thousand (commas must be "
        "decimal ones throughout, as in 1,5)"
    )
    # One cell that was mistyped does not make decimals of thousands.
    assert "found '1,234', which may be a thousand" in refusal(
        path, "numeric", ["1,234"] * 99 + ["12,34"]
    )


@pytest.mark.parametrize("settled", [-1, remembered._SETTLED])
def test_one_more_pass_tells_the_commas_of_all_columns_and_blocks(
    settled: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(remembered, "_SETTLED", settled)
    monkeypatch.setattr(text_format, "_BYTES", 2000)
    names, path = [f"c{place}" for place in range(120)], tmp_path / "x.csv"
    passes = counted(frames, "blocks", monkeypatch)
    for value in ("1,5", "2,5"):  # at once: the clock need not have gone on
        path.write_text("\n".join(map(";".join, [names, *[[value] * 120] * 20])) + "\n")
        passes.clear()
        found = columns.read(path, plan(names))
        assert (found == float(value.replace(",", "."))).all(axis=None)
        assert len(passes) == 2
    path.write_text(path.read_text().replace(",", "."))
    assert (columns.read(path, plan(names)) == 2.5).all(axis=None)


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e39", "-1e400"])
def test_numbers_beyond_float32_are_refused(word: str, path: Path):
    assert "expected a number" in refusal(path, "numeric", ["1", word])


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 3], pa.int8()),
        pa.array([1, None, 3], pa.uint64()),
        pa.array([1, NAN, 3], pa.float32()),
        pa.array(np.array([1, NAN, 3], np.float16)),
        pa.array([1, None, 3], pa.int64()).cast(pa.decimal128(22, 3)),
    ],
    ids=lambda values: str(values.type),
)
def test_typed_numbers_are_the_same(values: pa.Array, typed: Path):
    found = read(typed, "numeric", values)["c"]
    assert np.array_equal(found, np.float32([1, NAN, 3]), equal_nan=True)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_those_that_numpy_reads(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
):
    path = tmp_path_factory.getbasetemp() / "numbers.csv"
    texts = [repr(value) for value in values]
    found = read(path, "numeric", texts)["c"]
    assert np.array_equal(found, np.array(texts, np.float64).astype(np.float32))


# truth values


def test_truth_values_are_one_and_zero(path: Path):
    texts = ["true", "Yes", "T", "y", "1", "FALSE", "no", "f", "N", "0", "", "?"]
    found = read(path, "boolean", texts)["c"]
    expected = np.float32([1] * 5 + [0] * 5 + [NAN] * 2)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False, None]),
        pa.array([1, 0, None], pa.int8()),
        pa.array([1.0, 0.0, NAN]),
    ],
    ids=lambda values: str(values.type),
)
def test_typed_truth_values_are_the_same(values: pa.Array, typed: Path):
    found = read(typed, "boolean", values)["c"]
    assert np.array_equal(found, np.float32([1, 0, NAN]), equal_nan=True)


def test_neither_true_nor_false_is_refused(path: Path, typed: Path):
    assert "expected true or false in column 'c', found '2'" in refusal(path, "boolean", ["1", "2"])
    message = refusal(typed, "boolean", pa.array([1, 7]))
    assert message == "FILE, row 2: expected true or false in column 'c', found '7'"


# dates

DATES = {
    "1970-01-01": 0.0,
    "1970-01-02": 1.0,
    "1969-12-31": -1.0,
    "1970-01-01T12:00": 0.5,
    "1970-01-01 06:00:00": 0.25,
    "1970-01-01T12:00:00.000000000": 0.5,
    "1970-01-01T12:00:00Z": 0.5,
    "1970-01-01T12:00:00+05:00": 0.5,  # the clock's time: noon is noon
    "1970-01-01T12:00:00-1130": 0.5,
    "2000-02-29": 11016.0,
    "9999-12-31": 2932896.0,
    "0001-01-01": -719162.0,
}


def test_dates_are_days_since_1970_and_the_place_in_the_year(path: Path):
    found = read(path, "date", [*DATES, "", "NA"])
    assert list(found) == ["c: days", "c: year, sine", "c: year, cosine"]
    days = np.array([*DATES.values(), NAN, NAN])
    assert np.array_equal(found["c: days"], days.astype(np.float32), equal_nan=True)
    angle = 2 * np.pi * days / 365.2425
    assert np.allclose(found["c: year, sine"], np.sin(angle), atol=1e-6, equal_nan=True)
    assert np.allclose(found["c: year, cosine"], np.cos(angle), atol=1e-6, equal_nan=True)
    assert (found.dtypes == np.float32).all()


@given(st.datetimes(), st.sampled_from(["", "Z", "+02:00", "-0830"]))
def test_dates_are_those_that_python_reads(
    tmp_path_factory: pytest.TempPathFactory, moment: datetime, zone: str
):
    path = tmp_path_factory.getbasetemp() / "dates.csv"
    found = read(path, "date", [moment.isoformat() + zone])
    days = (moment - datetime(1970, 1, 1)) / timedelta(days=1)
    assert found["c: days"][0] == np.float32(days)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([date(2026, 1, 31), None]),
        pa.array([date(2026, 1, 31), None]).cast(pa.date64()),
        *(
            pa.array([datetime(2026, 1, 31), None], pa.timestamp(unit))
            for unit in ("s", "ms", "us", "ns")
        ),
        pa.array(
            [datetime(2026, 1, 31, tzinfo=timezone(timedelta(hours=1))), None],
            pa.timestamp("us", "Europe/Berlin"),
        ),
        pa.array([datetime(2026, 1, 31, tzinfo=UTC), None], pa.timestamp("ns", "UTC")),
    ],
    ids=lambda values: str(values.type),
)
def test_typed_dates_are_the_same_as_the_clock_has_them(values: pa.Array, typed: Path):
    found = read(typed, "date", values)["c: days"]
    assert np.array_equal(found, np.float32([20484, NAN]), equal_nan=True)


def test_dates_beyond_the_reach_of_nanoseconds_are_right(typed: Path):
    values = pa.array([date(9999, 12, 31), date(1, 1, 1)])
    assert read(typed, "date", values)["c: days"].tolist() == [2932896.0, -719162.0]
    message = refusal(typed, "date", pa.array([10**14], pa.timestamp("s")))
    assert message == "FILE: expected dates in column 'c', found timestamp[ms]"


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1990, 2019], pa.int64()),
        pa.array([20260131], pa.int32()),
        pa.array([1.7e9]),
        pa.array([1], pa.time64("us")),
        pa.array([1], pa.duration("s")),
        pa.array([True]),
    ],
    ids=lambda values: str(values.type),
)
def test_numbers_are_no_dates_and_the_type_is_named(values: pa.Array, typed: Path):
    assert refusal(typed, "date", values) == (
        "FILE: expected dates in column 'c', or text such as 2026-01-31, found the type "
        f"{values.type}"
    )


def test_dates_of_which_none_is_known_are_missing(typed: Path):
    assert read(typed, "date", pa.nulls(2)).isna().all(axis=None)


@pytest.mark.parametrize(
    "word", ["31.01.2026", "2026-13-01", "2026-02-29", "2026-1-31", "20260131", "2026-01-31T25:00"]
)
def test_what_is_no_date_is_refused(word: str, path: Path):
    found = refusal(path, "date", ["2026-01-31", word])
    assert f"expected a date such as 2026-01-31 in column 'c', found {word!r}" in found


# moments


@pytest.mark.parametrize(
    ("blocks", "kind"),
    [
        ([["1", "2"], ["3", ""]], "numeric"),
        ([["", "NA"], ["2026-01-31"]], "date"),
        ([["1", "x"], ["2026-01-31", "y"]], "date"),
        ([[""]], "numeric"),
        ([[date(2026, 1, 31)]], "date"),
        ([[20260131]], "numeric"),
        ([["31.01.2026 12:00", "1.2.2026"]], "date"),  # which it is said how to write
        ([["1.2.3"]], "numeric"),
    ],
)
def test_one_date_makes_a_column_one_of_dates(blocks: list[list[Any]], kind: str):
    assert columns.temporal(pa.chunked_array([block]) for block in blocks) == kind


@pytest.mark.parametrize("values", [[20260101.0, 20260102.0], [1.7e9, 1.7e9 + 1e-6]])
def test_moments_that_float32_would_tie_stay_apart(values: list[float]):
    column, path = Column("c", "numeric"), Path("x.parquet")
    assert columns.moments(pa.chunked_array([values]), column, 1, path).tolist() == values
    texts = pa.chunked_array([[repr(value) for value in values]])
    assert columns.moments(texts, column, 1, path).tolist() == values


# words


@pytest.mark.parametrize("kind", ["categorical", "text"])
def test_words_stay_text_and_missing_ones_are_empty(kind: str, path: Path):
    texts = [" a b ", "007", "true", "<i>ü</i>", "x\ny", *MISSING]
    found = read(path, kind, texts)["c"]
    assert found.tolist() == ["a b", "007", "true", "<i>ü</i>", "x\ny", *[""] * len(MISSING)]


def test_typed_values_can_be_categories(typed: Path):
    assert read(typed, "categorical", pa.array([1, None, 3]))["c"].tolist() == ["1", "", "3"]
    assert read(typed, "categorical", pa.array([True, False]))["c"].tolist() == ["true", "false"]
    coded = pa.array(["a", "b", None]).dictionary_encode()
    assert read(typed, "categorical", coded)["c"].tolist() == ["a", "b", ""]
    message = refusal(typed, "categorical", pa.array([[1], [2]]))
    assert message.startswith("FILE: expected text or numbers in column 'c', found list<")


@pytest.mark.parametrize("kind", ["numeric", "boolean", "date"])
def test_types_of_another_kind_are_refused(kind: str, typed: Path):
    other = pa.array([date(2026, 1, 31)]) if kind != "date" else pa.array([[1]])
    assert "FILE: expected " in refusal(typed, kind, other)


# plans


def test_a_plan_keeps_the_tables_order_and_what_is_no_feature_apart():
    found = plan(["i", "a", "g", "b", "s", "x"], id="i", group="g", split="s", ignored=["x"])
    assert found.names == ("a", "b")
    assert [column.kind for column in found.columns] == ["numeric", "numeric"]
    assert found.others == ("i", "g", "s", "x")
    assert found.id == "i"


@pytest.mark.parametrize(
    ("names", "lists", "message"),
    [
        (["a"], {"text": ["t"]}, r"x\.csv: expected columns 't', as params\.yaml says, found"),
        (["i"], {"id": "i"}, r"expected a column that is a feature, found none beside 'i'"),
        (["d", "d: days"], {"date": ["d"]}, r"names than those that dates get, .* 'd: days'"),
    ],
)
def test_plans_that_fit_no_table_are_refused(names: list[str], lists: dict[str, Any], message: str):
    with pytest.raises(DatasetError, match=message):
        plan(names, **lists)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a"], "expected the columns 'b', which the model learnt from, found none of these"),
        (["a", "B"], "expected the columns 'b', which the model learnt from, found 'B' instead"),
        (["a", "b", "c", "x"], r"columns that the model knows .*, found 'c'"),
    ],
)
def test_tables_of_other_columns_are_refused(names: list[str], message: str):
    known = plan(["a", "b", "x"], ignored=["x"])
    known.check(["b", "a"], Path("x.csv"))
    assert known.check(["b", "a", "x"], Path("x.csv")) == ([], [])
    known.check(["b", "a", "__index_level_0__"], Path("x.csv"))  # pandas' own
    options: dict[str, Any] = {"needless": {"b"}, "ignore_unknown": True}
    assert known.check(["c", "a"], Path("x.csv"), **options) == (["b"], ["c"])
    with pytest.raises(DatasetError, match="expected the columns 'a', which"):
        known.check(["c"], Path("x.csv"), **options)
    with pytest.raises(DatasetError, match=message):
        known.check(names, Path("x.csv"))
