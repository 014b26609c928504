"""What was measured once is labelled as such, and decisions and pages lead there."""

import re
from pathlib import Path

import pytest

from tests.numbers.claims import ROOT, text

FOLDER, LIST = ROOT / "benchmarks" / "notebook", "README.md"
NOTEBOOK = sorted(path for path in FOLDER.glob("*.md") if path.name != LIST)
MEASURED = (
    "**Measured once, and not again.** No command makes these figures again, and the code has "
    "changed since: they say "
)
OF_A_DECISION = "why something was decided, not what the software does today."
OF_A_PAGE = "what was found then, not what the software does today."


def is_of_a_decision(path: Path) -> bool:
    """Whether figures are of a decision, else of a page of the documentation."""
    return path.name[0].isdecimal()


def leads_here(path: Path) -> str:
    """The page that they were taken from, and that leads to them."""
    return f"docs/adr/{path.name}" if is_of_a_decision(path) else f"docs/{path.name}"


@pytest.mark.parametrize("path", NOTEBOOK, ids=lambda path: path.stem)
def test_a_page_of_the_notebook_says_what_it_is(path: Path):
    whole = text(path.relative_to(ROOT).as_posix())
    head, figures = whole.split(" | code | ")
    if is_of_a_decision(path):
        number = int(path.name[:4])
        assert whole.startswith(f"# What was measured for ADR {number}: ")
        assert MEASURED + OF_A_DECISION in head
        assert f"| decision | [ADR {number}](../../docs/adr/{path.name}) |" in head
    else:
        assert whole.startswith("# What was measured for the page on ")
        assert MEASURED + OF_A_PAGE in head
        assert f"| page | [{path.name}](../../docs/{path.name}) |" in head
    assert re.search(r"\| written \| 20\d\d-\d\d-\d\d, with commit `[0-9a-f]{7}`", head)
    assert re.search(r"\| data \| \w", head)
    assert re.search(r"\d", figures)


@pytest.mark.parametrize("path", NOTEBOOK, ids=lambda path: path.stem)
def test_a_page_of_the_notebook_is_led_to(path: Path):
    link = f"[notebook](../benchmarks/notebook/{path.name})"
    if is_of_a_decision(path):
        link = f"What was measured: [notebook](../../benchmarks/notebook/{path.name})."
    assert link in text(leads_here(path))


def test_the_notebook_lists_its_pages():
    whole = text(f"benchmarks/notebook/{LIST}")
    assert re.findall(r"- \[\S+\]\((\S+\.md)\)", whole) == [path.name for path in NOTEBOOK]
    assert "**No command makes these figures again**" in whole
