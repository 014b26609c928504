"""Pages say what their sources say, and no number stands in them without one."""

import importlib
from functools import cache

import pytest

from tests.numbers.claims import CLAIMS, PAGES, ROOT, Said, raw, text
from tests.numbers.coverage import Uncovered, uncovered

MODULES = """concepts core decisions evidence generated given operations performance report
transcripts validation""".split()
for module in MODULES:
    importlib.import_module(f"tests.numbers.{module}")


@pytest.fixture(autouse=True)
def _from_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages name their files from there, and commands look there for params.yaml."""
    monkeypatch.chdir(ROOT)


@cache
def said_by(name: str) -> tuple[Said, ...]:
    return tuple(CLAIMS[name]())


@pytest.mark.parametrize("name", CLAIMS)
def test_a_page_says_what_its_source_says(name: str):
    said = said_by(name)
    assert said
    for page, sentences in said:
        assert sentences
        missing = [s for s in sentences if " ".join(s.split()) not in text(page)]
        assert missing == [], page


def without_a_source(page: str) -> list[Uncovered]:
    claimed = [said for name in CLAIMS for said in said_by(name) if said.page == page]
    return uncovered(raw(page), [sentence for said in claimed for sentence in said.sentences])


@pytest.mark.parametrize("page", PAGES)
def test_every_number_of_a_page_has_a_source(page: str):
    assert without_a_source(page) == []


def test_a_number_that_nobody_claims_is_found():
    page = "# 1. Costs\n\nIt takes 3.5 s, or four\nseconds (ADR 7; `a -9`), of 1,000 [n](a2.md).\n"
    assert [(line, number) for line, number, _ in uncovered(page, [])] == [
        (3, "3.5"),
        (3, "four"),
        (4, "1,000"),
    ]
    assert [n for _, n, _ in uncovered(page, ["takes 3.5 s, or four seconds"])] == ["1,000"]


def test_what_a_page_tells_mkdocstrings_needs_no_source():
    page = "::: pipeline.errors\n    options:\n      heading_level: 2\n\nThere are 3.\n"
    assert [number for _, number, _ in uncovered(page, [])] == ["3"]


def test_what_a_picture_says_is_a_page_and_how_it_is_drawn_is_none():
    said = raw("docs/pictures/coherence.svg")
    assert "what a network says" in said
    assert "<" not in said
    assert {number for _, number, _ in uncovered(said, [])} >= {"0.9", "0.7"}


def test_in_a_fence_what_is_printed_needs_a_source_and_what_is_typed_none():
    page = (
        "```\nrarenode run --set a=1 \\\n  --seed 2\nmacro AP 0.3\n```\n\n```yaml\nseed: 4\n```\n"
    )
    assert [number for _, number, _ in uncovered(page, [])] == ["0.3"]


FOUND = {
    "Files of 10GB, 3x and 40ms": ["10", "3", "40"],
    "with 2048 nodes, in 2048 nodes, (of 1950, as": ["2048", "2048", "1950"],
    "a count of 0 and bins 10-29": ["0"],
    "p < 0.001 in 99 of 100 runs, n > 5": ["0.001", "99", "100", "5"],
    '<img src="a1.png" alt="a gain of 3" title="4">': ["3", "4"],
    '![7 nodes](a1.png "8 of them")': ["7", "8"],
    "it takes up to\n12. That is it": ["12"],
    "first\n\n12. That is it": ["12"],
    "1. takes\n3. That is it": ["3"],
    "## 2. Three of 9\n\n# 1.5 times": ["9", "1.5"],
    "a precision of `0.93`, `.5`, `-0.2`, `10 GB`, `1, 2` or `3 %`": [
        *("0.93", ".5", "0.2", "10", "1", "2", "3"),
    ],
    "an odd ` here\n\nand 4 there `": ["4"],
    "```\nmake run   # about 4 minutes\nmake run \\\n  --seed 3  # or 5\n```": ["4", "5"],
    "```yaml\nseed: 1  # of 2\n# 3\n```\n\n```ini\na = 4\n# 5\n```": ["2", "3", "5"],
    "```sh\nnice -n 19 make  # 6 minutes\n```": ["6"],
    "at .97, or (.5)": [".97", ".5"],
    "from 1..5": ["1", "5"],
    "sixteen days, Ninety percent of a dozen seconds": ["sixteen", "Ninety", "dozen"],
    "a million years, two hundred data sets": ["million", "hundred"],
    "tenfold, or five-fold": ["ten", "five"],
    "twice as fast, half of the time, a third the cost, a quarter of the memory": [
        *("twice", "half", "third", "quarter"),
    ],
}
NOT_FOUND = [
    "hpo_eye, uint8, F1, p99, a_2nd, x.5, docs4/a.md",
    "(Lin et al., ICCV 2017), (Siddiqi 2006, *Scorecards*), (Zhou et al. 2020), NeurIPS 2020",
    "written in April 2026, published in 2020. On 2026-01-31",
    "bins: `0`, `1-9`, 10-29, 100+, and | 0 | 1-9 |",
    'a<sup>k</sup> <https://example.org/2> <!-- 3 --> [b](c4.md#5) <a href="6">',
    "Steps:\n\n1. one\n2. two\n   of them\n\n3. three",
    "## 10. Title\n\n# Title",
    "`--seed 3`, `a=4`, `uint8`, `kill -9`, `x[5]`",
    "```\n$ make run SEED=3\nA=4 make run\n```\n\n```csv\na,1\n```\n\n```python\na = 2\n```",
    "twice the number, half of the nodes, once or twice, two nodes, five kinds, as one",
]


@pytest.mark.parametrize("page", FOUND)
def test_a_number_does_not_escape(page: str):
    assert [number for _, number, _ in uncovered(f"{page}\n", [])] == FOUND[page]


@pytest.mark.parametrize("page", NOT_FOUND)
def test_what_is_no_figure_needs_no_source(page: str):
    assert uncovered(f"{page}\n", []) == []
