"""docs/troubleshooting.md quotes messages as the code has them."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
QUOTED = [
    line for block in re.findall(r"```text\n(.*?)```", PAGE, re.S) for line in block.splitlines()
]
GAP = "\0"  # what a message fills in


@cache
def written() -> tuple[str, ...]:
    """Every text of the code, with gaps where something is filled in."""
    found: set[str] = set()
    for file in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "flows").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else GAP for p in node.values)
                found.add("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return tuple(found)


def fragments(message: str) -> list[str]:
    """What a quoted message says in the code's own words."""
    return [part.strip() for part in message.split("…") if re.search(r"\w{2}", part)]


def pattern(message: str) -> re.Pattern[str]:
    """Of texts that hold all fragments in their order, with a gap between two of them."""
    return re.compile(rf"\s*{GAP}.*?".join(map(re.escape, fragments(message))), re.S)


def test_many_messages_are_quoted():
    assert len(QUOTED) > 40
    assert len(set(QUOTED)) == len(QUOTED)


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_stands_in_the_code(message: str):
    assert fragments(message)
    wanted = pattern(message)
    assert any(wanted.search(text) for text in written()), message


def test_a_message_that_nobody_writes_is_noticed():
    wanted = pattern("expected a writable folder … in …, found that it is too late")
    assert not any(wanted.search(text) for text in written())
