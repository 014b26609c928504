"""Labels in their layouts, what these are found to be, and closure."""

from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.tables import Labels
from pipeline.datasets.tables import labels, layouts
from pipeline.datasets.tables.closure import Closure
from pipeline.datasets.tables.labels import Found
from pipeline.errors import DatasetError
from tests.datasets.tables.written import check_message

IDS = ("e1", "e2", "e3")
NODES = {"a", "b", "c d"}
EXPECTED = (("a", "c d"), (), ("b",))
LONG = "id,node\ne3,b\ne1,a\ne1,c d\n"
DELIMITED = "id,labels\ne3,b\ne1,a;c d\ne2,\n"
ONE_HOT = "id,a,b,c d\ne3,0,1,0\ne1,1.0,,TRUE\ne2,no,false,0.0\n"
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "long": (LONG, {"layout": "long", "id": "id", "node": "node"}),
    "delimited": (DELIMITED, {"layout": "delimited", "id": "id", "node": "labels"}),
    "one_hot": (ONE_HOT, {"layout": "one_hot", "id": "id"}),
}


def read(
    path: Path, content: str, options: dict[str, Any], nodes: set[str] | None = NODES
) -> Found:
    path.write_text(content, encoding="utf-8")
    given_as = Labels.model_validate({"path": "-", "sha256": "0" * 64, **options})
    return labels.read(path, given_as, IDS, nodes)


def refusal(path: Path, content: str, options: dict[str, Any]) -> str:
    with pytest.raises(DatasetError) as error:
        read(path, content, options)
    return check_message(path, error.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


# reading


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_say_the_same(layout: str, path: Path):
    found = read(path, *LAYOUTS[layout])
    assert found.labels == EXPECTED
    empty = ("1 cells of labels are empty and count as 0.",) if layout == "one_hot" else ()
    assert found.notes == ("1 of 3 examples have no label.", *empty)


@given(
    content=st.lists(
        st.sets(st.sampled_from(["a", "b", "c", "d"])).map(sorted), min_size=2, max_size=6
    ).filter(lambda all_: len({one for mine in all_ for one in mine}) > 1),
    delimiter=st.sampled_from([";", "|", " "]),
)
def test_whatever_the_labels_layouts_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, content: list[list[str]], delimiter: str
):
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    nodes = ["a", "b", "c", "d"]
    ids = [f"e{row}" for row in range(len(content))]
    texts = {
        "long": "id,node\n"
        + "".join(
            f"{one},{node}\n" for one, mine in zip(ids, content, strict=True) for node in mine
        ),
        "delimited": "id,node\n"
        + "".join(f"{one},{delimiter.join(m)}\n" for one, m in zip(ids, content, strict=True)),
        "one_hot": f"id,{','.join(nodes)}\n"
        + "".join(
            f"{one},{','.join(str(int(node in mine)) for node in nodes)}\n"
            for one, mine in zip(ids, content, strict=True)
        ),
    }
    for layout, text in texts.items():
        path.write_text(text)
        node = None if layout == "one_hot" else "node"
        options = {"layout": layout, "id": "id", "node": node, "delimiter": delimiter}
        given_as = Labels.model_validate({"path": "-", "sha256": "0" * 64, **options})
        assert labels.read(path, given_as, ids, nodes).labels == tuple(map(tuple, content))


def test_labels_that_stand_twice_count_once(path: Path):
    found = read(path, LONG + "e1,a\n", LAYOUTS["long"][1])
    assert found.labels == EXPECTED
    assert found.notes[0] == "1 labels stand twice and count once."
    again = DELIMITED.replace("a;c d", "a; c d ;a;;")
    assert read(path, again, LAYOUTS["delimited"][1]).labels == EXPECTED


def test_without_a_column_of_ids_rows_are_those_of_the_features(path: Path):
    options = {"layout": "delimited", "node": "labels"}
    assert read(path, 'labels\na\n""\nb;c d\n', options).labels == (("a",), (), ("b", "c d"))
    message = refusal(path, "labels\na\nb\n", options)
    assert message == (
        "FILE: expected 3 rows, one for each row of the features, as no column names the "
        "examples, found 2"
    )


def test_without_nodes_every_label_is_one(path: Path):
    found = read(path, "id,labels\ne1,x;y\n", LAYOUTS["delimited"][1], None)
    assert found.labels == (("x", "y"), (), ())


@pytest.mark.parametrize(
    ("layout", "old", "new", "message"),
    [
        ("long", "e3,b", "e9,b", "line 2: expected an example that is among the features, found"),
        ("long", "e3,b", "e3,", "line 2: expected a node in column 'node', found an empty cell"),
        (
            "long",
            "e3,b",
            "e3,B",
            "line 2: expected nodes of the hierarchy, found 'B'; did you mean 'b'?",
        ),
        (
            "long",
            "c d",
            "c  D",
            "line 4: expected nodes of the hierarchy, found 'c  D'; did you mean 'c d'?",
        ),
        (
            "long",
            "c d",
            "c f",
            "line 4: expected nodes of the hierarchy, found 'c f'; did you mean 'c d'?",
        ),
        ("long", "c d", "x" * 10**5, "line 4: expected nodes of the hierarchy, found 'xxx"),
        ("delimited", "e2,", "e1,b", "line 4: expected one row for each example, found 'e1' again"),
        ("delimited", "a;", "z;", "line 3: expected nodes of the hierarchy, found 'z'"),
        ("one_hot", "e3,0", "e3,2", "line 2: expected 0 or 1 in column 'a', found '2'"),
        (
            "one_hot",
            "c d",
            "c e",
            "and none beside them and the ids, found 'c e'; did you mean 'c d'?",
        ),
        ("one_hot", "e3,", "e1,", "line 3: expected one row for each example, found 'e1' again"),
    ],
)
def test_what_does_not_fit_is_refused(layout: str, old: str, new: str, message: str, path: Path):
    content, options = LAYOUTS[layout]
    assert old in content
    assert message in refusal(path, content.replace(old, new, 1), options)


@pytest.mark.parametrize(
    ("content", "found"),
    [("id,labels\ne1,a\ne2,a\n", "one, 'a', throughout"), ("id,labels\ne1,\n", "none in any row")],
)
def test_one_label_alone_is_nothing_to_learn(content: str, found: str, path: Path):
    message = refusal(path, content, LAYOUTS["delimited"][1])
    assert message == f"FILE: expected at least two different labels, found {found}"


# what a layout is found to be


def detected(path: Path, content: str, nodes: set[str] | None = NODES, **said: Any) -> Any:
    path.write_text(content, encoding="utf-8")
    return layouts.detect(path, said.pop("ids", IDS), nodes, **said)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_found_out(layout: str, path: Path):
    content, options = LAYOUTS[layout]
    usual = {"delimiter": ";"} if layout == "delimited" else {}
    assert detected(path, content) == options | usual


@pytest.mark.parametrize("delimiter", ";|,")
def test_what_is_between_nodes_is_found_out(delimiter: str, path: Path):
    content = f'key,labels,more\ne1,"a{delimiter}c d",x\ne2,b,y\n'
    found = detected(path, content)
    expected = {"layout": "delimited", "id": "key", "node": "labels", "delimiter": delimiter}
    assert found == expected


def test_a_row_for_each_example_and_node_is_a_long_table_without_a_hierarchy(path: Path):
    assert detected(path, "id,node\ne1,a/b\ne1,c\n", None)["layout"] == "long"
    found = detected(path, "id,node\ne1,a/b\ne2,c, d\n".replace(", d", ""), None)
    assert found == {"layout": "delimited", "id": "id", "node": "node", "delimiter": ";"}


def test_the_column_of_ids_is_the_one_that_holds_some(path: Path):
    content = "what,who,labels\nx,e1,a\ny,e2,b\n"
    assert detected(path, content)["id"] == "who"
    with pytest.raises(DatasetError, match=r"labels' column alone, .* found 'what', 'who'"):
        detected(path, content, ids=None)
    assert detected(path, "labels\na\nb\n", ids=None)["id"] is None
    assert detected(path, content, ids=None, with_features=True)["id"] is None
    with pytest.raises(DatasetError, match="--label-id names it"):
        detected(path, "what,labels\nx,a\ny,b\n")
    # Where it is wrong is said as soon as it is read.
    assert detected(path, "id,labels\ne1,a\ne9,b\n")["id"] == "id"


def test_the_column_of_nodes_is_called_so_or_holds_some(path: Path):
    assert detected(path, "id,x,Terms\ne1,1,q\n")["node"] == "Terms"
    assert detected(path, "id,x,y\ne1,1,a\ne2,2,b\n")["node"] == "y"
    with pytest.raises(DatasetError, match=r"found 'x', 'y'\. --label-column names it"):
        detected(path, "id,x,y\ne1,1,q\n")
    with pytest.raises(DatasetError, match=r"found none beside the ids\. --label-column"):
        detected(path, "id\ne1\n")


def test_what_is_said_is_not_asked(path: Path):
    said = {"id_column": "k", "node_column": "n", "delimiter": "+"}
    found = detected(path, "k,n,labels\n1,a+b,x\n", **said)
    assert found == {"layout": "delimited", "id": "k", "node": "n", "delimiter": "+"}
    for option, name in (("id_column", "--label-id"), ("node_column", "--label-column")):
        with pytest.raises(DatasetError, match=rf"the column 'z' \({name}\), found 'k', 'n'"):
            detected(path, "k,n\n1,a\n", **{option: "z"})


# closure


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=25),
    st.lists(st.sets(st.integers(0, 9)), min_size=1, max_size=5),
)
def test_what_is_above_is_what_networkx_reaches(
    pairs: list[tuple[int, int]], given_labels: list[set[int]]
):
    edges = [(str(max(pair)), str(min(pair))) for pair in pairs if pair[0] != pair[1]]
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(map(str, range(10)))
    closure = Closure(edges)
    above = {node: frozenset(nx.descendants(graph, node)) for node in graph}
    assert {node: closure.above(node) for node in graph} == above
    mine = [[str(node) for node in sorted(one)] for one in given_labels]
    ids = [f"e{row}" for row in range(len(mine))]
    lacking = [
        one for one, has in zip(ids, mine, strict=True) if any(above[n] - {*has} for n in has)
    ]
    notes = closure.missing(mine, ids, Path("l.csv"), refuse=False)
    count = f"({len(lacking)} of {len(mine)} examples did not say so)"
    assert [count in note for note in notes] == [True] * bool(lacking)
    if lacking:
        with pytest.raises(DatasetError, match=f"l.csv: .* in example '{lacking[0]}'$"):
            closure.missing(mine, ids, Path("l.csv"), refuse=True)
    else:
        assert closure.missing(mine, ids, Path("l.csv"), refuse=True) == []


def test_a_long_chain_is_no_matter():
    closure = Closure((str(node + 1), str(node)) for node in range(20_000))
    assert len(closure.above("20000")) == 20_000
