"""Tables of text: good ones, malformed ones, and any bytes at all."""

import csv
import io
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.tables import delimited, plain, strings
from pipeline.errors import DatasetError
from tests.datasets.tables.written import check_message


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def refusal(path: Path, columns: list[str] | None = None) -> str:
    with pytest.raises(DatasetError) as error:
        strings.read(path, columns)
    return check_message(path, error.value)


def test_ids_stay_what_they_are(path: Path):
    path.write_text("id,node\nNA,null\n007,1e5\n nan ,\n1.0,True\n")
    table = strings.read(path)
    assert table.columns == {
        "id": ["NA", "007", "nan", "1.0"],
        "node": ["null", "1e5", "", "True"],
    }
    assert table.rows == 4
    assert table.path == path


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_header_tells_the_delimiter(delimiter: str, newline: str, mark: str, path: Path):
    text = f'"a,;|b"{delimiter}c{newline}"1 ""x"""{delimiter} "2{delimiter}3"{newline}'
    path.write_bytes((mark + text).encode())
    table = strings.read(path)
    assert table.columns == {"a,;|b": ['1 "x"'], "c": [f"2{delimiter}3"]}
    assert table.place(0) == "line 2"


@pytest.mark.parametrize("suffix", [".tsv", ".tab", ".TSV"])
def test_tsv_always_has_tabs(suffix: str, path: Path):
    path = path.with_suffix(suffix)
    path.write_text("a,b,c\td\n1,2,3\t4\n")
    assert strings.read(path).columns == {"a,b,c": ["1,2,3"], "d": ["4"]}


def test_places_are_lines_although_rows_span_lines_and_lines_are_blank(path: Path):
    path.write_text('\n a,b\n1,2\n\n"3\n\n4",5\n6,7\n  \n8,"9\n"\n10,11')
    table = strings.read(path)
    assert table.columns == {"a": ["1", "3\n\n4", "6", "8", "10"], "b": ["2", "5", "7", "9", "11"]}
    assert [table.place(row) for row in range(5)] == [f"line {n}" for n in (3, 5, 8, 10, 12)]


def test_some_columns_are_read_in_the_order_asked_for(path: Path):
    path.write_text("a,b,c\n1,2,3\n")
    assert list(strings.read(path, ["c", "a"]).columns.items()) == [("c", ["3"]), ("a", ["1"])]
    assert strings.header(path) == ("a", "b", "c")


def test_cell_of_a_single_column_may_be_empty(path: Path):
    path.write_text('a\n1\n""\n\n2\n')
    table = strings.read(path)
    assert table.columns == {"a": ["1", "", "2"]}
    assert table.place(2) == "line 5"


def test_breaks_that_python_knows_and_text_does_not_stay_in_cells(path: Path):
    path.write_text("a,b\nx\x85y,1\x1c2\u20283\x0c4\n", newline="")
    assert strings.read(path).columns == {"a": ["x\x85y"], "b": ["1\x1c2\u20283\x0c4"]}


def test_refusal_names_the_line_and_cuts_what_is_long(path: Path):
    path.write_text("a\n1\n2\n")
    with pytest.raises(DatasetError) as error:
        strings.read(path).refuse(1, "less", "x" * 100_000)
    assert str(error.value) == f"{path}, line 3: expected less, found {'x' * 60}…"


@pytest.mark.parametrize("large", [0, 1 << 30], ids=["Arrow", "Python"])
def test_texts_of_a_long_table_are_kept_once(
    large: int, path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(strings, "_LARGE", large)
    monkeypatch.setattr(plain, "_LONGEST", 1 << 20)
    ids, nodes = zip(*((f"example {n}", f"node {n % 7}") for n in range(140_000)), strict=True)
    path.write_text("id,node\n" + "".join(map("{},{}\n".format, ids, nodes)))
    table = strings.read(path)
    assert table.columns == {"id": list(ids), "node": list(nodes)}
    assert len(set(map(id, table.columns["node"]))) == 7
    monkeypatch.setattr(delimited, "SHARED", 5)  # now they are forgotten from time to time
    table = strings.read(path)
    assert table.columns == {"id": list(ids), "node": list(nodes)}
    assert len(set(map(id, table.columns["node"]))) == 3 * 7
    assert table.place(139_999) == "line 140001"


HEAD = b"child,parent\n"
MALFORMED: dict[str, tuple[str, bytes, str]] = {
    "empty": (".csv", b"", "FILE, line 1: expected content, found an empty file"),
    "blank": (".csv", b" \n\n\t\r\n", "FILE, line 1: expected a header, found nothing but blanks"),
    "only a mark": (".csv", b"\xef\xbb\xbf", "FILE, line 1: expected a header, found nothing but"),
    "no rows": (".csv", HEAD, "FILE, content: expected rows below the header, found none"),
    "UTF-16": (
        ".csv",
        "child,parent\na,b\n".encode("utf-16"),
        "FILE, line 1: expected text in UTF-8, found UTF-16 (`iconv -f utf-16 -t utf-8 FILE > NEW`",
    ),
    "UTF-16 without mark": (
        ".csv",
        "child,parent\na,b\n".encode("utf-16-le"),
        "FILE, line 1: expected text in UTF-8, found a NUL byte",
    ),
    "latin-1": (
        ".csv",
        HEAD + b"a,b\n" * 10_000 + b"caf\xe9,b\nc,\xe9\n",
        "FILE, line 10002: expected text in UTF-8, found the byte 0xE9 (if the file is in cp1252, "
        "as Windows and Excel write text, `iconv -f cp1252 -t utf-8 FILE > NEW` converts it)",
    ),
    "damaged UTF-8": (
        ".csv",
        HEAD + "é,b\n".encode() + b"caf\xe9,b\n",
        "FILE, line 3: expected text in UTF-8, found the byte 0xE9\n",
    ),
    "no cp1252": (
        ".csv",
        HEAD + b"caf\x8e,\x8f\n",
        "FILE, line 2: expected text in UTF-8, found the byte 0x8E\n",
    ),
    "latin-1 in quotes": (
        ".csv",
        HEAD + b'a,"b\nb"\na,"\xff\nb"\n',
        "FILE, line 4: expected text in UTF-8, found the byte 0xFF",
    ),
    "cut within a character": (
        ".csv",
        HEAD + "a,é".encode()[:-1],
        "FILE, line 2: expected text in UTF-8, found the byte 0xC3",
    ),
    "surrogate": (
        ".csv",
        HEAD + b"a,\xed\xa0\x80\n",
        "FILE, line 2: expected text in UTF-8, found the byte 0xED",
    ),
    "NUL": (".csv", HEAD + b"a,b\nc,\0\n", "FILE, line 3: expected text in UTF-8, found a NUL"),
    "Excel": (".csv", b"PK\x03\x04rest", "expected text in UTF-8, found a ZIP archive, such as an"),
    "gzip": (".csv", b"\x1f\x8b\x08rest", "expected text in UTF-8, found a gzip archive"),
    "picture": (".txt", b"\x89PNG\r\n\x1a\n\0", "line 1: expected text in UTF-8, found the byte"),
    "too few": (
        ".csv",
        HEAD + b"a,b\n\nc\n",
        "FILE, line 4: expected 2 cells as in the header, found 1",
    ),
    "too many": (
        ".csv",
        HEAD + b'"a\n",b\nc,d,e\n',
        "FILE, line 4: expected 2 cells as in the header, found 3",
    ),
    "too many by a comma": (
        ".csv",
        HEAD + b"a,b,\n",
        "FILE, line 2: expected 2 cells as in the header, found 3",
    ),
    "unclosed": (
        ".csv",
        HEAD + b'a,b\nc,"d\n' + b"e,f\n" * 9,
        "FILE, line 3: expected a closing quote, found the end of the file",
    ),
    "unclosed and long": (
        ".csv",
        HEAD + b'a,b\nc,"d\n' + b"e,f\n" * 1_100_000,
        "FILE, line 3: expected cells of at most 4,194,304 characters, found a longer one: perhaps",
    ),
    "unclosed header": (
        ".csv",
        b'child,"parent\na,b\n',
        "FILE, line 1: expected a closing quote, found the end of the file",
    ),
    "behind a quote": (
        ".csv",
        HEAD + b'a,b\n"c" d,e\n',
        "FILE, line 3: expected a delimiter behind a closing quote, and quotes in quotes doubled",
    ),
    "same name": (".csv", b"a,b, a\n1,2,3\n", "FILE, header: expected a name for each column, fo"),
    "no name": (
        ".csv",
        b",child,parent\n0,a,b\n",
        "FILE, header: expected a name for each column, found none for column 1 of 3",
    ),
    "other suffix": (
        ".xlsx",
        b"PK",
        "FILE, name: expected a table that ends with .csv, .tsv, .tab, .txt, .parquet, .pq, found "
        "'.xlsx', a spreadsheet: save it as CSV in UTF-8, or as Parquet",
    ),
    "no Parquet": (".parquet", HEAD, "FILE, content: expected a sound Parquet file, found a damag"),
    "empty Parquet": (".pq", b"", "FILE, line 1: expected content, found an empty file"),
    "Parquet as text": (".csv", b"PAR1" * 9, "expected text in UTF-8, found Parquet"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_table_is_refused_with_file_and_place(case: str, path: Path):
    suffix, content, message = MALFORMED[case]
    path = path.with_suffix(suffix)
    path.write_bytes(content)
    assert message in f"{refusal(path)}\n"


def test_missing_columns_are_named_with_those_that_there_are(path: Path):
    path.write_text("Child,parents,name\na,b,c\n")
    assert refusal(path, ["child", "parent", "name"]) == (
        "FILE, header: expected the columns 'child', 'parent', found 'Child', 'parents', 'name'; "
        "did you mean 'Child', 'parents'?"
    )


def test_names_of_100_000_characters_are_cut(path: Path):
    path.write_text(f"{'x' * 100_000},{'y' * 100_000},{'y' * 100_000}\na,b,c\n")
    assert f"'{'y' * 59}… twice" in refusal(path)
    path.write_text(f"{'x' * 100_000},y\na,b\n")
    assert f"expected the column '{'z' * 59}…, found" in refusal(path, ["z" * 100_000])


def test_missing_file_folder_and_impossible_name_are_refused(tmp_path: Path):
    assert refusal(tmp_path / "none.csv") == "expected the file FILE, found none"
    folder = tmp_path / "folder.parquet"
    folder.mkdir()
    assert refusal(folder) == "expected a file FILE, found a folder"
    with pytest.raises(DatasetError, match="expected a readable file"):
        strings.read(tmp_path / "a\0b.csv")
    assert "expected a readable file" in refusal(tmp_path / f"{'x' * 300}.csv")


def test_file_that_may_not_be_read_is_named(path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    path.write_text("a\n1\n")
    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    assert refusal(path) == "expected a readable file FILE, found: Permission denied"


def test_link_to_a_device_is_no_file(path: Path):
    path.symlink_to("/dev/zero")
    assert refusal(path) == "expected a regular file FILE, found something else"


def test_parquet_is_text_of_its_values(path: Path):
    path = path.with_suffix(".parquet")
    table = pa.table(
        {
            "text": pa.array(["NA", None, " x\n"]),
            "integer": pa.array([7, None, -(2**63)], pa.int64()),
            "large": pa.array([2**64 - 1, None, 0], pa.uint64()),
            "float": pa.array([7.0, float("nan"), 0.5]),
            "boolean": pa.array([True, None, False]),
            "category": pa.array(["a", None, "a"]).dictionary_encode(),
            "number category": pa.array([1, None, 1]).dictionary_encode(),
            "bytes": pa.array([b"caf\xc3\xa9", None, b""]),
            "nothing": pa.nulls(3),
            "date": pa.array([0, None, 1], pa.date32()),
            "a.b": pa.array(["dot", "dot", "dot"]),
            "a": pa.array(["1", "2", "3"]),
        }
    )
    pq.write_table(table, path)
    read = strings.read(path)
    assert read.columns == {
        "text": ["NA", "", "x"],
        "integer": ["7", "", "-9223372036854775808"],
        "large": ["18446744073709551615", "", "0"],
        "float": ["7", "", "0.5"],
        "boolean": ["true", "", "false"],
        "category": ["a", "", "a"],
        "number category": ["1", "", "1"],
        "bytes": ["café", "", ""],
        "nothing": ["", "", ""],
        "date": ["1970-01-01", "", "1970-01-02"],
        "a.b": ["dot"] * 3,
        "a": ["1", "2", "3"],
    }
    assert read.rows == 3
    assert read.place(2) == "row 3"
    assert strings.read(path, ["a"]).columns == {"a": ["1", "2", "3"]}


def parquet(path: Path, **columns: object) -> Path:
    path = path.with_suffix(".pq")
    pq.write_table(pa.table(columns), path)
    return path


def test_parquet_that_is_no_table_of_text_is_refused(path: Path):
    nested = parquet(path, id=["a"], node=[["x", "y"]])
    assert refusal(nested).startswith(
        "FILE, column 'node': expected a text or a number in each row, found the nested type list<"
    )
    assert strings.read(nested, ["id"]).columns == {"id": ["a"]}
    assert "rows below the header, found none" in refusal(parquet(path, id=pa.array([], pa.int8())))
    assert "expected columns, found none" in refusal(parquet(path))
    assert "expected a sound Parquet file" in refusal(parquet(path, id=[b"\xff"]))
    assert "expected the column 'node', found 'Node'" in refusal(parquet(path, Node=[1]), ["node"])


def test_damaged_parquet_is_refused_or_read(path: Path):
    path = parquet(path, child=[f"node {n}" for n in range(50)], parent=[1] * 50)
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 7):
        for content in (whole[:at], whole[:at] + b"\xff\x00\xff" + whole[at + 3 :]):
            path.write_bytes(content)
            try:
                assert strings.read(path).rows > 0
            except DatasetError as error:
                check_message(path, error)
                refused += 1
    assert refused > len(whole) // 7


CELL = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)


@st.composite
def written(draw: st.DrawFn) -> tuple[list[str], list[list[str]], str]:
    stripped = CELL.map(str.strip)
    names = draw(st.lists(stripped.filter(bool), min_size=1, max_size=4, unique=True))
    rows = draw(st.lists(st.lists(stripped, min_size=len(names), max_size=len(names)), min_size=1))
    return names, rows, draw(st.sampled_from("\n \r\n \r".split(" ")))


@given(written(), st.sampled_from([0, 1 << 20]))
def test_what_python_writes_is_read_back(tmp_path_factory, table, large):
    names, rows, newline = table
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator=newline).writerows([names, *rows])
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strings, "_LARGE", large)
        read = strings.read(path)
    assert list(read.columns) == names
    assert [list(row) for row in zip(*read.columns.values(), strict=True)] == rows
    lines = re.split("\r\n|\r|\n", text.getvalue())
    for row, cells in enumerate(rows):
        first = f'"{cells[0]}'.replace('"', '""')[1:]
        line = lines[int(read.place(row).removeprefix("line ")) - 1]
        assert line.startswith(re.split("\r\n|\r|\n", first)[0])


@given(written())
def test_pandas_reads_the_same(tmp_path_factory, table):
    names, rows, _ = table
    path = tmp_path_factory.getbasetemp() / "pandas.csv"
    frame = pd.DataFrame(rows, columns=names, dtype=str)
    frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    assert strings.read(path).columns == frame.to_dict("list")
    frame.to_parquet(path.with_suffix(".pq"))
    assert strings.read(path.with_suffix(".pq")).columns == frame.to_dict("list")


@given(
    st.sampled_from([".csv", ".tsv", ".txt", ".parquet"]),
    st.binary() | st.text('ab",;|\t\r\n \0\ufeffé').map(str.encode),
    st.sampled_from([0, 1 << 20]),
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, suffix, content, large):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    path.write_bytes(content)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strings, "_LARGE", large)
            table = strings.read(path)
    except DatasetError as error:
        check_message(path, error)
        return
    assert table.rows > 0
    assert all(len(column) == table.rows for column in table.columns.values())
    places = [int(table.place(row).removeprefix("line ")) for row in range(table.rows)]
    assert places == sorted(set(places))
