"""Paths, in files and as labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.tables import hierarchies
from pipeline.errors import DatasetError
from tests.datasets.tables.written import read, refusal, well_formed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "paths.txt"


def test_prefixes_are_nodes_and_their_last_part_is_their_name(path):
    graph = read(
        path, "plants/trees/oak\nanimals\n\nplants/other\nanimals/other\nplants/trees/oak\n"
    )
    assert graph.nodes == {
        "plants": "plants",
        "plants/trees": "trees",
        "plants/trees/oak": "oak",
        "animals": "animals",
        "plants/other": "other",
        "animals/other": "other",
    }
    assert graph.edges == (
        ("plants/trees", "plants"),
        ("plants/trees/oak", "plants/trees"),
        ("plants/other", "plants"),
        ("animals/other", "animals"),
    )
    assert graph.notes == ()


def test_column_of_a_table_may_hold_the_paths(path):
    path = path.with_suffix(".csv")
    text = 'example,Category Path\n1,"Food, drink > Tea"\n2,Food > Salt\n'
    assert hierarchies.detect(written(path, text)) == {
        "format": "paths",
        "column": "Category Path",
        "separator": ">",
    }
    graph = read(path, text)
    assert graph.nodes == {
        "Food, drink": "Food, drink",
        "Food, drink > Tea": "Tea",
        "Food": "Food",
        "Food > Salt": "Salt",
    }
    assert graph.edges == (("Food, drink > Tea", "Food, drink"), ("Food > Salt", "Food"))


def written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", ["a//b", "/a", "a/", "/", "a/ /b", "a/b\n\na/b/"])
def test_empty_parts_are_refused_with_their_line(text, path):
    line = text.count("\n") + 1
    bad = text.split("\n")[-1]
    assert refusal(path, f"{text}\n", format="paths") == (
        f"FILE, line {line}: expected names between separators '/', found an empty one in {bad!r}"
    )


def test_labels_make_a_hierarchy_and_are_refused_with_their_place(path):
    labels = ["a.b", "a.c.d", "a.b"]
    graph = hierarchies.descend(enumerate(labels), ".", path=path, place=lambda row: f"row {row}")
    assert graph.edges == (("a.b", "a"), ("a.c", "a"), ("a.c.d", "a.c"))
    with pytest.raises(DatasetError) as error:
        hierarchies.descend([(7, "a..b")], ".", path=path, place=lambda row: f"row {row}")
    assert str(error.value) == (
        f"{path}, row 7: expected names between separators '.', found an empty one in 'a..b'"
    )


PART = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="/"), min_size=1)


@given(st.lists(st.lists(PART, min_size=1, max_size=4), min_size=1, max_size=8))
def test_paths_are_their_own_ids(tmp_path_factory, lists):
    path = tmp_path_factory.getbasetemp() / "any-paths.txt"
    graph = read(path, "\n".join("/".join(parts) for parts in lists), format="paths")
    well_formed(graph)
    expected = {tuple(parts[:end]) for parts in lists for end in range(1, len(parts) + 1)}
    assert {tuple(node.split("/")) for node in graph.nodes} == expected
    assert set(graph.edges) == {
        ("/".join(parts), "/".join(parts[:-1])) for parts in expected if parts[1:]
    }
