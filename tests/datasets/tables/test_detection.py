"""What a hierarchy's file is found to be, and what it is asked about."""

import pytest

from pipeline.datasets.tables import hierarchies
from pipeline.errors import DatasetError


def edges(child: str, parent: str, **name: str) -> dict[str, str]:
    return {"format": "edges", "child": child, "parent": parent, **name}


TOLD = {
    "child and parent": ("x.csv", "child,parent\na,b\n", edges("child", "parent")),
    "any case and other columns": (
        "x.tsv",
        "Weight\tParent ID\tChild-Id\n1\ta\tb\n",
        edges("Child-Id", "Parent ID"),
    ),
    "names": (
        "x.csv",
        "label;node;parent;title\nA;a;b;t\n",
        edges("node", "parent", name="label"),
    ),
    "node and parent in a text": ("x.txt", "node|parent\na|b\n", edges("node", "parent")),
    "child and parent before others": (
        "x.csv",
        "source,target,node,parent\ns,t,a,b\n",
        edges("node", "parent"),
    ),
    "is_a": ("x.csv", "id,is_a,name\na,b,A\n", edges("id", "is_a", name="name")),
    "child before id": ("x.csv", "id,child,parent\n1,a,b\n", edges("child", "parent")),
    "a path in a column": ("x.csv", "id,path\n1,a/b\n", {"format": "paths", "column": "path"}),
    "a path with another separator": (
        "x.csv",
        "path\na|b/c|d\ne|f\n",
        {"format": "paths", "column": "path", "separator": "|"},
    ),
    "a path with one node": ("x.csv", "path\na\n", {"format": "paths", "column": "path"}),
    "paths in lines": ("x.txt", "animals\nanimals/cats, dogs\n", {"format": "paths"}),
    "paths with delimiters": ("x.txt", "Food, drink/Tea\nFood, drink\n", {"format": "paths"}),
    "paths with quotes": ("x.txt", '"Big" cats/"Lion"\n', {"format": "paths"}),
    "paths with a backslash": ("x.txt", "a\\b\na\n", {"format": "paths", "separator": "\\"}),
    "an ontology": ("x.obo", "anything", {"format": "obo"}),
    "an ontology in a text": ("x.txt", "\nformat-version: 1.2\n", {"format": "obo"}),
    "JSON": ("x.JSON", "{}", {"format": "nested"}),
    "YAML": ("x.yml", "a:", {"format": "nested"}),
}
ASKED = {
    "two columns": ("x.csv", "a,b\n1,2\n", "FILE, header: expected columns of a known purpose"),
    "two columns of a text": ("x.txt", "a\tb/c\nd\te\n", "FILE, header: expected columns of a kn"),
    "two columns with bars": ("x.txt", "a|b\nc|d\n", "FILE, header: expected columns of a known"),
    "slashes in columns": ("x.txt", "a,b\nc/d,e\n", "FILE, header: expected columns of a known p"),
    "one column": ("x.csv", "things\na/b\n", "found 'things'. Say what the columns are: --child"),
    "lines without separator": ("x.txt", "animals\ncats\n", "FILE, header: expected columns of a"),
    "two children": ("x.csv", "node,id,parent\n1,2,3\n", "found 'node', 'id'. Say what the colu"),
    "two parents": ("x.csv", "child,parent,is_a\n1,2,3\n", "found 'parent', 'is_a'. Say what the"),
    "two cases": ("x.csv", "Child,child,parent\n1,2,3\n", "found 'Child', 'child'. Say what the"),
    "two paths": ("x.csv", "path,full_path\na,b\n", "found 'path', 'full_path'. Say what the"),
    "another format": ("x.owl", "<rdf>", "FILE, name: expected a name that ends with .csv, .tsv"),
    "no suffix": ("x", "a/b", "FILE, name: expected a name that ends with .csv, .tsv"),
    "blanks": ("x.txt", " \n\n", "FILE, line 1: expected a hierarchy, found nothing but blanks"),
    "an empty ontology": ("x.obo", "", "FILE, line 1: expected content, found an empty file"),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_a_file_tells_is_not_asked(case, tmp_path):
    name, content, expected = TOLD[case]
    path = tmp_path / name
    path.write_text(content)
    assert hierarchies.detect(path) == expected


@pytest.mark.parametrize("case", ASKED)
def test_what_a_file_does_not_tell_is_refused_with_the_options(case, tmp_path):
    name, content, message = ASKED[case]
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DatasetError) as error:
        hierarchies.detect(path)
    assert message in str(error.value).replace(str(path), "FILE")
    if "header" in message or "Say" in message:
        assert "--child and --parent name those of an edge's ends" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "columns", "place"),
    [
        ("x.csv", "source,target\n,x\nanimal,cat\n", ("source", "target"), "Line 3"),
        ("x.txt", "To|weight|From\ncat|1|animal\n", ("From", "To"), "Line 2"),
        ("x.tsv", "path\tsource\ttarget\na/b\tanimal\tcat\n", ("source", "target"), "Line 2"),
    ],
)
def test_the_direction_of_edges_is_asked_with_an_example(name, content, columns, place, tmp_path):
    path = tmp_path / name
    path.write_text(content)
    first, second = columns
    with pytest.raises(DatasetError) as error:
        hierarchies.detect(path)
    assert str(error.value) == (
        f"{path}, header: expected columns that say which end of an edge is the child, found "
        f"'{first}' and '{second}', which programs write in either direction. {place} has 'animal' "
        f"and 'cat': if 'animal' lies below 'cat', say --child '{first}' --parent '{second}', and "
        f"if 'cat' lies below 'animal', --child '{second}' --parent '{first}'"
    )


def test_the_direction_of_edges_is_asked_where_none_is_whole(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("from,to\na,\n")
    with pytest.raises(DatasetError, match=r"Say which is which with --child and --parent$"):
        hierarchies.detect(path)


def test_missing_file_is_refused(tmp_path):
    for name in ("x.obo", "x.json", "x.csv", "x.txt", "x.owl"):
        with pytest.raises(DatasetError, match=r"expected the file .*, found none"):
            hierarchies.detect(tmp_path / name)
