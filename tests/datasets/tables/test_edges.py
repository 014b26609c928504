"""Edge lists: good ones, and random hierarchies with hostile names that come back as they were."""

import csv
import io

import networkx as nx
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import hierarchies
from pipeline.errors import HierarchyError
from pipeline.hml import Hierarchy
from tests.datasets.tables.written import read, refusal, well_formed

EDGES = {"format": "edges", "child": "child", "parent": "parent"}
NAMED = {**EDGES, "name": "name"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "edges.csv"


def test_nodes_and_edges_come_in_the_order_of_the_file(path):
    text = "child,parent,name\nz,,Top\nb,z,\na,b,Leaf\na,z,Leaf\nlone,,\n"
    graph = read(path, text, **NAMED)
    assert list(graph.nodes.items()) == [("z", "Top"), ("b", "b"), ("a", "Leaf"), ("lone", "lone")]
    assert graph.edges == (("b", "z"), ("a", "b"), ("a", "z"))
    assert graph.notes == ()
    assert graph.release == ""


def test_name_may_stand_in_any_row_of_a_node(path):
    text = "child,parent,name\na,b,\na,c,A\nb,c,B\nc,,C\n"
    assert read(path, text, **NAMED).nodes == {"a": "A", "b": "B", "c": "C"}


def test_repeated_edges_count_once_and_are_told(path):
    graph = read(path, "child,parent\na,b\na,b\nc,b\na, b \n", **EDGES)
    assert graph.edges == (("a", "b"), ("c", "b"))
    assert graph.notes == ("Edges that were there already and count once: 2.",)


def test_root_that_has_a_parent_elsewhere_is_told(path):
    graph = read(path, "child,parent\na,\na,b\n", **EDGES)
    assert graph.edges == (("a", "b"),)
    assert graph.notes == (
        "Nodes with a parent in one row and none in another, which count as having one: 'a'.",
    )


def test_several_spellings_are_different_nodes_and_are_told(path):
    spelt = ["a b", "A B", "ab", "é", "e\u0301", "É", "c", "ﬁ", "fi"]
    graph = read(path, "child,parent\n" + "".join(f"{node},top\n" for node in spelt), **EDGES)
    assert list(graph.nodes) == ["a b", "top", *spelt[1:]]
    assert graph.notes == (
        "There are several spellings of what may be one node, which count as different nodes: "
        "'a b' and 'A B'; 'é' and 'e\u0301'; 'ﬁ' and 'fi'.",
    )


def test_five_spellings_are_named_and_the_others_counted(path):
    rows = "".join(f"{letter},top\n{letter.upper()},top\n" for letter in "abcdefgh")
    (note,) = read(path, f"child,parent\n{rows}", **EDGES).notes
    assert note.endswith("'d' and 'D'; 'e' and 'E', and 3 more.")


@pytest.mark.parametrize("cell", ["a;b", "a; b", "a|b", '"a, b"', "a;b;top"])
def test_several_parents_in_a_cell_are_refused(cell, path):
    text = f"child,parent\na,top\nb,top\nc,a\nd,{cell}\n"
    message = refusal(path, text, **EDGES)
    assert message.startswith(
        "FILE, line 5: expected a row of its own for each edge (or, if it is a node, a row of it "
        "without a parent), found the parents 'a', 'b'"
    )
    assert message.endswith(f"in one cell, {cell.strip(chr(34))!r}")
    assert "d" in read(path, f"{text}{cell},\n", **EDGES).nodes


@pytest.mark.parametrize("name", ["x;y", "a;y", "a;", ";", "a/b", "a b"])
def test_a_parent_whose_parts_are_no_nodes_is_one(name, path):
    assert ("c", name) in read(path, f"child,parent\na,b\nb,\nc,{name}\n", **EDGES).edges


@pytest.mark.parametrize("mark", ["NA", "NaN", "nan", "null", "NULL", "None", "N/A"])
def test_a_mark_of_what_is_missing_is_no_root(mark, path):
    text = f"child,parent\na,b\nb,{mark}\n"
    assert refusal(path, text, **EDGES) == (
        "FILE, line 3: expected an empty cell as the parent of a root (or, if it is a node, a row "
        f"of it without a parent), found {mark!r}"
    )
    assert read(path, f"{text}{mark},\n", **EDGES).edges == (("a", "b"), ("b", mark))
    assert read(path, f"{text}{mark},top\n", **EDGES).edges[-1] == (mark, "top")


def test_hostile_ids_are_data(path):
    hostile = [
        "<script>alert(1)</script>",
        "a/b",
        'x"y',
        "=1+1",
        "NA",
        "' OR 1=1",
        "..",
        "x" * 1000,
    ]
    text = io.StringIO()
    csv.writer(text).writerows(
        [("child", "parent"), *((node, "null") for node in hostile), ("null", "")]
    )
    graph = read(path, text.getvalue(), **EDGES)
    assert graph.edges == tuple((node, "null") for node in hostile)


def test_long_cycle_is_named_in_part_with_the_line_that_closes_it(path):
    rows = "".join(f"{n},{n + 1}\n" for n in range(50)) + "50,0\nx,0\n"
    assert refusal(path, f"child,parent\n{rows}", **EDGES) == (
        "FILE, line 52: expected a hierarchy without cycles, found '0' -> '1' -> '2' -> "
        "… 46 more … -> '49' -> '50' -> '0' (child -> parent)"
    )


def test_chain_of_20_000_nodes_needs_no_recursion(path):
    rows = "".join(f"{n},{n + 1}\n" for n in range(20_000))
    assert len(read(path, f"child,parent\n{rows}", **EDGES).edges) == 20_000
    assert "line 20002" in refusal(path, f"child,parent\n{rows}20000,0\n", **EDGES)


HOSTILE = (
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), min_size=1, max_size=6)
    | st.sampled_from(["NA", "null", "007", "1e5", '"', ",", "a/b", "<b>", "\ufefft"])
).filter(lambda text: text == text.strip())


@st.composite
def hierarchies_of_any_names(draw: st.DrawFn):
    names = draw(st.lists(HOSTILE, min_size=2, max_size=12, unique=True))
    pairs = st.tuples(st.integers(0, len(names) - 1), st.integers(0, len(names) - 1))
    drawn = draw(st.lists(pairs.filter(lambda pair: pair[0] != pair[1]), min_size=1, unique=True))
    # From the later to the earlier name: no cycle.
    return list(dict.fromkeys((names[max(pair)], names[min(pair)]) for pair in drawn))


@given(hierarchies_of_any_names(), st.sampled_from([".csv", ".tsv", ".parquet"]))
def test_what_is_written_is_read_back(tmp_path_factory, edges, suffix):
    path = tmp_path_factory.getbasetemp() / f"written{suffix}"
    # A root such as NA needs a row of its own.
    roots = dict.fromkeys(parent for _, parent in edges if parent not in dict(edges))
    rows = [*edges, *((root, "") for root in roots)]
    frame = pd.DataFrame(rows, columns=["child", "parent"], dtype=str)
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    options = hierarchies.detect(path)
    assert options == EDGES
    graph = hierarchies.read(path, HierarchyFile(path="x", sha256="0" * 64, **options))
    assert graph.edges == tuple(edges)
    assert list(graph.nodes) == list(dict.fromkeys(end for edge in edges for end in edge))
    well_formed(graph)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), min_size=1))
def test_hierarchies_are_those_that_networkx_and_the_core_take(tmp_path_factory, edges):
    path = tmp_path_factory.getbasetemp() / "random.csv"
    text = "child,parent\n" + "".join(f"{child},{parent}\n" for child, parent in edges)
    good = nx.is_directed_acyclic_graph(nx.DiGraph(edges))
    try:
        graph = read(path, text, **EDGES)
    except HierarchyError:
        assert not good
        return
    assert good
    assert set(graph.edges) == set(edges)
    assert set(Hierarchy.from_edges(graph.edges).nodes) == set(graph.nodes)
