"""Ontologies in OBO as hierarchies; obonet's own graph is the cross-check."""

import subprocess
import sys

import networkx as nx
import obonet
import pytest

from pipeline.config.tables import HierarchyFile
from pipeline.datasets.tables import ontologies
from pipeline.errors import HierarchyError
from tests.datasets.tables.written import read, refusal

OBO = """format-version: 1.2
data-version: toy/releases/2026-01-02
ontology: toy

[Term]
id: T:1
name: Root

[Term]
id: T:3
name: Leaf <b>
is_a: T:2 {source="x"} ! Middle
is_a: T:1 ! Root
relationship: part_of T:4 ! Whole

[Term]
id: T:2
is_a: T:1 ! Root
is_a: T:5

[Term]
id: T:4
name: Whole
is_obsolete: false

[Term]
id: T:5
name: obsolete Old
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""
PART_OF = ["is_a", "part_of"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "toy.obo"


def test_terms_in_use_and_their_is_a_edges_are_read(path):
    graph = read(path, OBO)
    assert list(graph.nodes.items()) == [
        *(("T:1", "Root"), ("T:3", "Leaf <b>"), ("T:2", "T:2"), ("T:4", "Whole"))
    ]
    assert graph.edges == (("T:3", "T:2"), ("T:3", "T:1"), ("T:2", "T:1"))
    assert graph.notes == ("Obsolete terms left out: 1.", "Edges to obsolete terms left out: 1.")
    assert graph.release == "2026-01-02"


def test_other_relations_are_edges_where_they_are_asked_for(path):
    graph = read(path, OBO, format="obo", relations=PART_OF)
    assert graph.edges == (("T:3", "T:2"), ("T:3", "T:1"), ("T:3", "T:4"), ("T:2", "T:1"))
    assert read(path, OBO, format="obo", relations=["part_of"]).edges == (("T:3", "T:4"),)
    assert refusal(path, OBO, format="obo", relations=["part_off"]) == (
        "FILE, content: expected terms related by 'part_off', found 'is_a', 'part_of'"
    )


def test_parents_outside_of_the_file_are_refused_by_name(path):
    bad = OBO.replace("is_a: T:1 ! Root\nrel", "is_a: U:9 ! Elsewhere\nrel")
    assert refusal(path, bad) == (
        "FILE, line 10: expected a term of the file behind 'is_a', found 'U:9' as parent of 'T:3'"
    )
    with pytest.raises(HierarchyError):
        read(path, bad)


BROKEN = {
    "a line without a tag": (
        OBO.replace("name: Whole", "Whole"),
        "FILE, line 23: expected tag: value, as OBO files have it, found 'Whole'",
    ),
    "no blank line before a term": (
        OBO.replace("\n\n[Term]\nid: T:2", "\n[Term]\nid: T:2"),
        "FILE, line 15: expected tag: value, as OBO files have it, found '[Term]'",
    ),
    "truncated": (OBO[: OBO.index("me: Whole")], "FILE, line 23: expected tag: value, as OBO fi"),
    "no id": (
        OBO.replace("id: T:3\n", ""),
        "FILE, [Term] stanza 2: expected an id, found none",
    ),
    "same id": (
        OBO.replace("id: T:3\n", "id: T:1\n"),
        "FILE, term 'T:1': expected each id once, found it again",
    ),
    "half a relation": (
        OBO.replace("part_of T:4", "part_of"),
        "FILE, term 'T:3': expected a relation and an id, found 'part_of'",
    ),
    "own parent": (
        OBO.replace("is_a: T:5", "is_a: T:2"),
        "FILE, line 17: expected an edge between two nodes, found 'T:2' as its own parent",
    ),
    "cycle": (
        OBO.replace("is_a: T:5", "is_a: T:3"),
        "FILE, line 17: expected a hierarchy without cycles, found 'T:",
    ),
    "no terms": (
        "format-version: 1.2\n\n[Typedef]\nid: x\n",
        "FILE, content: expected an OBO file with [Term] stanzas, found none",
    ),
    "all obsolete": (
        "format-version: 1.2\n\n[Term]\nid: x\nis_obsolete: true\n",
        "FILE, content: expected terms related by 'is_a', found none",
    ),
    "no edges": (
        "format-version: 1.2\n\n[Term]\nid: x\n",
        "FILE, content: expected terms related by 'is_a', found none",
    ),
    "some HTML": ("<html>\n<body>404: not found\n", "FILE, line 1: expected tag: value, as OBO"),
    "an empty file": ("", "FILE, line 1: expected content, found an empty file"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_ontology_is_refused(case, path):
    content, message = BROKEN[case]
    assert refusal(path, content).startswith(message)


def test_missing_obonet_is_named_with_how_to_get_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "obonet.read", None)
    path.write_text(OBO)
    with pytest.raises(Exception, match=r"expected the package obonet, .*\[hpo\]"):
        ontologies.read(path, HierarchyFile(path="x", sha256="0" * 64, format="obo"))


def test_human_phenotype_ontology_is_what_obonet_reads(hpo_files):
    path = hpo_files / "hp.obo"
    graph = ontologies.read(path, HierarchyFile(path="x", sha256="0" * 64, format="obo"))
    independent = obonet.read_obo(path)
    edges = {
        (child, parent) for child, parent, key in independent.edges(keys=True) if key == "is_a"
    }
    assert set(graph.edges) == edges
    assert graph.nodes == {node: term["name"] for node, term in independent.nodes(data=True)}
    assert nx.is_directed_acyclic_graph(nx.DiGraph(graph.edges))
    assert graph.release == "2025-01-16"


def test_reading_of_tables_starts_at_once():
    script = (
        "import sys; from pipeline.datasets.tables import hierarchies, strings; "
        "heavy = {'pandas', 'pyarrow', 'networkx', 'obonet', 'torch', 'numpy'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
