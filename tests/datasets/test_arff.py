"""Reading ARFF files: small ones, good and bad."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets import arff
from pipeline.datasets.arff import Attribute
from pipeline.errors import DatasetError

GOOD = """\
% Two genes.
@RELATION 'tiny set'

@attribute size_0point02%_MMS     NUMERIC
  @Attribute 'the colour, it''s'  {red, 'dark blue', "50% grey"}
@ATTRIBUTE "mother's"             real
@attribute size_0point02%_MMS     Integer
% A comment between attributes.
@attribute class hierarchical 1,1/1, 1/1/a,2,1

@DATA

1.5,red,-2e-3,7,1/1/a
  % A comment between rows, behind blanks.
 ? , 'dark blue' , ? , +.5 , 1@2
?,?,0,?,2@1/1
0,"50% grey",1E3,-0,1
""".replace("it''s", "it\\'s")

TINY = """\
@relation tiny

@attribute size numeric
@attribute colour {red,'dark blue'}
@attribute class hierarchical 1,1/1,2

@data
1.5,red,1/1
?,'dark blue',1@2
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiny.arff"


@pytest.mark.parametrize(
    ("before", "newline"), [(b"", "\n"), (b"", "\r\n"), (b"", "\r"), (b"\xef\xbb\xbf", "\n")]
)
def test_good_file_reads_as_it_was_meant(before: bytes, newline: str, path: Path):
    path.write_bytes(before + GOOD.replace("\n", newline).encode())
    file = arff.read(path)
    assert file.path == path
    assert file.attributes == (
        Attribute("size_0point02%_MMS", None),
        Attribute("the colour, it's", ("red", "dark blue", "50% grey")),
        Attribute("mother's", None),
        Attribute("size_0point02%_MMS", None),
    )
    assert file.hierarchy == ("1", "1/1", "1/1/a", "2", "1")
    assert file.class_line == 9
    assert file.columns == (
        [1.5, None, None, 0.0],
        ["red", "dark blue", None, "50% grey"],
        [-0.002, None, 0.0, 1000.0],
        [7.0, 0.5, None, 0.0],
    )
    assert file.labels == (("1/1/a",), ("1", "2"), ("2", "1/1"), ("1",))
    assert file.lines == (13, 15, 16, 17)


def test_text_older_than_utf8_is_read_and_its_lines_stay_whole(path: Path):
    """0x85 is an ellipsis there; Python's `splitlines` takes it for the end of a line."""
    path.write_bytes(TINY.replace("red", "caf\xe9\x85s").encode("latin-1"))
    file = arff.read(path)
    assert file.columns[1] == ["caf\xe9\x85s", "dark blue"]
    assert file.lines == (8, 9)


def test_last_line_needs_no_end(path: Path):
    path.write_text(TINY.rstrip("\n"))
    assert arff.read(path).labels == (("1/1",), ("1", "2"))


def test_quoted_question_mark_is_a_value_and_a_bare_one_is_missing(path: Path):
    path.write_text(TINY.replace("'dark blue'}", "'?'}").replace("'dark blue',1@2", "'?',1\n1,?,1"))
    assert arff.read(path).columns[1] == ["red", "?", None]


def test_both_kinds_of_quotes_may_stand_in_one_row(path: Path):
    path.write_text(
        TINY.replace("{red,'dark blue'}", """{"a'b, c",'say "no", no',"'x'",d'e}""").replace(
            "1.5,red,1/1\n?,'dark blue',1@2",
            "1,\"a'b, c\",1\n2,'say \"no\", no','1'\n\"3\",\t\"'x'\" ,2\n4,d'e,2",
        )
    )
    file = arff.read(path)
    assert file.columns == ([1, 2, 3, 4], ["a'b, c", 'say "no", no', "'x'", "d'e"])
    assert file.labels == (("1",), ("1",), ("2",), ("2",))


PLAIN = re.compile(r"[\w%.-]+", re.ASCII)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), max_size=8)
LABEL = st.text("AZ09/._-%", min_size=1, max_size=8)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def tables(draw: st.DrawFn):
    attributes = draw(
        st.lists(
            st.builds(
                Attribute,
                TEXT,
                st.none() | st.lists(TEXT, min_size=1, max_size=4, unique=True).map(tuple),
            ),
            max_size=5,
        )
    )
    cells = [
        st.none() | (NUMBER if attribute.values is None else st.sampled_from(attribute.values))
        for attribute in attributes
    ]
    row = st.tuples(st.tuples(*cells), st.lists(LABEL, min_size=1, max_size=3))
    rows = draw(st.lists(row, min_size=1, max_size=4))
    return attributes, draw(st.lists(LABEL, min_size=1, max_size=5)), rows


def quoted(text: str, quote: str) -> str:
    if PLAIN.fullmatch(text) and not text.startswith("%"):
        return text
    return quote + re.sub(r"(['\"\\])", r"\\\1", text) + quote


def shown(value: float | str | None, quote: str) -> str:
    if value is None:
        return "?"
    return quoted(value, quote) if isinstance(value, str) else repr(value)


@given(
    tables(), st.sampled_from("'\""), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", " "])
)
def test_what_is_written_is_read_back(tmp_path_factory, table, quote, newline, blank):
    attributes, entries, rows = table
    comma = f"{blank},{blank}"
    lines = ["@relation any"]
    for attribute in attributes:
        kind = "numeric"
        if attribute.values is not None:
            kind = "{" + comma.join(quoted(value, quote) for value in attribute.values) + "}"
        lines.append(f"@attribute {quoted(attribute.name, quote)} {kind}")
    lines += [f"@attribute class hierarchical {','.join(entries)}", "@data"]
    for cells, labels in rows:
        lines.append(comma.join([*(shown(cell, quote) for cell in cells), "@".join(labels)]))
        if lines[-1].startswith("%"):  # nothing but a label, and that is a comment
            lines[-1] = f"'{lines[-1]}'"
    path = tmp_path_factory.getbasetemp() / "any.arff"
    path.write_bytes("".join(line + newline for line in lines).encode())

    file = arff.read(path)
    assert list(file.attributes) == attributes
    assert list(file.hierarchy) == entries
    assert [tuple(cells) for cells in zip(*file.columns, strict=True)] == (
        [cells for cells, _ in rows] if attributes else []
    )
    assert [list(labels) for labels in file.labels] == [labels for _, labels in rows]


def changed(old: str, new: str) -> bytes:
    assert TINY.count(old) == 1, old
    return TINY.replace(old, new).encode()


def upto(end: str) -> bytes:
    """TINY, truncated."""
    return TINY[: TINY.index(end) + len(end)].encode()


MALFORMED: dict[str, tuple[bytes, int, str, str]] = {
    "truncated in a row": (upto("?,'dark bl"), 9, "3 values, one per attribute", "2"),
    "truncated in an attribute": (
        upto("@attribute si"),
        3,
        "a numeric, nominal or hierarchical attribute 'si'",
        "no type",
    ),
    "truncated in a keyword": (
        upto("size numeric\n@attr"),
        4,
        "@relation, @attribute or @data",
        "'@attr'",
    ),
    "truncated in the hierarchy": (upto("hierarchical 1,1/"), 5, "@data", "the end of the file"),
    "truncated behind a comma": (
        upto("hierarchical 1,"),
        5,
        "a hierarchy without empty entries",
        "one",
    ),
    "truncated before the rows": (upto("@data\n"), 7, "rows after @data", "none"),
    "no @data": (
        changed("@data\n", ""),
        7,
        "@relation, @attribute or @data",
        "'1.5,red,1/1'",
    ),
    "no class": (
        changed("@attribute class hierarchical 1,1/1,2\n", ""),
        6,
        "an attribute of type hierarchical before @data",
        "none among 2 attributes",
    ),
    "class without hierarchy": (
        changed("hierarchical 1,1/1,2", "hierarchical"),
        5,
        "a hierarchy without empty entries",
        "one",
    ),
    "attribute behind the class": (
        changed("\n@data", "@attribute late numeric\n@data"),
        6,
        "the hierarchical attribute to be the last",
        "one behind it",
    ),
    "too few values": (changed("1.5,red,", "1.5,"), 8, "3 values, one per attribute", "2"),
    "too many values": (changed("1.5,red,", "1.5,red,red,"), 8, "3 values, one per attribute", "4"),
    "undeclared value": (
        changed("1.5,red", "1.5,Red"),
        8,
        "'colour' out of red, dark blue",
        "'Red'",
    ),
    "undeclared value out of many": (
        changed("{red,", "{" + ",".join("abcdefghijkl") + ","),
        8,
        "'colour' out of a, b, c, d, e, f, g, h, i, j, …",
        "'red'",
    ),
    "empty nominal value": (
        changed("1.5,red", "1.5,"),
        8,
        "'colour' out of red, dark blue",
        "''",
    ),
    "sparse row": (
        changed("1.5,red,1/1", "{0 1.5, 2 1/1}"),
        8,
        "a row with every value",
        "a sparse row",
    ),
    "unknown keyword": (
        changed("@relation", "@relations"),
        1,
        "@relation, @attribute or @data",
        "'@relations tiny'",
    ),
    "empty file": (b"", 1, "an ARFF header", "an empty file"),
    "only blanks": (b" \n\t\r\n\n", 1, "an ARFF header", "an empty file"),
    "only a comment": (b"% nothing\n", 1, "@data", "the end of the file"),
    "binary file": (b"\x89PNG\r\n\x1a\n\x00\x00", 2, "text", "binary data"),
    "binary row": (changed("1.5,red", "1.5,\0"), 8, "text", "binary data"),
    "UTF-16": (TINY.encode("utf-16-le"), 1, "text", "binary data"),
}
MALFORMED |= {
    f"number {cell!r}": (changed("1.5", cell), 8, "a number or ? for 'size'", repr(cell))
    for cell in ("x", "nan", "-inf", "Infinity", "1e999", "1_000", "0x10", "1 000", "", "\u0661")
}
MALFORMED |= {
    f"label {cell!r}": (changed("red,1/1", f"red,{cell}"), 8, "labels joined by @", found)
    for cell, found in (("", "none"), ("1@", "'1@'"), ("@1", "'@1'"), ("1@ @2", "'1@ @2'"))
}
MALFORMED |= {
    f"attribute of type {kind}": (
        changed("numeric", kind),
        3,
        "a numeric, nominal or hierarchical attribute 'size'",
        repr(kind),
    )
    for kind in ("string", "date 'yyyy'", "relational", "hierarchicals 1", "{red", "numeric % one")
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_file_is_refused_with_file_and_line(case: str, path: Path):
    content, line, expected, found = MALFORMED[case]
    path.write_bytes(content)
    with pytest.raises(DatasetError) as error:
        arff.read(path)
    assert str(error.value) == f"{path}, line {line}: expected {expected}, found {found}"


def test_long_values_are_cut_in_messages(path: Path):
    path.write_bytes(changed("1.5", "x" * 200_000))
    with pytest.raises(DatasetError) as error:
        arff.read(path)
    assert len(str(error.value)) < 200 + len(str(path))
    path.write_bytes(changed("'dark blue',1", f"'{'x' * 200_000},1"))
    with pytest.raises(DatasetError, match=r"line 9: expected 'colour' out of"):
        arff.read(path)


def test_missing_file_is_named(path: Path):
    with pytest.raises(
        DatasetError, match="^" + re.escape(f"expected the file {path}, found none")
    ):
        arff.read(path)


def test_folder_is_no_file(tmp_path: Path):
    with pytest.raises(DatasetError) as error:
        arff.read(tmp_path)
    assert str(error.value) == f"expected a readable file {tmp_path}, found: Is a directory"


def test_file_that_may_not_be_read_is_named(path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(DatasetError) as error:
        arff.read(path)
    assert str(error.value) == f"expected a readable file {path}, found: Permission denied"


def read_or_refused(path: Path, content: bytes) -> arff.ArffFile | None:
    path.write_bytes(content)
    try:
        return arff.read(path)
    except DatasetError as error:
        message = str(error)
    assert re.fullmatch(rf"{re.escape(str(path))}, line \d+: expected .+, found .+", message)
    return None


def test_file_truncated_anywhere_is_refused_or_gives_the_first_rows(path: Path):
    content = TINY.encode()
    path.write_bytes(content)
    whole = arff.read(path)
    read = [read_or_refused(path, content[:end]) for end in range(len(content))]
    cut = [file for file in read if file is not None]
    assert 4 <= len(cut) < 20
    for file in cut:
        rows = len(file.labels)
        assert file.labels[: rows - 1] == whole.labels[: rows - 1]
        assert file.columns == tuple(column[:rows] for column in whole.columns)


@given(
    st.integers(0, len(GOOD)),
    st.integers(0, 8),
    st.binary(max_size=4) | st.text("@%',\"{}\\?\r\n 1a", max_size=4).map(str.encode),
)
def test_damaged_file_is_read_or_refused(tmp_path_factory, start, length, put):
    content = GOOD.encode()
    path = tmp_path_factory.getbasetemp() / "damaged.arff"
    read_or_refused(path, content[:start] + put + content[start + length :])
