"""`rarenode init` on files with several problems: all of them in one message, and nothing twice."""

from pathlib import Path

import pytest

from pipeline.datasets.tables import frames, offenders
from pipeline.datasets.tables.closure import Closure
from pipeline.datasets.tables.problems import Problems, Several
from pipeline.errors import ConfigError, DatasetError
from tests.bad_inputs import workspace
from tests.bad_inputs.tables import changed
from tests.bad_inputs.workspace import FEATURES, HIERARCHY, LABELS, Content

# what is wrong -> files instead of the right ones, options, and the lines of the message
CASES: dict[str, tuple[dict[str, Content], list[str], list[str]]] = {
    "two numbers of a column": (
        {"features.csv": FEATURES.replace("21.5", "old").replace("23.5", "young")},
        [],
        [
            "2 problems in 1 file:",
            "features.csv, line 3: expected a number in column 'age', as 10 of 12 values are, "
            "found 'old'",
            "features.csv, line 5: expected a number in column 'age', as 10 of 12 values are, "
            "found 'young'",
        ],
    ),
    "two columns": (
        {"features.csv": FEATURES.replace("21.5", "inf").replace("2026-01-04", "4.1.26")},
        [],
        [
            "2 problems in 1 file:",
            "features.csv, line 3: expected a finite number in column 'age', found inf",
            "features.csv, line 5: expected a date such as 2026-01-31 in column 'seen', as 11 of "
            "12 values are, found '4.1.26'",
        ],
    ),
    "three files": (
        {
            "features.csv": changed(FEATURES, "2026-01-04", "2026-02-30"),
            "labels.csv": changed(LABELS, "e3,a;b", "e3,x;b") + "e99,a\n",
            "hierarchy.csv": f"{HIERARCHY}c,c\n",
        },
        [],
        [
            "4 problems in 3 files:",
            "features.csv, line 5: expected a date such as 2026-01-31 in column 'seen', found "
            "'2026-02-30'",
            "labels.csv, line 14: expected an example that is among the features, found 'e99'",
            "labels.csv, line 5: expected nodes of the hierarchy, found 'x'",
            "hierarchy.csv, line 7: expected an edge between two nodes, found 'c' as its own "
            "parent",
        ],
    ),
    "the same wrong node in many rows": (
        {"labels.csv": LABELS.replace(",d", ",x").replace("e1,c", "e1,y")},
        [],
        [
            "2 problems in 1 file:",
            "labels.csv, line 3: expected nodes of the hierarchy, found 'y'",
            "labels.csv, line 4: expected nodes of the hierarchy, found 'x' (and in 3 more rows)",
        ],
    ),
    "more than are named": (
        {"labels.csv": LABELS + "".join(f"f{row},a\n" for row in range(9))},
        [],
        [
            "9 problems in 1 file:",
            *(
                f"labels.csv, line {14 + row}: expected an example that is among the features, "
                f"found 'f{row}'"
                for row in range(5)
            ),
            "… and 4 more of this kind",
        ],
    ),
    "examples and rows again": (
        {
            "features.csv": changed(FEATURES, "e3,p1", "e2,p1"),
            "labels.csv": changed(LABELS, "e5,d", "e4,d"),
        },
        ["--delimiter", ";"],
        [
            "3 problems in 2 files:",
            "features.csv, line 5: expected each id once, found 'e2' again",
            "labels.csv, line 5: expected an example that is among the features, found 'e3'",
            "labels.csv, line 7: expected one row for each example, found 'e4' again",
        ],
    ),
    "a hierarchy of many mistakes": (
        {"hierarchy.csv": f"{HIERARCHY}top,c\n,a\na,a\ne,NA\nb,d\n"},
        [],
        [
            "5 problems in 1 file:",
            "hierarchy.csv, line 10: expected an empty cell as the parent of a root (or, if it is "
            "a node, a row of it without a parent), found 'NA'",
            "hierarchy.csv, line 8: expected a node in the column 'child', found none",
            "hierarchy.csv, line 9: expected an edge between two nodes, found 'a' as its own "
            "parent",
            "hierarchy.csv, line 7: expected a hierarchy without cycles, found 'a' -> 'top' -> 'c' "
            "-> 'a' (child -> parent)",
            "hierarchy.csv, line 11: expected a hierarchy without cycles, found 'd' -> 'b' -> 'd' "
            "(child -> parent)",
        ],
    ),
    "more cycles than are looked for": (
        {"hierarchy.csv": HIERARCHY + "".join(f"x{n},y{n}\ny{n},x{n}\n" for n in range(9))},
        [],
        [
            "at least 6 problems in 1 file:",
            *(
                f"hierarchy.csv, line {8 + 2 * n}: expected a hierarchy without cycles, found "
                f"'x{n}' -> 'y{n}' -> 'x{n}' (child -> parent)"
                for n in range(5)
            ),
            "… and at least 1 more of this kind",
        ],
    ),
    "rows of other widths": (
        {"features.csv": FEATURES.replace("e3,", "e3,,").replace("e5,p2,", "e5,")},
        [],
        [
            "2 problems in 1 file:",
            "features.csv, line 5: expected 7 cells as in the header, found 8",
            "features.csv, line 7: expected 7 cells as in the header, found 6",
        ],
    ),
    "labels without features that can be read": (
        {
            "features.csv": changed(FEATURES, "e3,", "e3,,"),
            "labels.csv": changed(LABELS, "e3,a;b", "e3,x;b"),
        },
        [],
        [
            "2 problems in 2 files:",
            "features.csv, line 5: expected 7 cells as in the header, found 8",
            "labels.csv, line 5: expected nodes of the hierarchy, found 'x'",
        ],
    ),
    "labels without a hierarchy that can be read": (
        {"hierarchy.csv": "child,parent\na\n", "labels.csv": changed(LABELS, "e3,", "f3,")},
        [],
        [
            "2 problems in 2 files:",
            "labels.csv, line 5: expected an example that is among the features, found 'f3'",
            "hierarchy.csv, line 2: expected 2 cells as in the header, found 1",
        ],
    ),
    "labels of which nothing can be told": (
        {
            "features.csv": changed(FEATURES, "e3,", "e3,,"),
            "labels.csv": "who,x,y\n" + "".join(f"e{row},blue,{row}\n" for row in range(12)),
            "hierarchy.csv": f"{HIERARCHY}a,a\n",
        },
        [],
        [
            "2 problems in 2 files:",
            "features.csv, line 5: expected 7 cells as in the header, found 8",
            "hierarchy.csv, line 7: expected an edge between two nodes, found 'a' as its own "
            "parent",
        ],
    ),
    "lines in another encoding": (
        {
            "labels.csv": LABELS.replace("e3,a;b", "e3,\xe4")
            .replace("e5,d", "\xe9,d")
            .encode("l1"),
            "hierarchy.csv": f"{HIERARCHY}a,a\n",
        },
        [],
        [
            "2 problems in 2 files:",
            "labels.csv, line 5 (and 1 more line): expected text in UTF-8, found the byte 0xE4 (if "
            "the file is in cp1252, as Windows and Excel write text, `iconv -f cp1252 -t utf-8 "
            "FILE > NEW` converts it)",
            "hierarchy.csv, line 7: expected an edge between two nodes, found 'a' as its own "
            "parent",
        ],
    ),
    "files that are not there": (
        {},
        ["--features", "f.csv", "--labels", "l.csv", "--hierarchy", "h.csv"],
        [
            "3 problems in 3 files:",
            "expected the file f.csv, found none",
            "expected the file l.csv, found none",
            "expected the file h.csv, found none",
        ],
    ),
    "columns that are not there": (
        {"labels.csv": LABELS + ",,,\n"},
        ["--id", "key", "--groups", "clinic"],
        [
            "3 problems in 2 files:",
            "features.csv: expected the column 'key' (--id), found 'id', 'patient', 'age', "
            "'colour', 'smokes' and 2 more",
            "features.csv: expected the column 'clinic' (--groups), found 'id', 'patient', 'age', "
            "'colour', 'smokes' and 2 more",
            "labels.csv, line 14: expected 2 cells as in the header, found 4",
        ],
    ),
    "groups, splits and times": (
        {
            "features.csv": FEATURES.replace("e3,p1", "e3,")
            .replace("e5,p2", "e5,")
            .replace("arm", "train")
            .replace("leg", "test")
            .replace("pain in the ", "")
            .replace(" again", "")
            .replace("4,p2,24.5,red,yes,2026-01-05,train", "4,p2,24.5,red,yes,,dev set")
        },
        ["--groups", "patient", "--split", "note", "--time", "seen"],
        [
            "4 problems in 1 file:",
            "features.csv, line 5: expected a group in column 'patient', found an empty cell",
            "features.csv, line 7: expected a group in column 'patient', found an empty cell",
            "features.csv, line 6: expected train, valid or test in column 'note', found 'dev set'",
            "features.csv, line 6: expected a date or a finite number in column 'seen', found an "
            "empty cell",
        ],
    ),
    "an id twice among many": (
        {
            "features.csv": "sample,x\n" + "".join(f"s{row or 9},{row}\n" for row in range(40)),
            "labels.csv": "sample,what\n"
            + "".join(f"s{row},{'abx'[row % 3]}\n" for row in range(40)),
        },
        [],
        [
            "3 problems in 2 files:",
            "features.csv, line 11: expected each id once, found 's9' again",
            "labels.csv, line 2: expected an example that is among the features, found 's0'",
            "labels.csv, line 4: expected nodes of the hierarchy, found 'x' (and in 12 more rows)",
        ],
    ),
    "objects within objects": (
        {"h.json": '{"top": {"a": "x", "b": [true], " ": null}, "b": {"c": {"b": null}}}'},
        ["--hierarchy", "h.json"],
        [
            "5 problems in 2 files:",
            "labels.csv, line 4: expected nodes of the hierarchy, found 'd' (and in 3 more rows)",
            "h.json, at 'top' > 'a': expected an object, a list or null below a node (an object "
            "about one node has an `id`), found the text 'x'",
            "h.json, at 'top' > 'b': expected ids and objects in a list, found true",
            "h.json, at 'top' > '': expected the id of a node, found an empty one",
            "h.json, at 'b' > 'c' > 'b': expected a hierarchy without cycles, found 'b' -> 'c' -> "
            "'b' (child -> parent)",
        ],
    ),
    "terms of nobody": (
        {
            "h.obo": "".join(
                f"[Term]\nid: {node}\nis_a: {above}\n\n"
                for node, above in (("a", "x"), ("b", "y"), ("c", "a"), ("d", "d"))
            )
        },
        ["--hierarchy", "h.obo"],
        [
            "3 problems in 1 file:",
            "h.obo, line 2: expected a term of the file behind 'is_a', found 'x' as parent of 'a'",
            "h.obo, line 6: expected a term of the file behind 'is_a', found 'y' as parent of 'b'",
            "h.obo, line 14: expected an edge between two nodes, found 'd' as its own parent",
        ],
    ),
    "paths with holes": (
        {"h.txt": "top/a\ntop//b\n/c\ntop/a/d\n"},
        ["--hierarchy", "h.txt", "--labels", "l.csv"],
        [
            "3 problems in 2 files:",
            "expected the file l.csv, found none",
            "h.txt, line 2: expected names between separators '/', found an empty one in 'top//b'",
            "h.txt, line 3: expected names between separators '/', found an empty one in '/c'",
        ],
    ),
    "all columns": (
        {"features.csv": "id,age\n" + "".join(f"e{row},{row or 'x'}\n" for row in range(12))},
        ["--labels", "l.csv"],
        [
            "2 problems in 2 files:",
            "features.csv, line 2: expected a number in column 'age', as 11 of 12 values are, "
            "found 'x'",
            "expected the file l.csv, found none",
        ],
    ),
    "a file, and what is said of it": (
        {"features.csv": changed(FEATURES, "23.5", "old")},
        ["--name", "../x"],
        [
            "2 problems in 1 file and what you say of them:",
            "features.csv, line 5: expected a number in column 'age', as 11 of 12 values are, "
            "found 'old'",
            "--name: expected letters, digits, - and _, at most 60, found '../x'",
        ],
    ),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    workspace.make(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_all_problems_are_one_message(name: str, folder: Path, capsys: pytest.CaptureFixture[str]):
    files, options, lines = CASES[name]
    workspace.put(folder, files)
    message = workspace.refusal([*workspace.INIT, *options], capsys)
    assert message.split("\n") == [lines[0], *(f"  {line}" for line in lines[1:])]


def test_labels_that_are_not_closed_are_all_named():
    problems = Problems()
    closure = Closure([("a", "top"), ("b", "a")])
    labels, ids = [("b", "a"), ("a", "top"), ("b", "top")], ["x", "y", "z"]
    closure.missing(labels, ids, Path("l.csv"), refuse=True, problems=problems)
    with pytest.raises(Several) as error:
        problems.raise_if_any()
    lines = str(error.value).split("\n")
    assert lines[0] == "2 problems in 1 file:"
    assert lines[1].endswith("found 'b' without 'top' in example 'x'")
    assert lines[2].endswith("found 'b' without 'a' in example 'z'")


def test_what_is_known_is_not_counted_again():
    problems = Problems()
    for _ in range(2):
        with problems.part() as part:
            part.each(Path("x"), "a kind", range(9), refuse)
        with problems.collecting(Path("x")):
            raise DatasetError("expected a, found b")
    assert problems.count == 10


def test_a_file_that_may_not_be_read_is_one_problem(monkeypatch: pytest.MonkeyPatch):
    def refused(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    problems, path = Problems(), Path("features.csv")
    monkeypatch.setattr(Path, "open", refused)
    with offenders.reading(problems, path):
        frames.names(path)
    with pytest.raises(DatasetError, match=r"^expected a readable file features.csv, found: Perm"):
        problems.raise_if_any()


def test_a_message_is_no_book():
    problems = Problems()
    for sort in range(30):
        problems.each(Path("x"), sort, range(7), refuse)
    with pytest.raises(Several, match="210 problems in 1 file:") as error:
        problems.raise_if_any()
    lines = str(error.value).split("\n")
    assert len(lines) == 1 + 40 + 8 + 1
    assert lines[-1] == "  … and 154 more"


def test_one_problem_is_what_it_is():
    problems = Problems()
    problems.raise_if_any()
    with problems.collecting(None):
        raise ConfigError("expected a, found b")
    with pytest.raises(ConfigError, match=r"^expected a, found b$"):
        problems.raise_if_any()


def refuse(place: int) -> None:
    raise DatasetError(f"expected x, found {place}")
