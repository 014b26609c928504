"""Commands in pages exist: each parses against the real parser, each target of make is one."""

import argparse
import re
import shlex
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline import cli
from pipeline.config import edit, parse

ROOT = Path(__file__).parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "data" / "README.md", *(ROOT / "docs").rglob("*.md")]
    if path.parent.name != "adr"  # decisions speak of their day
}
_FENCE = re.compile(r"^ *```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.M | re.S)
_CALL = re.compile(r"^ *(?:\$ )?(?:\w+=\S+ )*(?:\.venv/bin/)?rarenode(?= )", re.M)
_INLINE = re.compile(r"`(?:\.venv/bin/)?rarenode ([^`]+)`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
# What stands in place of something: numbers have to be some.
PLACEHOLDERS = {"N": "3", "NUMBER": "3"}


def typed(text: str) -> Iterator[list[str]]:
    """The arguments of each `rarenode …` in a page's fences, without what is said beside it."""
    for fence in _FENCE.finditer(text):
        for line in fence["text"].replace("\\\n", " ").splitlines():
            if call := _CALL.match(line):
                said = re.split(r"\s{3,}", line[call.end() :].strip())[0]
                words = shlex.split(said, comments=True)
                yield [PLACEHOLDERS.get(word, word) for word in words]


def parsers(parser: argparse.ArgumentParser, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command with its options, commands of commands as `data get`."""
    options = {option for action in parser._actions for option in action.option_strings}
    yield name, options
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below, its in action.choices.items():
                yield from parsers(its, f"{name} {below}".strip())


OPTIONS = dict(parsers(cli._parser()))
TYPED = [(page, arguments) for page, text in PAGES.items() for arguments in typed(text)]
INLINE = [(page, said) for page, text in PAGES.items() for said in _INLINE.findall(text)]


@pytest.mark.parametrize(
    ("page", "arguments"), TYPED, ids=[f"{page}: {shlex.join(words)}" for page, words in TYPED]
)
def test_a_command_in_a_fence_parses(page: str, arguments: list[str]):
    asked = cli._parser().parse_args(arguments)
    assert callable(asked.command)


@pytest.mark.parametrize(("page", "said"), INLINE, ids=[f"{p}: {said}" for p, said in INLINE])
def test_a_command_in_a_text_and_its_options_exist(page: str, said: str):
    first, *rest = said.split() if not said.startswith("-") else ["", said]
    names = [name for name in OPTIONS if name == first or name.split()[:1] == [first]]
    assert names, f"{page}: there is no `rarenode {first}`"
    deeper = f"{first} {rest[0]}" if rest else first
    chosen = [deeper] if deeper in OPTIONS else names
    known = set[str]().union(*(OPTIONS[name] for name in chosen))
    assert {*_OPTION.findall(said)} <= known


def parameters() -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / "params.yaml").read_text("utf-8"))


SETTING = [
    re.findall(r"--set ['\"]?([^\s`'\"]+=[^\s`'\"]+)", line)
    for text in PAGES.values()
    for line in re.findall(r"^.*--set .*$", text, re.M)
]


def test_parameters_are_set_in_many_places():
    assert sum(map(len, SETTING)) > 5


@pytest.mark.parametrize("together", [s for s in SETTING if s], ids=" ".join)
def test_what_a_command_sets_is_a_parameter_and_fits_it(together: list[str]):
    """As a run would check it; without a study, so that a baseline can be named alone."""
    values = parameters() | {"profile": "custom"}
    values["tune"]["trials"] = 0
    for text in together:
        *sections, name = edit.assignment(text)[0].split(".")
        place = values
        for section in sections:
            assert section in place, text
            place = place[section]
        assert name in place, text
        place[name] = edit.assignment(text)[1]
    assert parse(values, "params.yaml")


def test_a_module_that_a_command_runs_is_there():
    found = set[str]()
    for text in PAGES.values():
        found |= {*re.findall(r"python -m ((?:benchmarks|pipeline|flows)[\w.]*)", text)}
    assert len(found) > 1
    assert [name for name in found if find_spec(name) is None] == []


def test_a_target_of_make_is_one():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {*re.findall(r"^([a-z-]+):", makefile, re.M)}
    named = {
        target
        for text in PAGES.values()
        for target in re.findall(r"(?:^|`)make ([a-z-]+)(?= {2,}| *$|`| [A-Z]+=)", text, re.M)
    }
    assert {"install", "run", "test", "check", "docs"} <= named <= targets


def test_there_are_commands_to_check():
    assert len(TYPED) > 40
    assert len(INLINE) > 60


@pytest.mark.parametrize(
    "line", ["rarenode run --datset x", "rarenode fly", "$ rarenode study --trials many"]
)
def test_a_command_that_does_not_exist_is_noticed(line: str, capsys: pytest.CaptureFixture[str]):
    (arguments,) = typed(f"```\n{line}      what it does\n```\n")
    with pytest.raises(SystemExit):
        cli._parser().parse_args(arguments)
    assert "error" in capsys.readouterr().err
