"""Objects within objects: JSON and YAML."""

import io
import json

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.datasets.tables import trees
from tests.datasets.tables.written import read, refusal, well_formed

KEYS = {"plants": {"trees": {"oak": None, "elm": {}}, "herbs": ["mint", "thyme"]}, "animals": []}
RECORDS = [
    {
        "id": "plants",
        "children": [
            {"id": "trees", "name": "Trees", "children": [{"id": "oak"}, {"id": "elm"}]},
            {"id": "herbs", "children": ["mint", "thyme"]},
        ],
    },
    {"id": "animals", "name": None, "children": None},
]
NODES = ["plants", "trees", "oak", "elm", "herbs", "mint", "thyme", "animals"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "nested.json"


def yaml(value: object) -> str:
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(value, text)
    return text.getvalue()


@pytest.mark.parametrize("write", [json.dumps, yaml])
@pytest.mark.parametrize("value", [KEYS, RECORDS])
def test_both_ways_to_nest_read_the_same_from_json_and_yaml(value, write, path):
    path = path.with_suffix(".json" if write is json.dumps else ".yaml")
    graph = read(path, write(value))
    if write is json.dumps:  # ruamel sorts keys
        assert list(graph.nodes) == NODES
    assert sorted(graph.nodes) == sorted(NODES)
    assert graph.nodes["trees"] == ("Trees" if value is RECORDS else "trees")
    assert sorted(graph.edges) == sorted(
        [
            ("trees", "plants"),
            ("oak", "trees"),
            ("elm", "trees"),
            ("herbs", "plants"),
            ("mint", "herbs"),
            ("thyme", "herbs"),
        ]
    )
    assert graph.notes == ()


def test_node_may_be_below_two_parents(path):
    graph = read(path, '{"pets": ["cat"], "mammals": {"cat": {"lion": null}}, "x": ["cat", "cat"]}')
    assert list(graph.nodes) == ["pets", "cat", "mammals", "lion", "x"]
    assert graph.edges == (("cat", "pets"), ("cat", "mammals"), ("lion", "cat"), ("cat", "x"))
    assert graph.notes == ("Edges that were there already and count once: 1.",)


def test_ids_stay_the_text_that_stands_there(path):
    graph = read(path, '[{"id": 7, "children": [1e5, 0.10, "007", "null", "true"]}]')
    assert list(graph.nodes) == ["7", "1e5", "0.10", "007", "null", "true"]
    text = "no:\n  007: ~\n  1e5:\n  2020-01-01: [true, 0x10, 1_0, 'null', =, <<]\n"
    graph = read(path.with_suffix(".yml"), text)
    assert list(graph.nodes) == [
        *("no", "007", "1e5", "2020-01-01", "true", "0x10", "1_0", "null", "=", "<<")
    ]


def test_whitespace_around_an_id_is_no_part_of_it(path):
    graph = read(path, '{" a\\n": [" b ", {"id": "\\tc "}]}')
    assert list(graph.nodes) == ["a", "b", "c"]
    assert graph.edges == (("b", "a"), ("c", "a"))


def test_single_object_with_an_id_is_the_root(path):
    graph = read(path, '{"id": "root", "name": "The root", "children": {"a": {"id": null}}}')
    assert graph.nodes == {"root": "The root", "a": "a", "id": "id"}


def test_keys_that_say_nothing_about_the_hierarchy_are_told(path):
    graph = read(
        path, '[{"id": "a", "count": 7, "url": "x", "children": [{"id": "b", "url": null}]}]'
    )
    assert graph.notes == ("Keys that say nothing about the hierarchy: 'count', 'url'.",)


def test_long_chains_of_json_are_read_or_refused(path):
    for depth in (100, 1_000_000):
        content = '{"a":' * depth + "null" + "}" * depth
        assert "expected" in refusal(path, content)  # "a" below "a", or too deep
    content = "[" * 1_000_000
    assert "hundreds deep" in refusal(path, content)
    depth = 150
    chain = "".join(f'{{"n{level}":' for level in range(depth)) + "null" + "}" * depth
    assert len(read(path, chain).edges) == depth - 1


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_yaml_is_refused(opening, path):
    assert "FILE, line 1: expected" in refusal(path.with_suffix(".yaml"), opening * 20_000)


def test_yaml_means_what_it_means_in_version_1_2(path):
    path = path.with_suffix(".yaml")
    path.write_text(
        "a: {b: ~, 'c': , \"d\": null}\ne:\n- 007\n- ''\n- |\n  block\n? f\ng: [HP:1, x?]\n"
    )
    assert trees.read_yaml(path) == {
        "a": {"b": None, "c": None, "d": None},
        "e": ["007", "", "block\n"],
        "f": None,
        "g": ["HP:1", "x?"],
    }


@pytest.mark.parametrize("text", ["a: [?b]", "a: {?b: c}", "[b, ?'c']"])
def test_question_mark_that_yaml_would_swallow_is_refused(text, path):
    path = path.with_suffix(".yaml")
    assert refusal(path, text) == (
        "FILE, line 1: expected quotes around texts that start with ?, found none"
    )


NAMES = st.sampled_from("abcdefgh") | st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Zl", "Zp")), min_size=1
).filter(lambda text: text == text.strip() and not text.startswith("?"))


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), min_size=1, max_size=6))
def test_json_of_networkx_and_ours_agree(tmp_path_factory, below):
    """Children by node: a hierarchy of two levels, whose nodes may be on both."""
    path = tmp_path_factory.getbasetemp() / "two-levels.json"
    graph = nx.DiGraph([(child, node) for node, children in below.items() for child in children])
    graph.add_nodes_from(below)
    content = json.dumps(below)
    if nx.is_directed_acyclic_graph(graph):
        read_back = read(path, content)
        well_formed(read_back)
        assert set(read_back.edges) == set(graph.edges)
        assert set(read_back.nodes) == set(graph.nodes)
        assert read(path.with_suffix(".yaml"), yaml(below))._replace(notes=()) == read(
            path, json.dumps(dict(sorted(below.items())))
        )._replace(notes=())
    else:
        assert "expected" in refusal(path, content)
