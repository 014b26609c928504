"""Tables of features: every format, beside independent readers, and any bytes at all."""

import csv
import io
import os
import tracemalloc
import zipfile
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pyarrow import parquet
from scipy import sparse

from pipeline.config.tables import Features
from pipeline.datasets.tables import (
    columns,
    delimited,
    frames,
    kinds,
    plain,
    remembered,
    strings,
)
from pipeline.datasets.tables.columns import Plan
from pipeline.datasets.tables.formats import arff, npz
from pipeline.datasets.tables.formats import text as text_format
from pipeline.errors import DatasetError
from tests.datasets.tables.written import check_message, counted

TEXT = [{"id": "e1", "x": "1.5", "y": "a"}, {"id": "e2", "x": "", "y": "b, c"}]


def rows(path: Path, wanted: Sequence[str] | None = None) -> list[dict[str, object]]:
    """All rows of all blocks, whose numbers must go on."""
    found: list[dict[str, object]] = []
    for block in frames.blocks(path, wanted):
        assert block.first == len(found) + 1
        found += block.table.to_pylist()
    return found


def refusal(path: Path, wanted: Sequence[str] | None = None) -> str:
    with pytest.raises(DatasetError) as error:
        rows(path, wanted)
    return check_message(path, error.value)


# formats


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".tab", ".txt", ".CSV"])
def test_text_stays_text(suffix: str, tmp_path: Path):
    path = tmp_path / f"x{suffix}"
    mark = "\t" if suffix.startswith(".ta") or suffix == ".tsv" else ","
    path.write_text(f'id{mark}x{mark}y\ne1{mark}1.5{mark}a\n\ne2{mark}{mark}"b, c"\n')
    assert frames.names(path) == ("id", "x", "y")
    assert rows(path) == TEXT
    assert rows(path, ["y", "id"]) == [{"y": row["y"], "id": row["id"]} for row in TEXT]


def test_parquet_keeps_its_types(tmp_path: Path):
    path = tmp_path / "x.parquet"
    table = pa.table({"id": ["e1", "e2"], "x": [1.5, None], "y": [True, False], "a.b": [1, 2]})
    parquet.write_table(table, path)
    assert frames.names(path) == ("id", "x", "y", "a.b")
    assert rows(path) == table.to_pylist()
    assert rows(path, ["a.b"]) == [{"a.b": 1}, {"a.b": 2}]


def test_arrays_are_columns_by_their_names(tmp_path: Path):
    path = tmp_path / "x.npz"
    matrix = np.array([[1.5, np.nan], [2.0, 3.0]])
    np.savez(path, features=matrix, ids=np.array(["e1", "e2"]), split=np.array([0, 1]))
    assert frames.names(path) == ("ids", "split", "features:0", "features:1")
    found = rows(path)
    assert found[1] == {"ids": "e2", "split": 1, "features:0": 2.0, "features:1": 3.0}
    assert np.isnan(found[0]["features:1"])  # pyright: ignore[reportArgumentType, reportCallIssue]
    np.savez(path, x=matrix, names=np.array(["a", "b"]))
    assert frames.names(path) == ("a", "b")


@pytest.mark.parametrize("kind", ["<f4", ">f8", "f2", "g", ">i4", "u1", "?", "<i8"])
def test_numbers_of_every_machine_are_read(kind: str, tmp_path: Path):
    path = tmp_path / "x.npz"
    matrix = np.array([[0, 1], [1, 0], [1, 1]]).astype(kind)
    np.savez(path, x=matrix, more=matrix[:, 0])
    found = pd.DataFrame(rows(path)).astype(float)
    expected = np.column_stack([matrix[:, 0], matrix]).astype(float)
    assert np.array_equal(found[["more", "x:0", "x:1"]].to_numpy(), expected)


@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_array, sparse.coo_array])
def test_sparse_arrays_are_read(make: type, tmp_path: Path):
    path = tmp_path / "x.npz"
    sparse.save_npz(path, make(np.array([[0.0, 2.0], [1.0, 0.0]])))
    assert rows(path) == [
        {"features:0": 0.0, "features:1": 2.0},
        {"features:0": 1.0, "features:1": 0.0},
    ]


def test_attributes_of_arff_are_columns(tmp_path: Path):
    path = tmp_path / "x.arff"
    path.write_text("@relation r\n@attribute 'a b' real\n@attribute c {x,y}\n@data\n1,x\n?,?\n")
    assert rows(path) == [{"a b": 1.0, "c": "x"}, {"a b": None, "c": None}]


def test_large_tables_come_in_blocks_whose_rows_go_on(tmp_path: Path):
    count = 2 * npz._ROWS + 5
    numbers = np.arange(count, dtype=np.float64)
    np.savez(tmp_path / "x.npz", x=numbers[:, None])
    parquet.write_table(pa.table({"x:0": numbers}), tmp_path / "x.parquet")
    for name in ("x.npz", "x.parquet"):
        assert [row["x:0"] for row in rows(tmp_path / name)] == numbers.tolist()
        assert len([*frames.blocks(tmp_path / name)]) == 3


def test_large_texts_come_in_blocks_whose_rows_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", 100)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "".join(f"{row},x\n" for row in range(200)))
    assert [row["a"] for row in rows(path)] == [str(row) for row in range(200)]
    assert len([*frames.blocks(path)]) > 5
    # A row that is longer than a block, in the middle.
    path.write_text("a,b\n" + "".join(f"{row},{'x' * (row == 100) * 500}\n" for row in range(200)))
    assert [row["a"] for row in rows(path)] == [str(row) for row in range(200)]
    path.write_text(path.read_text() + "200\n")
    assert refusal(path) == "FILE, line 202: expected 2 cells as in the header, found 1"


@pytest.mark.parametrize("tail", ["", '"x", "y"\n', " \n", "x\n"])
def test_memory_stays_bounded_whatever_stands_at_the_end(tail: str, tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + f"{'x' * 20},{'y' * 20}\n" * 200_000 + tail)
    tracemalloc.start()
    if tail == "x\n":
        with pytest.raises(DatasetError, match="line 200002: expected 2 cells"):
            deque(frames.blocks(path, ["a"]), maxlen=0)
    else:
        deque(frames.blocks(path, ["a"]), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    with pytest.raises(DatasetError, match="line 150001: expected 1, found 2"):
        frames.refuse(path, "1", "2", 150_000)
    peak = max(peak, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert peak < 6 << 20  # of a file of 8.4 MB, whose cells were 40 as Python's strings


def test_lines_of_many_rows_are_found_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(remembered, "_SETTLED", -1)
    passes = counted(delimited, "_rows", monkeypatch)
    path = tmp_path / "x.csv"
    path.write_text('\n"a",b\n1,2\n\n"3\n",4\n5,6\n7\n8,9\n')
    assert [delimited.line_of(path, row) for row in range(4)] == [3, 5, 7, None]
    assert len(passes) == 1


@pytest.mark.parametrize("suffix", [".npz", ".arff"])
def test_what_is_read_as_a_whole_is_read_once_until_it_changes(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path, other = tmp_path / f"x{suffix}", tmp_path / f"other{suffix}"
    reader = npz._read if suffix == ".npz" else arff._read
    read, opened = reader._read, []
    monkeypatch.setattr(reader, "_read", lambda path: (opened.append(path), read(path))[1])

    def write(path: Path, value: int) -> None:
        if suffix == ".npz":
            np.savez(path, x=np.array([[float(value)]]))
        else:
            path.write_text(f"@relation r\n@attribute x:0 real\n@data\n{value}\n")

    for value in (1, 2, 3):  # at once: the clock need not have gone on
        write(path, value)
        assert rows(path) == rows(path) == [{"x:0": value}]
    assert len(opened) == 3 * 4
    opened.clear()
    monkeypatch.setattr(remembered, "_SETTLED", -1)
    write(path, 4)
    write(other, 5)
    os.utime(path, ns=(1, 1))
    assert rows(path) == rows(path) == [{"x:0": 4}]
    assert rows(other) == [{"x:0": 5}]
    assert rows(path) == [{"x:0": 4}]
    assert opened == [path, other, path]
    write(path, 6)
    assert rows(path) == [{"x:0": 6}]
    opened.clear()
    monkeypatch.setattr(remembered, "_KEPT", 0)
    write(other, 7)
    os.utime(other, ns=(2, 2))
    assert rows(other) == rows(other) == [{"x:0": 7}]
    assert len(opened) == 4
    path.unlink()
    assert refusal(path) == "expected the file FILE, found none"


# refusals


def test_a_column_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    assert refusal(path, ["a", "c"]) == "FILE: expected columns 'c', found 'a', 'b'"


@pytest.mark.parametrize("name", ["", " "])
def test_a_column_without_a_name_is_refused_in_every_format(name: str, tmp_path: Path):
    parquet.write_table(pa.table({"a": [1], name: [2]}), tmp_path / "x.parquet")
    np.savez(tmp_path / "x.npz", x=np.ones((1, 2)), names=np.array(["a", name]))
    (tmp_path / "x.arff").write_text(f"@attribute a real\n@attribute '{name}' real\n@data\n1,2\n")
    for suffix in ("parquet", "npz", "arff"):
        assert "none for column 2" in refusal(tmp_path / f"x.{suffix}")


def test_a_name_twice_is_refused_in_every_format(tmp_path: Path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    parquet.write_table(table, tmp_path / "x.parquet")
    np.savez(tmp_path / "x.npz", x=np.ones((1, 2)), names=np.array(["a", "a"]))
    (tmp_path / "x.arff").write_text("@attribute a real\n@attribute a real\n@data\n1,2\n")
    for suffix in ("parquet", "npz", "arff"):
        message = refusal(tmp_path / f"x.{suffix}")
        assert message == "FILE: expected each column's name once, found 'a' again"


@pytest.mark.parametrize("name", ["x.xlsx", "x.ODS", "x.csv"])
def test_a_spreadsheet_is_refused_with_what_to_do(name: str, tmp_path: Path):
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04" + b"\0" * 99)
    assert "save it as CSV in UTF-8, or as Parquet" in refusal(path)


def test_quotes_that_hide_rows_are_refused(tmp_path: Path):
    """Arrow would take lines 3 to 5 for one row, and say nothing."""
    path = tmp_path / "x.csv"
    path.write_text('a,b\n1,x\n2,"x\n3,x\n4,"x\n5,x\n')
    assert refusal(path) == (
        "FILE, line 3: expected a delimiter behind a closing quote, and quotes in quotes doubled, "
        "found something else"
    )


def test_text_of_parquet_that_is_no_utf8_is_refused(tmp_path: Path):
    path = tmp_path / "x.parquet"
    damaged = pa.array([b"a", b"\xff"], pa.binary()).view(pa.string())
    parquet.write_table(pa.table({"a": damaged}), path)
    assert "expected a Parquet file, found" in refusal(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path):
    path = tmp_path / "x.npz"
    np.savez(path, x=np.ones((2, 2)))
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        assert archive.infolist()[0].flag_bits & 1 == 0
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.index(start) + (6 if start.endswith(b"\x04") else 8)
        content[place] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(path)


def test_links_within_the_folder_or_the_workspace_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for folder in ("cache", "raw", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "cache" / "x.csv").write_text("a\n1\n")
    link = tmp_path / "raw" / "x.csv"
    link.symlink_to(tmp_path / "cache" / "x.csv")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "found a link to" in refusal(link)
    monkeypatch.chdir(tmp_path)
    assert rows(link) == [{"a": "1"}]
    (tmp_path / "raw" / "y.csv").symlink_to("x.csv")
    assert rows(tmp_path / "raw" / "y.csv") == [{"a": "1"}]


# whatever is in the file


PIECES = st.sampled_from(
    [
        *("a", "b", "1", "2.5", ",", ";", "|", "\t", "\n", "\r\n", "\r", '"', '""', " ", "\ufeff"),
        *("é", "\0", "\x85", "\u2028", "'", "@data", "@attribute a real", "nan", "inf", "-", "?"),
        *("2026-01-31", "true", "1e999", "{", "}", "%", "\n\n", "NA"),
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map("".join)
CONTENT = st.binary(max_size=300) | TEXTS.map(str.encode)


@example('""\na')
@example("a\n \n")
@example("a,b\n1,2\n \n3,4\n")
@example('\n\na,b\n"1\n2",3\n')
@example("\ufeffa\r1\r")
@example("a b\n1 2\n\n")
@given(TEXTS)
def test_text_is_what_the_csv_module_reads(tmp_path_factory: pytest.TempPathFactory, text: str):
    path = tmp_path_factory.getbasetemp() / "same.csv"
    path.write_bytes(text.encode())
    try:
        table = strings.read(path)
    except DatasetError:
        with pytest.raises(DatasetError):
            rows(path)
        return
    found = rows(path)
    assert [*found[0]] == [*table.columns]
    for name, values in table.columns.items():
        assert [row[name] for row in found] == values


def test_quotes_behind_blanks_are_quotes_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_format, "_BYTES", 64)
    path, tail = tmp_path / "x.csv", '4, "forest, wet"\n'
    for rest in ("", tail, " \n", " \n" + tail):
        path.write_text("a,b\n" + '1, "forest"\n2, forest\n3,forest \n' * 50 + rest)
        found = {row["b"] for row in rows(path)}
        assert found == {"forest", *(["forest, wet"] if tail in rest else [])}
        assert found == set(strings.read(path).columns["b"])


@pytest.mark.parametrize("long", ["x" * 200_000, '"' + "x" * 200_000 + '"'])
def test_cells_may_be_long_but_not_without_end(
    long: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "x.csv"
    path.write_text(f"a,b\n1,{long}\n")
    most = csv.field_size_limit()
    assert rows(path) == [{"a": "1", "b": "x" * 200_000}]
    path.write_text('a,b\n1,"' + "x,y\n" * 1_500_000)
    assert "FILE, line 2: expected cells of at most 4,194,304 characters" in refusal(path)
    assert csv.field_size_limit() == most


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n3\n")
    monkeypatch.setattr(plain, "plain", lambda _: plain.Plain(0, True))
    assert "expected text that stays as it is while it is read, found CSV" in refusal(path)


@st.composite
def quoted(draw: st.DrawFn) -> str:
    """Rows of cells that are quoted where they need it or anyhow, and perhaps some damage."""
    width, end = draw(st.integers(1, 3)), draw(st.sampled_from(["\n", "\r\n"]))
    cell = st.text('a1,"\n \ré', max_size=4)
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), min_size=2, max_size=6))
    quoting = draw(st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=quoting, lineterminator=end)
    writer.writerow([f"{name}\n" * draw(st.booleans()) + name for name in "abc"[:width]])
    writer.writerows(rows)
    made = draw(st.sampled_from(["", "\ufeff"])) + stream.getvalue()
    place = draw(st.integers(0, 5 * len(made)))
    return made[:place] + draw(PIECES) * (place < len(made)) + made[place:]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a,b\n1,2\n", (7, True)),
        ("\ufeffa,b\r\n1,22\r\n3,4", (9, True)),
        ("a,b\n1,2\n\n3,4\n", (7, False)),
        ('a,b\n"1","2"\n', (11, True)),
        ('a,b\n"1, ""x""","\n"\n', (18, False)),
        ("a,b\n", None),  # no row
        ("\na,b\n1,2\n", None),
        ("a,b\n1,2\n \n", None),
        ("a,b\n1,2\n3\n", None),
        ("a,b\n1,2\r3,4\n", None),
        ('a,b\n1, "2"\n', None),
        ('a,b\n1,"2" \n', None),
        ('a,b\n1,x"2"\n', None),
        ('a,b\n1,"2\n3,4\n', None),
        ('a,b\n1,"2\n', None),
        ('a,b\r\n1,"2\r\n"\r\n', None),
        (f"a,b\n1,{'x' * (1 << 23)}\n", None),
    ],
    ids=lambda one: repr(one)[:20],
)
def test_what_can_be_read_in_one_way_only_is_known(
    content: str, expected: tuple[int, bool] | None, tmp_path: Path
):
    path = tmp_path / "x.csv"
    path.write_bytes(content.encode())
    assert plain.plain(path) == expected


@example("a,b\r\n1,2\r\n\r\n3,4", ".csv", 23)
@example("\ufeffab,cd\n1,2\n", ".csv", 27)
@example('"a\nb",c\n"1\r\n2","x""y"\n"",""\n', ".csv", 80)
@example('"a"\n""\n""""\n', ".csv", 80)
@example('a,b\n1,"x\r\ny"\n2,"z\r\nw"\n3,"v\r\nu"\n', ".csv", 18)  # which ends between them
@given(
    TEXTS | st.text("a1,\t \r\n\x85\xa0\x1c\ufeffé", max_size=60) | quoted(),
    st.sampled_from([".csv", ".tsv"]),
    st.integers(4, 80),
)
def test_the_quick_reader_reads_what_the_strict_one_reads(
    tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str, size: int
):
    path = tmp_path_factory.getbasetemp() / f"both{suffix}"
    path.write_bytes(text.encode())

    def read() -> list[dict[str, object]] | str:
        try:
            return rows(path)
        except DatasetError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_format, "_BYTES", size)
        patch.setattr(plain, "_AT_ONCE", 1 + size // 4)
        patch.setattr(delimited, "_BLOCK", size)
        either = read()
        patch.setattr(plain, "plain", lambda _: None)
        assert either == read()


def every_step(path: Path) -> None:
    """What `rarenode init` and a run do with features."""
    found = kinds.understand(path)
    assert all(column.rows == found[0].rows > 0 for column in found)
    names = frames.names(path)
    assert [column.name for column in found] == [*names]
    lists: dict[str, list[str]] = {}
    for column in found:
        if column.kind != "numeric":
            lists.setdefault(column.kind, []).append(column.name)
    options = Features.model_validate({"path": "-", "sha256": "0" * 64, **lists})
    frame = columns.read(path, Plan.of(names, options, path))
    assert len(frame) == found[0].rows
    numbers = frame.select_dtypes("float32").to_numpy()
    assert not np.isinf(numbers).any()


def read_or_refused(path: Path) -> bool:
    try:
        every_step(path)
    except DatasetError as error:
        check_message(path, error)
        return False
    return True


@example(".npz", b"")
@example(".csv", b"a,b\n1,2\n3,inf\n")
@example(".csv", b"\n a")
@given(st.sampled_from(frames.SUFFIXES), CONTENT)
def test_any_bytes_are_features_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, content: bytes
):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    read_or_refused(path)


def good(suffix: str) -> bytes:
    """A sound table."""
    made = io.BytesIO()
    if suffix == ".parquet":
        table = pa.table({"a": ["x", "y", "x"] * 2, "b": range(6), "c": [True, None, False] * 2})
        parquet.write_table(table, made)
    elif suffix == ".npz":
        np.savez(made, x=np.arange(6.0).reshape(3, 2), i=np.array(["a", "b", "c"]))
    elif suffix == ".arff":
        made.write(
            b"@relation r\n@attribute a real\n@attribute 'b c' {x, 'y z'}\n@data\n1,x\n?,?\n"
        )
    else:
        made.write(b'a,b,c\n1,2026-01-31,"x ""y"""\n2.5,2026-02-01T10:00:00Z,\n,NA,yes\n')
    return made.getvalue()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz", ".arff"])
def test_the_tables_that_are_damaged_below_are_sound(suffix: str, tmp_path: Path):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(good(suffix))
    assert read_or_refused(path)


@given(
    st.sampled_from([".csv", ".parquet", ".npz", ".arff"]),
    st.integers(0, 3000),
    st.integers(0, 8),
    st.binary(max_size=6) | PIECES.map(str.encode),
)
def test_damaged_tables_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, start: int, length: int, put: bytes
):
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    content = good(suffix)
    start %= len(content)
    path.write_bytes(content[:start] + put + content[start + length :])
    read_or_refused(path)


@given(st.integers(0, 2000))
def test_truncated_archives_are_refused(tmp_path_factory: pytest.TempPathFactory, most: int):
    for suffix in (".parquet", ".npz"):
        path = tmp_path_factory.getbasetemp() / f"cut{suffix}"
        content = good(suffix)
        assume(most < len(content))
        path.write_bytes(content[:most])
        assert not read_or_refused(path)


KINDS = st.sampled_from(
    [
        *(pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.bool_(), pa.date32(), pa.date64()),
        *(pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "Europe/Berlin"), pa.string()),
        *(pa.large_string(), pa.binary(), pa.null(), pa.duration("s"), pa.time32("s")),
        *(pa.decimal128(10, 2), pa.list_(pa.int8()), pa.struct([("a", pa.int8())])),
        *(pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int8(), pa.int64())),
        pa.string_view(),
    ]
)


@given(
    st.lists(KINDS, min_size=1, max_size=3), st.booleans(), st.sampled_from(get_args(kinds.Kind))
)
def test_any_types_of_parquet_are_features_or_refused(
    tmp_path_factory: pytest.TempPathFactory, types: list[pa.DataType], null: bool, kind: str
):
    path = tmp_path_factory.getbasetemp() / "types.parquet"
    arrays = []
    for one in types:
        values = pa.nulls(3, one)
        if not null and not pa.types.is_nested(one) and not pa.types.is_null(one):
            plain = one.value_type if pa.types.is_dictionary(one) else one
            given_as = b"1" if pa.types.is_binary(one) else "1"
            try:
                values = pa.array([given_as] * 3).cast(plain)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                values = pa.array([1] * 3, pa.int64()).view(pa.int64())
            if pa.types.is_dictionary(one):
                values = values.dictionary_encode()
        arrays.append(values)
    names = [f"c{place}" for place in range(len(types))]
    parquet.write_table(pa.Table.from_arrays(arrays, names), path)
    read_or_refused(path)
    # What is said of the columns need not be what they are.
    lists: dict[str, object] = {} if kind == "numeric" else {kind: names}
    if kind == "image":  # there is one column of them at most
        lists = {kind: names[0]}
    options = Features.model_validate({"path": "-", "sha256": "0" * 64, **lists})
    try:
        columns.read(path, Plan.of(names, options, path))
    except DatasetError as error:
        check_message(path, error)
