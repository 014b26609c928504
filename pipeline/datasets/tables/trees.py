"""JSON and YAML as plain values, read strictly: every scalar is the text that stands there.

A Value is a text, None, a list of Values or a dict from texts to Values. So the ids 007, 1e5, no
and 2020-01-01 stay what they are, and nothing can be constructed but texts.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from ruamel.yaml import YAML, YAMLError

from pipeline.datasets.tables import files

Value = Any  # str | None | list[Value] | dict[str, Value]
_DEEPEST = 200  # levels of YAML, in which its parser is slow; JSON's has its own bound
_NULLS = ("", "~", "null", "Null", "NULL")


def read_json(path: Path) -> Value:
    """Read a JSON file.

    Raises:
        DatasetError: it is no JSON, has a key twice in an object, or is too deep.
    """
    text = "".join(files.lines(path))

    def once(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
        again = files.twice(key for key, _ in pairs)
        if again is not None:
            files.refuse(
                path, f"key {files.shown(again)}", "each key once in an object", "it again"
            )
        return dict(pairs)

    def refuse_constant(name: str) -> NoReturn:
        files.refuse(path, "content", "texts, numbers, objects and lists", name)

    try:
        return json.loads(
            text,
            object_pairs_hook=once,
            parse_int=str,
            parse_float=str,
            parse_constant=refuse_constant,
        )
    except json.JSONDecodeError as error:
        files.refuse(path, f"line {error.lineno}", "JSON", f"{error.msg} (column {error.colno})")
    except RecursionError:
        files.refuse(path, "content", "objects in each other some hundreds deep at most", "more")


def read_yaml(path: Path) -> Value:
    """Read a YAML file with one document, without tags, anchors and aliases.

    Raises:
        DatasetError: it is no such YAML, has a key twice in a mapping, or is too deep.
    """
    try:
        # Events need no recursion, and know no types that a text could be taken for. The compiled
        # parser is of YAML 1.1 and would refuse [HP:1].
        text = "".join(files.lines(path))
        return _build(path, text, YAML(typ="safe", pure=True).parse(text))
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "content" if mark is None else f"line {mark.line + 1}"
        problem = str(getattr(error, "problem", None) or error).partition("\n")[0]
        files.refuse(path, place, "YAML", files.cut(problem.removeprefix("found "), 200))


def _build(path: Path, text: str, events: Iterator[Any]) -> Value:
    """The value of the one document.

    An open list or mapping is on the stack with its pending key, which only a mapping has.
    """
    result: list[Value] = []
    stack: list[tuple[Any, list[str]]] = [(result, [])]
    for event in events:
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "AliasEvent" or getattr(event, "anchor", None) is not None:
            files.refuse(path, f"line {line}", "values that are written out", "an anchor or alias")
        if getattr(event, "tag", None) is not None and kind != "DocumentStartEvent":
            files.refuse(path, f"line {line}", "values without tags", files.cut(str(event.tag)))
        if kind == "DocumentStartEvent" and result:
            files.refuse(path, f"line {line}", "one document", "another one")
        if kind in ("MappingEndEvent", "SequenceEndEvent"):
            stack.pop()
            continue
        if kind == "ScalarEvent":
            # The parser takes [?a] for a mapping, and so would lose a character of an id.
            if text[event.start_mark.index - 1 : event.start_mark.index] == "?":
                files.refuse(path, f"line {line}", "quotes around texts that start with ?", "none")
            plain = event.style in (None, "")
            value: Value = None if plain and event.value in _NULLS else event.value
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            value = {} if kind == "MappingStartEvent" else []
        else:
            continue
        container, key = stack[-1]
        if isinstance(container, list):
            container.append(value)
        elif key:
            container[key.pop()] = value
        elif not isinstance(value, str):
            files.refuse(path, f"line {line}", "a text as key", "null, a list or a mapping")
        elif value in container:
            files.refuse(path, f"line {line}", "each key once", f"{files.shown(value)} again")
        else:
            key.append(value)
        if isinstance(value, dict | list):
            stack.append((value, []))
            if len(stack) > _DEEPEST:
                files.refuse(path, f"line {line}", f"{_DEEPEST} levels at most", "more")
    return result[0] if result else None
