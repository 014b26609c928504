"""What is unknown, from what a file states: layouts, closure, and what is at odds."""

from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config import parse
from pipeline.config.tables import Labels
from pipeline.datasets.tables import labels, states
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.labels import Found
from pipeline.errors import ConfigError, DatasetError

# a <- b <- c, a <- d, e <- d: two roots and a node with two parents; f alone
EDGES = (("b", "a"), ("c", "b"), ("d", "a"), ("d", "e"))
NODES = "abcdef"
GRAPH = Graph(dict.fromkeys(NODES, ""), EDGES)
IDS = ("e1", "e2", "e3")
PATH = Path("labels.csv")


def options(layout: str = "long", **values: Any) -> Labels:
    columns = {
        "long": {"id": "id", "node": "node", "state": "state"},
        "delimited": {"id": "id", "node": "has", "negative": "lacks", "unknown": "maybe"},
        "one_hot": {"id": "id"},
    }[layout]
    return Labels.model_validate(
        {"path": "-", "sha256": "0" * 64, "layout": layout, **columns, **values}
    )


def stated(positive: str, negative: str = "", unknown: str = "") -> Found:
    """Of one example, by the letters of its nodes."""
    return Found((tuple(positive),), (), (tuple(negative),), (tuple(unknown),))


def unknown(found: Found, absent: str = "negative", ids: tuple[str, ...] = ("e1",)) -> list[str]:
    result = states.resolve(found, GRAPH, options(absent=absent), ids, PATH).unknown
    if result is None:
        return [""] * len(ids)
    rows = result.toarray()
    return ["".join(node for node, here in zip(NODES, row, strict=True) if here) for row in rows]


# closure


@pytest.mark.parametrize(
    ("found", "absent", "expected"),
    [
        (stated("c"), "negative", ""),
        (stated("c", "d"), "negative", ""),
        (stated("", "", "a"), "negative", "abcde"),  # e, too: d may be positive
        (stated("", "", "c"), "negative", "abc"),
        (stated("a", "", "b"), "negative", "bc"),
        (stated("", "b", "a"), "negative", "ade"),
        (stated("", "b", "c"), "negative", ""),  # follows from b
        (stated("c", "", "a"), "negative", ""),  # follows from c
        (stated("b", "", "e"), "negative", "de"),
        (stated("", "e", "d"), "negative", ""),
        (stated("b", "c"), "unknown", "def"),
        (stated("d", "b"), "unknown", "f"),
        (stated("", "a"), "unknown", "ef"),
        (stated("f", "", "b"), "unknown", "abcde"),
    ],
)
def test_what_is_stated_spreads_as_it_must(found: Found, absent: str, expected: str):
    assert unknown(found, absent) == [expected]


@given(st.data())
def test_known_labels_are_closed_whatever_is_stated(data: st.DataObject):
    subsets = st.sets(st.sampled_from(NODES)).map(lambda names: "".join(sorted(names)))
    positive, negative, asked = data.draw(subsets), data.draw(subsets), data.draw(subsets)
    absent = data.draw(st.sampled_from(["negative", "unknown"]))
    up = nx.transitive_closure(nx.DiGraph(EDGES), reflexive=True)
    up.add_edges_from((node, node) for node in NODES)
    has = {above for node in positive for above in up.successors(node)}
    lacks = {below for node in negative for below in up.predecessors(node)}
    if has & lacks:
        with pytest.raises(DatasetError, match="nothing positive at or below a negative"):
            unknown(stated(positive, negative, asked), absent)
        return
    found = set(unknown(stated(positive, negative, asked), absent)[0])
    assert not found & (has | lacks)
    assert {*asked} <= found | has | lacks
    # What lies above an unknown one is not negative, what lies below it is not left as negative.
    possible = found | has
    assert {above for node in possible for above in up.successors(node)} <= possible
    if absent == "unknown":
        assert found == {*NODES} - has - lacks
    else:
        below = {low for node in {*asked} - has - lacks for low in up.predecessors(node)}
        assert below - has - lacks <= found
        least = {above for node in below - has - lacks for above in up.successors(node)}
        assert found == least - has


def test_what_follows_and_what_is_lifted_is_counted():
    found = Found((("c",), ("f",), ()), (), ((), ("a",), ()), (("a", "b"), ("c",), ("d",)))
    result = states.resolve(found, GRAPH, options(), IDS, PATH)
    assert result.notes == (
        "1 labels are stated to be negative.",
        "3 labels that are stated to be unknown follow from others and are known.",
        "2 labels are unknown because one below them is.",
    )
    assert unknown(found, ids=IDS) == ["", "", "ade"]


@pytest.mark.parametrize(
    ("found", "what"),
    [(stated("fc", "b"), "'c' below 'b'"), (stated("fc", "c"), "'c' as both")],
    ids=["below", "the same"],
)
def test_positives_below_negatives_are_refused_by_name(found: Found, what: str):
    message = f"labels.csv: expected nothing positive at or below a negative, found {what} in "
    with pytest.raises(DatasetError, match=message + "example 'e1'"):
        unknown(found)


@pytest.mark.parametrize("absent", ["negative", "unknown"])
def test_more_unknown_labels_than_fit_are_refused(absent: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(states, "MOST", 3)
    cause = ", as tables.labels.absent is 'unknown'" if absent == "unknown" else ""
    message = rf"labels.csv: expected at most 3 unknown labels \(example, node\){cause}, found 4"
    found = stated("", "e") if absent == "unknown" else stated("f", "e", "a")
    with pytest.raises(DatasetError, match=message):
        unknown(found, absent)


def test_unknown_labels_below_another_one_are_counted_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(states, "MOST", 4)  # a, b, c and d
    assert unknown(stated("", "", "abcd")) == unknown(stated("", "", "a")) == ["abcde"]


def test_examples_are_worked_out_in_blocks(monkeypatch: pytest.MonkeyPatch):
    found = Found((("c",), (), ("f",)), (), (("d",), ("a",), ()), ())
    whole = unknown(found, "unknown", IDS)
    monkeypatch.setattr(states, "_BLOCK", 1)
    assert unknown(found, "unknown", IDS) == whole == ["ef", "ef", "abcde"]


# layouts


def read(path: Path, content: str, given: Labels, nodes: Any = NODES) -> Found:
    path.write_text(content, encoding="utf-8")
    return labels.read(path, given, IDS, None if nodes is None else {*nodes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


LONG = "id,node,state\ne1,c,Present\ne1,d,NOT\ne3,b,?\ne3,f,1\ne3,e,0\ne1,f,unknown\n"
DELIMITED = "id,has,lacks,maybe\ne1,c,d,f\ne3, f ;,e,b\ne2,,,\n"
ONE_HOT = "id,a,b,c,d,e,f\ne1,,,1,0,,?\ne2,,,,,,\ne3,,NA,,,no,1.0\n"


@pytest.mark.parametrize(
    ("content", "layout"), [(LONG, "long"), (DELIMITED, "delimited"), (ONE_HOT, "one_hot")]
)
def test_layouts_state_the_same(content: str, layout: str, path: Path):
    found = read(path, content, options(layout, absent="unknown"))
    assert found.labels == (("c",), (), ("f",))
    assert found.negative == (("d",), (), ("e",))
    assert found.unknown == (("f",), (), ("b",))


def test_zeros_are_no_statements_where_all_else_is_negative(path: Path):
    # They stand above ones as often as not.
    found = read(path, ONE_HOT, options("one_hot"))
    assert found.negative == ()
    assert found.unknown == (("f",), (), ("b",))
    assert "12 cells of labels are empty and count as 0." in found.notes
    found = read(path, ONE_HOT, options("one_hot", absent="unknown"))
    assert "12 cells of labels are empty and are unknown." in found.notes


@pytest.mark.parametrize("cell", ["?", "NA", "NaN", "null", "None", "unknown", "UNKNOWN"])
def test_cells_of_one_hot_may_be_unknown(cell: str, path: Path):
    found = read(path, f"id,a,b\ne1,{cell},1\ne2,1,0\ne3,0,0\n", options("one_hot"))
    assert found.unknown == (("a",), (), ())
    assert found.labels == (("b",), ("a",), ())


@pytest.mark.parametrize("state", ["positive", "PRESENT", "1", "True", "yes"])
def test_states_may_be_said_in_several_ways(state: str, path: Path):
    found = read(path, f"id,node,state\ne1,a,{state}\ne2,b,yes\n", options())
    assert found == Found((("a",), ("b",), ()), ("1 of 3 examples have no label.",))


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        (LONG.replace("NOT", "perhaps"), "long", "line 3: expected positive, negative or unknown "
         ".* in column 'state', found 'perhaps'"),
        (LONG.replace("NOT", ""), "long", "in column 'state', found an empty cell"),
        (LONG.replace("e1,d", "e1,x"), "long", "line 3: expected nodes of the hierarchy"),
        (DELIMITED.replace("d,f", "x,f"), "delimited", "line 2: expected nodes .* found 'x'"),
        (DELIMITED.replace("e,b", "e,b;x"), "delimited", "line 3: expected nodes .* found 'x'"),
        (ONE_HOT.replace("NA", "maybe"), "one_hot", "line 4: expected 0 or 1 in column 'b'"),
    ],
)  # fmt: skip
def test_other_states_and_nodes_are_refused_with_their_line(
    content: str, layout: str, message: str, path: Path
):
    with pytest.raises(DatasetError, match=message):
        read(path, content, options(layout))


def test_without_any_stated_negative_nothing_could_be_learnt(path: Path):
    with pytest.raises(DatasetError, match="expected nodes that an example is stated not to have"):
        read(path, "id,node,state\ne1,a,1\ne2,b,1\ne2,c,?\n", options(absent="unknown"))


@pytest.mark.parametrize(
    ("layout", "values", "message"),
    [
        ("delimited", {"state": "x"}, "`state` belongs to layout 'long', found 'delimited'"),
        ("long", {"negative": "x"}, "`negative` belongs to layout 'delimited', found 'long'"),
        ("one_hot", {"unknown": "x"}, "`unknown` belongs to layout 'delimited', found 'one_hot'"),
        ("long", {"state": None, "absent": "unknown"}, "absent 'unknown' needs `state`"),
        ("delimited", {"negative": None, "absent": "unknown"}, "absent 'unknown' needs `negative`"),
        ("long", {"state": "node"}, r"named for one purpose, found \['node'\] again"),
        ("long", {"absent": "maybe"}, "absent"),
    ],
)
def test_columns_that_do_not_belong_to_the_layout_are_refused(
    layout: str, values: dict[str, Any], message: str
):
    given = options(layout).model_dump() | values
    tables = {"name": "x", "features": {"path": "-", "sha256": "0" * 64}, "labels": given}
    with pytest.raises(ConfigError, match=message):
        parse({"tables": tables}, "the test")


def test_unknown_labels_are_columns_in_the_order_of_the_nodes():
    graph = Graph(dict.fromkeys("fedcba", ""), EDGES)
    found = states.resolve(stated("a", "", "b"), graph, options(), ("e1",), PATH).unknown
    assert found is not None
    assert np.flatnonzero(found.toarray()[0]).tolist() == [3, 4]
