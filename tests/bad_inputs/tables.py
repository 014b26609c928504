"""Malformed tables for `rarenode init`: what is wrong, and what the message has to name."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from tests.bad_inputs.workspace import FEATURES, HIERARCHY, LABELS, Content

LONG = "x" * 100_000


class Case(NamedTuple):
    """What is wrong.

    Attributes:
        files: instead of the right ones, or beside them.
        options: of the command, beyond the three files; the last one counts.
        says: what the message names, in this order.
    """

    files: dict[str, Content]
    options: list[str]
    says: tuple[str, ...]


def features(content: Content, *says: str, options: tuple[str, ...] = ()) -> Case:
    """A case whose features.csv is malformed."""
    return Case({"features.csv": content}, [*options], ("features.csv", *says))


def labels(content: Content, *says: str, options: tuple[str, ...] = ()) -> Case:
    """A case whose labels.csv is malformed."""
    return Case({"labels.csv": content}, [*options], ("labels.csv", *says))


def hierarchy(content: Content, *says: str, options: tuple[str, ...] = ()) -> Case:
    """A case whose hierarchy.csv is malformed."""
    return Case({"hierarchy.csv": content}, [*options], ("hierarchy.csv", *says))


def other(
    role: str, name: str, content: Content, *says: str, options: tuple[str, ...] = ()
) -> Case:
    """A case with a file in another format."""
    return Case({name: content}, [f"--{role}", name, *options], (name, *says))


def changed(text: str, old: str, new: str) -> str:
    """The text with another one in place of what is there once."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


def frame(**columns: Any) -> Callable[[Path], None]:
    """Writes a Parquet table of the right rows; a column that is None is left out."""
    every = {"id": [f"e{row}" for row in range(12)], "age": np.arange(12.0)} | columns
    table = pd.DataFrame({name: values for name, values in every.items() if values is not None})
    return lambda path: table.to_parquet(path)


def arrays(**given: Any) -> Callable[[Path], None]:
    """Writes an .npz file."""

    def write(path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **given)

    return write


def cut(content: bytes | str, most: int) -> bytes:
    """The first bytes."""
    return (content.encode() if isinstance(content, str) else content)[:most]


def parquet_bytes() -> bytes:
    """A sound Parquet table."""
    import io

    made = io.BytesIO()
    pd.DataFrame({"id": [f"e{row}" for row in range(12)]}).to_parquet(made)
    return made.getvalue()


IDS = np.array([f"e{row}" for row in range(12)])
MATRIX = np.arange(24.0).reshape(12, 2)
ARFF = "@relation x\n@attribute age numeric\n@attribute colour {red, green}\n@data\n"
ROW4 = "e3,p1,23.5,green,no,2026-01-04,pain in the leg again\n"  # line 5

CASES: dict[str, Case] = {
    # features: as text
    "no features": Case(
        {}, ["--features", "none.csv"], ("expected the file none.csv, found none",)
    ),
    "a folder": Case(
        {"folder.csv": Path.mkdir}, ["--features", "folder.csv"], ("folder.csv", "found a folder")
    ),
    "an empty file": features("", "line 1", "found an empty file"),
    "only blanks": features(" \n\n", "line 1", "expected a header", "blanks"),
    "a header alone": features(FEATURES.split("\n")[0] + "\n", "at least one row, found none"),
    "a row that is too short": features(
        changed(FEATURES, ROW4, "e3,p1,23.5\n"), "line 5", "expected 7 cells", "found 3"
    ),
    "a row that is too long": features(
        changed(FEATURES, ROW4, ROW4[:-1] + ",more\n"), "line 5", "expected 7 cells", "found 8"
    ),
    "truncated within a row": features(
        cut(FEATURES, FEATURES.index("e4,p2,") + 4), "line 6", "expected 7 cells", "found 2"
    ),
    "truncated within a quote": features(
        changed(FEATURES, ROW4, ROW4.replace("pain", '"pain')),
        "line 5",
        "expected a closing quote",
        "end of the file",
    ),
    "text behind a quote": features(
        changed(FEATURES, ROW4, ROW4.replace("green", '"gre"en')), "line 5", "closing quote"
    ),
    "a colon as delimiter": features(
        FEATURES.replace(",", ":"), "expected", options=("--id", "id")
    ),
    "two delimiters": features(
        changed(FEATURES, ROW4, ROW4.replace(",", ";")), "line 5", "7 cells", "found 1"
    ),
    "tabs promised, commas found": other(
        "features", "f.tsv", FEATURES, "age", options=("--id", "id")
    ),
    "UTF-16": features(FEATURES.encode("utf-16"), "line 1", "UTF-8", "found UTF-16"),
    "UTF-16 without a mark": features(FEATURES.encode("utf-16-le"), "line 1", "UTF-8", "NUL"),
    "latin-1 in one row": features(
        FEATURES.encode().replace(b"e3,p1,23.5,green", b"e3,p1,23.5,gr\xfcn"),
        "line 5",
        "UTF-8",
        "0xFC",
    ),
    "a mark in the middle": features(
        changed(FEATURES, "e3,p1,23.5", "e3,p1,\ufeff23.5"), "line 5", "a number", "'age'"
    ),
    "a NUL byte": features(FEATURES.replace("e3,p1", "e3,p\0"), "line 5", "NUL"),
    "an Excel workbook": features(b"PK\x03\x04" + b"\0" * 99, "line 1", "Excel workbook"),
    "gzip": features(b"\x1f\x8b" + b"\0" * 99, "line 1", "gzip"),
    "Parquet called CSV": features(parquet_bytes(), "line 1", "found Parquet"),
    "a column without a name": features(
        changed(FEATURES, "patient,age", "patient,"), "header", "a name for each column", "3 of 7"
    ),
    "a column twice": features(
        changed(FEATURES, "patient,age", "patient,patient"), "header", "'patient' twice"
    ),
    "an id twice": features(
        changed(FEATURES, "e3,p1", "e2,p1"), "line 5", "each id once", "'e2' again"
    ),
    "an id that is empty": features(
        changed(FEATURES, "e3,p1", " ,p1"),
        "line 5",
        "an id in column 'id'",
        "an empty cell",
        options=("--id", "id"),
    ),
    "a group that is empty": features(
        changed(FEATURES, "e3,p1", "e3,"),
        "line 5",
        "a group",
        "'patient'",
        options=("--groups", "patient"),
    ),
    "a number that is a word": features(
        changed(FEATURES, "23.5", "old"), "line 5", "a number in column 'age'", "'old'"
    ),
    "a number with a decimal comma": features(
        changed(FEATURES, "23.5", '"23,5"'), "line 5", "a number in column 'age'", "'23,5'"
    ),
    "decimal commas beside points": features(
        FEATURES.replace(",", ";").replace(".5;r", ",5;r"),
        "line 3",
        "numbers with a decimal point in column 'age'",
        "or with decimal commas throughout",
        "'21,5'",
    ),
    "commas that may be those of thousands": features(
        FEATURES.replace(",", ";").replace(".5;", ",500;"),
        "line 2",
        "numbers with a decimal point in column 'age'",
        "'20,500', which may be a thousand",
    ),
    "an infinite number": features(
        changed(FEATURES, "23.5", "inf"), "line 5", "a finite number in column 'age'", "inf"
    ),
    "a number beyond float64": features(
        changed(FEATURES, "23.5", "1e999"), "line 5", "a finite number in column 'age'", "inf"
    ),
    "a number beyond float32": features(
        changed(FEATURES, "23.5", "-1e39"), "line 5", "float32", "'age'", "-1e+39"
    ),
    "a day that does not exist": features(
        changed(FEATURES, "2026-01-04", "2026-02-30"), "line 5", "a date", "'seen'", "'2026-02-30'"
    ),
    "a date as others write it": features(
        changed(FEATURES, "2026-01-04", "04.01.2026"), "line 5", "a date", "'seen'", "'04.01.2026'"
    ),
    "truth of another kind": features(
        changed(FEATURES, "23.5,green,no", "23.5,green,perhaps"),
        "line 5",
        "true or false in column 'smokes'",
        "'perhaps'",
        options=("--boolean", "smokes"),
    ),
    "words that are said to be numbers": features(
        FEATURES,
        "line 2",
        "a number in column 'colour'",
        "'green'",
        options=("--numeric", "colour"),
    ),
    "nothing but ids": features(
        "id\n" + "".join(f"e{row}\n" for row in range(12)), "a column that is a feature", "'id'"
    ),
    "a split of another name": features(
        FEATURES,
        "line 2",
        "train, valid or test in column 'colour'",
        "'green'",
        options=("--split", "colour"),
    ),
    "no test split": features(
        FEATURES.replace("red", "train").replace("green", "valid"),
        "both train and test",
        "no test",
        options=("--split", "colour"),
    ),
    "a value of 100,000 characters": features(
        changed(FEATURES, "23.5", LONG), "line 5", "a number in column 'age'", "'xxx"
    ),
    "another ending": other("features", "features.xlsx", "x", "one of .csv", "'.xlsx'"),
    "no ending": other("features", "features", "x", "one of .csv", "no ending"),
    # features: as Parquet, arrays, ARFF
    "text called Parquet": other("features", "f.parquet", FEATURES, "a Parquet file"),
    "truncated Parquet": other("features", "f.parquet", cut(parquet_bytes(), 400), "Parquet file"),
    "Parquet without rows": other(
        "features", "f.parquet", frame(id=[], age=np.array([], np.float64)), "one row, found none"
    ),
    "a nested column": other(
        "features", "f.parquet", frame(age=[[1.0, 2.0]] * 12), "column 'age'", "list<"
    ),
    "ids that are lists": other(
        "features",
        "f.parquet",
        frame(id=[["e0"]] * 12),
        "'id'",
        "list<",
        options=("--id", "id", "--ignored", "id"),
    ),
    "infinite in Parquet": other(
        "features", "f.parquet", frame(age=[1.0] * 11 + [np.inf]), "row 12", "finite", "'age'"
    ),
    "ids missing in Parquet": other(
        "features",
        "f.parquet",
        frame(id=[*IDS[:11], None]),
        "row 12",
        "an id",
        "'id'",
        options=("--id", "id"),
    ),
    "an array of objects": other(
        "features", "f.npz", arrays(x=np.array([[1, "a"]], object)), "plain arrays", "never loaded"
    ),
    "a pickle called NPZ": other(
        "features", "f.npz", pickle.dumps([1, 2]), "plain arrays", "never loaded"
    ),
    "truncated NPZ": other("features", "f.npz", b"PK\x03\x04\x14\0\0\0", "an .npz file"),
    "two matrices": other(
        "features", "f.npz", arrays(x=MATRIX, y=MATRIX), "one array (example, feature)", "'y'"
    ),
    "arrays of other lengths": other(
        "features", "f.npz", arrays(x=MATRIX, id=IDS[:5]), "each of 12 rows in 'id'", "(5,)"
    ),
    "names for other columns": other(
        "features", "f.npz", arrays(x=MATRIX, names=np.array(["a"])), "2 columns in 'names'"
    ),
    "complex numbers": other(
        "features", "f.npz", arrays(x=MATRIX * 1j), "numbers in 'x'", "complex"
    ),
    "a matrix without rows": other("features", "f.npz", arrays(x=MATRIX[:0]), "at least one row"),
    "NaN alone in arrays, and inf": other(
        "features", "f.npz", arrays(x=np.where(MATRIX == 7, np.inf, MATRIX)), "row 4", "finite"
    ),
    "ARFF without data": other("features", "f.arff", ARFF[:-6], "line", "@data", "end of the file"),
    "ARFF with another value": other(
        "features", "f.arff", f"{ARFF}1,red\n2,blue\n", "line 6", "'colour'", "'blue'"
    ),
    "ARFF with a short row": other(
        "features", "f.arff", f"{ARFF}1\n", "line 5", "2 values", "found 1"
    ),
    "ARFF with NaN": other("features", "f.arff", f"{ARFF}nan,red\n", "line 5", "'age'", "'nan'"),
    "ARFF of another type": other(
        "features", "f.arff", "@relation x\n@attribute age date\n@data\n1\n", "line 2", "'date'"
    ),
    # labels
    "no labels at all": Case({}, ["--labels", "none.csv"], ("the file none.csv, found none",)),
    "labels of nobody": labels(LABELS + "e99,a\n", "line 14", "among the features", "'e99'"),
    "labels of an example twice": labels(
        LABELS.replace("e3,a;b", "e2,a;b"),
        "line 5",
        "one row for each example",
        "'e2' again",
        options=("--delimiter", ";"),
    ),
    "a label that is no node": labels(
        changed(LABELS, "e3,a;b", "e3,a;x"), "line 5", "nodes of the hierarchy", "'x'"
    ),
    "a label in another case": labels(
        changed(LABELS, "e3,a;b", "e3,A;b"), "line 5", "'A'", "did you mean 'a'?"
    ),
    "no label in any row": labels(
        "id,labels\n" + "".join(f"e{row},\n" for row in range(12)), "two different labels", "none"
    ),
    "one label throughout": labels(
        "id,labels\n" + "".join(f"e{row},a\n" for row in range(12)), "two different labels", "'a'"
    ),
    "an empty cell in a long table": labels(
        LABELS.replace("e3,a;b", "e3,a\ne3,").replace("a;b", "a"), "line 6", "a node", "empty cell"
    ),
    "zeros, ones and a two": labels(
        "id,a,b\n" + "".join(f"e{row},{row % 2},{row % 3}\n" for row in range(12)),
        "line 4",
        "0 or 1 in column 'b'",
        "'2'",
    ),
    "columns that are not nodes": labels(
        "id,x,y\n" + "".join(f"e{row},blue,{row}\n" for row in range(12)),
        "which column holds the nodes",
    ),
    "another number of rows without ids": Case(
        {
            "features.csv": "age\n1\n2\n3\n",
            "labels.csv": "labels\na\nb\n",
        },
        [],
        ("labels.csv", "expected 3 rows", "found 2"),
    ),
    "a column that is not there": labels(
        LABELS,
        "the column 'node' (--label-column)",
        "'id', 'labels'",
        options=("--label-column", "node"),
    ),
    "labels without rows": labels("id,labels\n", "rows below the header", "none"),
    "labels in latin-1": labels(LABELS.encode() + b"e\xe9,a\n", "line 14", "UTF-8", "0xE9"),
    "labels in NPZ": other("labels", "l.npz", arrays(x=MATRIX), "a table that ends", "'.npz'"),
    "binary labels in Parquet": other(
        "labels", "l.parquet", frame(age=None, labels=[b"\xff"] * 12), "found"
    ),
    "a cell of 5,000,000 characters": labels(
        changed(LABELS, "e3,a;b", f"e3,{LONG * 50}"), "line 5", "cells of at most", "longer"
    ),
    # hierarchy
    "no hierarchy": Case({}, ["--hierarchy", "no.csv"], ("the file no.csv, found none",)),
    "a cycle": hierarchy(f"{HIERARCHY}top,c\n", "line 7", "without cycles", "'top'", "'c'"),
    "a self-loop": hierarchy(f"{HIERARCHY}a,a\n", "line 7", "'a' as its own parent"),
    "a child that is empty": hierarchy(f"{HIERARCHY},a\n", "line 7", "'child'", "found none"),
    "a name of 100,000 characters": hierarchy(f"{HIERARCHY}{LONG},a\n", "line 7", "at most 1,000"),
    "a name with a line break": hierarchy(f'{HIERARCHY}"x\ny",a\n', "line 7", "U+000A"),
    "a hierarchy without rows": hierarchy("child,parent\n", "rows below the header"),
    "columns of no known purpose": hierarchy(
        HIERARCHY.replace("child,parent", "x,y"), "header", "child and parent", "'x', 'y'"
    ),
    "a parent column that is not there": hierarchy(
        HIERARCHY,
        "header",
        "the column 'above'",
        "'child', 'parent'",
        options=("--child", "child", "--parent", "above"),
    ),
    "a child without a parent": Case(
        {}, ["--child", "child"], ("--child: expected --parent as well", "hierarchy.csv", "'child'")
    ),
    "a parent without a child": Case(
        {}, ["--parent", "child"], ("--parent: expected --child as well", "'child', 'parent'")
    ),
    "truncated JSON": other("hierarchy", "h.json", '{"a": {"b"', "line 1", "expected JSON"),
    "a key twice in JSON": other("hierarchy", "h.json", '{"a": {"b": 1, "b": 1}}', "'b'", "once"),
    "a number in JSON": other("hierarchy", "h.json", '{"a": 7}', "at 'a'", "'7'"),
    "deep JSON": other("hierarchy", "h.json", "[" * 100_000, "expected"),
    "a tag in YAML": other(
        "hierarchy", "h.yaml", "a: !!python/object/apply:os.system [ls]\n", "line 1", "without tags"
    ),
    "an alias in YAML": other("hierarchy", "h.yaml", "a: &x [b]\nc: *x\n", "line 1", "written out"),
    "an unknown parent in OBO": other(
        "hierarchy", "h.obo", "format-version: 1.2\n\n[Term]\nid: a\nis_a: nobody\n", "'nobody'"
    ),
    "a cycle in OBO": other(
        "hierarchy", "h.obo", "[Term]\nid: a\nis_a: b\n\n[Term]\nid: b\nis_a: a\n", "cycles"
    ),
    "an empty part of a path": other("hierarchy", "h.txt", "top/a\ntop//b\n", "line 2", "'top//b'"),
    # the command
    "one column for two purposes": Case(
        {}, ["--id", "id", "--groups", "id"], ("tables.features", "one purpose", "'id'")
    ),
    "a column of two kinds": Case(
        {}, ["--text", "note", "--categorical", "note"], ("a kind for each column", "'note' again")
    ),
    "an id that is no column": features(
        FEATURES, "the column 'key' (--id)", "'patient'", options=("--id", "key")
    ),
    "a kind for no column": features(
        FEATURES, "the column 'weight' (--numeric)", options=("--numeric", "weight")
    ),
    "two characters between labels": Case(
        {}, ["--delimiter", "; "], ("--delimiter", "1 character")
    ),
    "two characters between parts": Case(
        {"h.txt": "top/a\ntop/b\n"}, ["--hierarchy", "h.txt", "--separator", "::"], ("--separator",)
    ),
    "relations of a table": Case({}, ["--relations", "is_a"], ("--relations", "hierarchy.csv")),
    "a name with a path": Case({}, ["--name", "../x"], ("--name", "'../x'")),
    "a name of ours": Case({}, ["--name", "hpo_eye"], ("--name", "'hpo_eye'")),
    "a name of 100,000 characters for the data set": Case({}, ["--name", LONG], ("--name", "'xx")),
    # links
    "a link out of the folder": Case(
        {"l.csv": lambda path: path.symlink_to("/etc/hostname")},
        ["--features", "l.csv"],
        ("l.csv", "a link into its own folder", "/etc/hostname"),
    ),
    "labels behind a link out of the folder": Case(
        {"l.csv": lambda path: path.symlink_to("/etc/passwd")},
        ["--labels", "l.csv"],
        ("l.csv", "a link into its own folder", "/etc/passwd"),
    ),
    "a hierarchy behind a link out of the folder": Case(
        {"l.csv": lambda path: path.symlink_to("/etc/passwd")},
        ["--hierarchy", "l.csv"],
        ("l.csv", "a link into its own folder", "/etc/passwd"),
    ),
    "a link to nothing": Case(
        {"l.csv": lambda path: path.symlink_to("nothing.csv")}, ["--features", "l.csv"], ("l.csv",)
    ),
    "a link to itself": Case(
        {"l.csv": lambda path: path.symlink_to("l.csv")}, ["--features", "l.csv"], ("l.csv",)
    ),
    "labels that link to themselves": Case(
        {"l.csv": lambda path: path.symlink_to("l.csv")}, ["--labels", "l.csv"], ("l.csv",)
    ),
    "a pipe": Case({"p.csv": os.mkfifo}, ["--features", "p.csv"], ("regular file p.csv",)),
    "a file name that steers terminals": Case(
        {}, ["--features", "\x1b[31mx\r.csv"], ("the file \ufffd[31mx\ufffd.csv, found none",)
    ),
    "a file name that is too long": Case(
        {}, ["--features", f"{LONG}.csv"], ("expected", "File name too long")
    ),
    "labels whose name is too long": Case(
        {}, ["--labels", f"{LONG}.csv"], ("expected", "File name too long")
    ),
}
