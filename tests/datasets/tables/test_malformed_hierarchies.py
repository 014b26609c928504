"""Malformed hierarchies of all formats, and any bytes at all."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import DatasetError, HierarchyError
from tests.datasets.tables.written import check_message, read, read_as, refusal, well_formed

EDGES = {"format": "edges", "child": "child", "parent": "parent"}
NAMED = {**EDGES, "name": "name"}
PATHS = {"format": "paths"}
NESTED = {"format": "nested"}
OBO = {"format": "obo"}
HEAD = "child,parent\na,b\n"
X = "x" * 100_000
BOMB = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

MALFORMED = {
    # edges
    "own parent": (
        ("x.csv", EDGES, f"{HEAD}c,c\n"),
        "FILE, line 3: expected an edge between two nodes, found 'c' as its own parent",
    ),
    "cycle": (
        ("x.csv", EDGES, f"{HEAD}b,c\nx,a\nc,a\ny,x\n"),
        "FILE, line 5: expected a hierarchy without cycles, found '[abc]' -> '[abc]' -> '[abc]' ->",
    ),
    "two names": (
        ("x.csv", NAMED, 'child,parent,name\na,b,"A\n"\na,c,B\n'),
        "FILE, line 4: expected one name for 'a', found 'A' and 'B'",
    ),
    "no child": (
        ("x.csv", EDGES, f"{HEAD},b\n"),
        "FILE, line 3: expected a node in the column 'child', found none",
    ),
    "missing column": (
        ("x.csv", EDGES, "child,Parent\na,b\n"),
        "FILE, header: expected the column 'parent', found 'child', 'Parent'; did you mean",
    ),
    "id of two lines": (
        ("x.csv", EDGES, f'{HEAD}"a\nb",c\n'),
        r"FILE, line 3: expected an id without line breaks and control characters, found U\+000A",
    ),
    "id with a bell": (("x.csv", EDGES, f"{HEAD}a\x07b,c\n"), r"line 3: expected .*found U\+0007"),
    "id with a separator": (("x.csv", EDGES, f"{HEAD}a\u2028b,c\n"), r"line 3: .* U\+2028 in"),
    "long id": (
        ("x.csv", EDGES, f"{HEAD}a,{X}\n"),
        "FILE, line 3: expected an id of at most 1,000 characters, found 100,000: 'xxx",
    ),
    "long names": (
        ("x.csv", NAMED, f"child,parent,name\na,b,{X}\na,c,y{X}\n"),
        "FILE, line 3: expected one name for 'a', found 'xxxxx",
    ),
    "ragged": (
        ("x.csv", EDGES, f"{HEAD}a\n"),
        "FILE, line 3: expected 2 cells as in the header, f",
    ),
    "no rows": (
        ("x.csv", EDGES, "child,parent\n"),
        "FILE, content: expected rows below the header",
    ),
    # paths
    "empty part": (
        ("x.txt", PATHS, "a/b\na//c\n"),
        "FILE, line 2: expected names between separators '/', found an empty one in 'a//c'",
    ),
    "empty path": (
        ("x.csv", {**PATHS, "column": "p"}, "p,q\na/b,\n,1\n"),
        "FILE, line 3: expected names between separators '/', found an empty one in ''",
    ),
    "long path": (("x.txt", PATHS, f"a/{X}"), "FILE, line 1: expected an id of at most 1,000 char"),
    "latin-1": (
        ("x.txt", PATHS, b"a\n\xe9/b\n"),
        "FILE, line 2: expected text in UTF-8, found the",
    ),
    "only blanks": (("x.txt", PATHS, "\n \n"), "FILE, content: expected nodes, found none"),
    # JSON
    "truncated JSON": (
        ("x.json", NESTED, '{"a":\n{"b"'),
        "FILE, line 2: expected JSON, found Expec",
    ),
    "key twice": (
        ("x.json", NESTED, '{"a": {"b": null, "b": null}}'),
        "FILE, key 'b': expected each key once in an object, found it again",
    ),
    "number below": (
        ("x.json", NESTED, '{"a": {"b": 7}}'),
        "FILE, at 'a' > 'b': expected an object, a list or null below .*, found the text '7'",
    ),
    "boolean below": (("x.json", NESTED, '{"a": true}'), "FILE, at 'a': expected .*, found true"),
    "list in a list": (
        ("x.json", NESTED, '{"a": {"b": {"c": {"d": [[]]}}}}'),
        "FILE, at … > 'b' > 'c' > 'd': expected ids and objects in a list, found a list",
    ),
    "null in a list": (
        ("x.json", NESTED, "[null]"),
        "FILE, top level: expected ids and objects in a list, found null",
    ),
    "object without id": (
        ("x.json", NESTED, '[{"name": "A", "children": []}]'),
        "FILE, at 'name': expected .*an object about one node has an `id`.*, found the text 'A'",
    ),
    "children under another name": (
        ("x.json", NESTED, '[{"id": "a", "nodes": ["b"]}]'),
        "FILE, at 'a': expected the keys id, name, children, found 'nodes' with values",
    ),
    "text as children": (
        ("x.json", NESTED, '[{"id": "a", "children": "b"}]'),
        "FILE, at 'a': expected an object, a list or null as children, found the text 'b'",
    ),
    "list as name": (
        ("x.json", NESTED, '[{"id": "a", "name": ["b"]}]'),
        "FILE, at 'a': expected a text as name, found a list",
    ),
    "two names in JSON": (
        ("x.json", NESTED, '[{"id": "a", "name": "A"}, {"id": "a", "name": "B"}]'),
        "FILE, at 'a': expected one name for 'a', found 'A' and 'B'",
    ),
    "below itself": (
        ("x.json", NESTED, '{"a": {"b": {"a": null}}}'),
        "FILE, at 'a' > 'b' > 'a': expected a hierarchy without cycles, found '[ab]' -> '[ab]' ->",
    ),
    "lone surrogate": (("x.json", NESTED, r'["\ud800"]'), r"FILE, at .*expected an id .*U\+D800"),
    "lone surrogate in a name": (
        ("x.json", NESTED, r'[{"id": "a", "name": "\udfff"}]'),
        "FILE, at 'a': expected a name of whole characters, found",
    ),
    "empty id": (
        ("x.json", NESTED, '{" ": null}'),
        "FILE, at '': expected the id of a node, foun",
    ),
    "NaN": (("x.json", NESTED, '{"a": NaN}'), "FILE, content: expected texts, .*, found NaN"),
    "empty object": (("x.json", NESTED, "{}"), "FILE, content: expected nodes, found none"),
    "top-level text": (
        ("x.json", NESTED, '"a"'),
        "FILE, top level: expected .*, found the text 'a",
    ),
    "long key": (("x.json", NESTED, json.dumps({X: {X: 1}})), "FILE, at 'xxx.*: expected"),
    "UTF-16 JSON": (
        ("x.json", NESTED, "{}".encode("utf-16")),
        "FILE, line 1: expected text in UTF-8, found UTF-16",
    ),
    # YAML
    "YAML bomb": (("x.yaml", NESTED, BOMB), "FILE, line 1: expected values that are written out"),
    "YAML alias": (("x.yaml", NESTED, "a: *b\n"), "FILE, line 1: expected values that are written"),
    "YAML tag": (
        ("x.yaml", NESTED, "a:\n  b: !!python/object/apply:os.system [ls]\n"),
        "FILE, line 2: expected values without tags, found tag:yaml.org,2002:python/object/apply:",
    ),
    "YAML key twice": (
        ("x.yaml", NESTED, "a:\n  b:\n  b:\n"),
        "FILE, line 3: expected each key once, found 'b' again",
    ),
    "YAML list as key": (
        ("x.yaml", NESTED, "a:\n  ? [b]\n  : c\n"),
        "FILE, line 2: expected a text as key, found null, a list or a mapping",
    ),
    "two documents": (
        ("x.yaml", NESTED, "a:\n---\nb:\n"),
        "FILE, line 2: expected one document, found another one",
    ),
    "tab in YAML": (("x.yaml", NESTED, "a:\n\tb:\n"), "FILE, line 2: expected YAML, found"),
    "YAML value": (("x.yaml", NESTED, "a: b\n"), "FILE, at 'a': expected .*, found the text 'b'"),
    "bell in YAML": (("x.yaml", NESTED, "a:\n  b\x07:\n"), "FILE, .*: expected YAML, found"),
    "only a remark": (("x.yaml", NESTED, "# a\n"), "FILE, content: expected nodes, found none"),
    "nested in a table": (
        ("x.csv", NESTED, HEAD),
        "FILE, name: expected a name that ends with .json",
    ),
    # all the rest of OBO is with the ontologies
    "OBO without relation": (
        ("x.obo", OBO, "[Term]\nid: a\nrelationship: part_of b\n"),
        "FILE, content: expected terms related by 'is_a', found 'part_of'",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_hierarchy_is_refused_with_file_and_place(case, tmp_path):
    (name, options, content), message = MALFORMED[case]
    found = refusal(tmp_path / name, content, **options)
    assert re.search(message, found), found


@pytest.mark.parametrize("options", [EDGES, PATHS, NESTED, OBO, {**PATHS, "column": "p"}])
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json", ".yaml", ".obo"])
def test_folder_and_missing_file_are_refused(options, suffix, tmp_path):
    with pytest.raises(DatasetError, match="expected"):
        read_as(tmp_path / f"none{suffix}", **options)
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(DatasetError, match="expected"):
        read_as(folder, **options)


PIECES = st.sampled_from(
    [
        *("child", "parent", "path", "id", "name", "children", "a", "b", "/", ",", ";", "|", "\t"),
        *(
            "\n",
            "\r\n",
            '"',
            "'",
            "{",
            "}",
            "[",
            "]",
            ":",
            ": ",
            "- ",
            "? ",
            "&a ",
            "*a",
            "!",
            "!!str ",
        ),
        *(
            "#",
            "null",
            "~",
            "\ufeff",
            "\0",
            "\u2028",
            "[Term]",
            "id: ",
            "is_a: ",
            "\n\n",
            "---",
            "%",
            ">",
        ),
        *(
            "|",
            "relationship: part_of ",
            "is_obsolete: true",
            "format-version: 1.2",
            "<<",
            "é",
            " ",
            "  ",
        ),
    ]
)
CONTENT = st.binary() | st.lists(PIECES, max_size=40).map(lambda pieces: "".join(pieces).encode())


@example(".yaml", b"a: [\xc2\x85]")
@given(st.sampled_from([".csv", ".tsv", ".txt", ".json", ".yaml", ".obo", ".parquet"]), CONTENT)
def test_any_bytes_are_a_hierarchy_or_refused(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"any{suffix}"
    options = {
        ".csv": EDGES,
        ".tsv": {},
        ".txt": PATHS,
        ".json": NESTED,
        ".yaml": NESTED,
        ".obo": OBO,
        ".parquet": {**PATHS, "column": "path"},
    }[suffix]
    try:
        graph = read(path, content, **options)
    except (DatasetError, HierarchyError) as error:
        check_message(path, error)
    else:
        well_formed(graph)


GOOD = {
    "x.csv": 'child,parent,name\na,b,A\nb,,B\n"c, d",a,\n',
    "x.txt": "a/b/c\na\n\nd/e\n",
    "x.json": '[{"id": "a", "name": "A", "children": [{"id": "b"}, {"id": 7, "children": null}]}]',
    "x.yaml": "a:\n  b: [c, 'd', \"e\"]\n  f: {g: ~}\n# end\nh:\n- id: i\n  children: [j]",
    "x.obo": "format-version: 1.2\n\n[Term]\nid: a\nname: A ! x\n\n[Term]\nid: b\nis_a: a ! A\n",
}


@given(
    st.sampled_from(list(GOOD)),
    st.integers(0, 100),
    st.integers(0, 8),
    st.binary(max_size=4)
    | st.lists(PIECES, max_size=3).map(lambda pieces: "".join(pieces).encode()),
)
def test_damaged_hierarchy_is_read_or_refused(tmp_path_factory, name, start, length, put):
    path = tmp_path_factory.getbasetemp() / name
    content = GOOD[name].encode()
    try:
        graph = read(path, content[:start] + put + content[start + length :])
    except (DatasetError, HierarchyError) as error:
        check_message(path, error)
    else:
        well_formed(graph)
