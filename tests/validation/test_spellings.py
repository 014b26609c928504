import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.validation import spellings
from tests.validation.tiny import tiny


def found(nodes, *, names=None, edges=None) -> list[str]:
    data = tiny([[0.0]], labels=[[0] * len(nodes)], nodes=nodes, names=names, edges=edges)
    return spellings.groups(spellings.spellings(data))


@pytest.mark.parametrize(
    "other",
    [
        *("cataract", "CATARACT", " Cataract\t", "Cataract.", "'Cataract'"),
        *("\N{FULLWIDTH LATIN CAPITAL LETTER C}ataract", "Cata\N{SOFT HYPHEN}ract"),
    ],
)
def test_other_case_blanks_punctuation_and_forms_of_letters_are_the_same_name(other):
    assert spellings.key(other) == spellings.key("Cataract")


@pytest.mark.parametrize(
    ("one", "other"),
    [("C", "C#"), ("C", "C++"), ("Rh+", "Rh-"), ("5 %", "5"), ("type 1", "type 11"), ("-", "_")],
)
def test_what_tells_names_apart_is_kept(one, other):
    assert spellings.key(one) != spellings.key(other)


@given(st.text())
def test_the_key_of_a_key_is_itself_and_spaces_around_do_not_matter(text):
    assert spellings.key(f"  {text}\n") == spellings.key(text)
    once = spellings.key(text)
    assert spellings.key(once) == once


def test_ids_that_differ_in_spelling_are_one_group_and_named():
    nodes = ["eye/Lens", "Eye / lens", "eye/iris"]
    assert found(nodes) == ["eye/Lens | Eye / lens"]


def test_names_that_differ_in_spelling_are_found_wherever_they_stand():
    assert found(
        ["r", "s", "a", "b"],
        names=["Eye", "Ear", "Old-world", "old world"],
        edges=[("a", "r"), ("b", "s")],
    ) == ["a (Old-world) | b (old world)"]


def test_one_name_is_a_finding_among_siblings_alone():
    nodes, names = ["r", "s", "a", "b", "c"], ["Eye", "Ear", "other", "other", "other"]
    edges = [("a", "r"), ("b", "s"), ("c", "s")]
    assert found(nodes, names=names, edges=edges) == ["b (other) | c (other)"]


def test_roots_of_one_name_are_siblings_and_empty_names_are_none():
    assert found(["a", "b", "c"], names=["x", "x", "y"]) == ["a (x) | b (x)"]
    assert found(["a", "b", "c"], names=["", "", " "]) == []


def test_chains_of_spellings_are_one_group():
    # a and b by their ids, b and c by their names
    assert found(["A", "a", "c"], names=["one", "two", "Two"]) == ["A (one) | a (two) | c (Two)"]


def test_of_a_large_group_some_are_named():
    (text,) = found([f"id{number}" for number in range(25)], names=["other"] * 25)
    assert text.startswith("id0 (other) | id1 (other) | ")
    assert text.endswith("id19 (other) and 5 more")
