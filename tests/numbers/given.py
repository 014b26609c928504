"""Numbers that are nobody's measurement and no setting of ours: definitions, citations, examples.

Each with its reason. A test finds the sentence in its page; nothing else can be held against it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.numbers.claims import Said, claim, says
from tests.numbers.coverage import NUMBER

EVIDENCE, METHOD, PERFORMANCE = "docs/evidence.md", "docs/method.md", "docs/performance.md"
READING, VALIDATION = "docs/reading-the-report.md", "docs/validation.md"
_CITED = "the number of an article"
_FORMULA = "notation"
_RATIO = "what a ratio of a measured time to the least possible one means"
_PUBLISHED = "what the paper says, and what its released code does"


class Given(NamedTuple):
    """A sentence whose number comes from nowhere else."""

    page: str
    sentence: str
    why: str


GIVEN = [
    Given(EVIDENCE, "(TMLR 2026, arXiv 2602.08986)", _CITED),
    Given(METHOD, "TMLR 2026, arXiv 2602.08986 (sections 4 to 6)", _CITED),
    Given(METHOD, "y[b,j] in {0,1} is the label", _FORMULA),
    Given(METHOD, "cut to [0, 1],", "the range of a probability"),
    Given(METHOD, "the n-th copy is what lies at n - 1/2", "the middle of what is 1 broad"),
    Given(METHOD, "| focal weight (6) | floor + u^k, floor 0.25, k 1 or 2 |", _PUBLISHED),
    Given(PERFORMANCE, "- Near 1: done;", _RATIO),
    Given(PERFORMANCE, "- Below 1: what the row touches", _RATIO),
    Given(PERFORMANCE, "rows above 32 MB would", "glibc's own bound on 64 bits, mallopt(3)"),
    Given(READING, "may be far below 1 |", "the greatest F1"),
    Given(
        READING,
        "So 0.2 is much for a node that one in 500 examples has",
        "an example: a hundred times the average precision of a random ranking",
    ),
    Given(
        READING,
        "with a probability near 0.3, three in ten should be positive",
        "an example of what reliability is",
    ),
    Given(VALIDATION, "codes such as 999 for missing", "an example of what other people do"),
    Given(VALIDATION, "*Journal of Risk Model Validation* 14)", _CITED),
]


@claim
def sentences_that_are_given() -> Iterator[Said]:
    for page, sentence, why in GIVEN:
        assert why
        assert NUMBER.search(sentence)
        yield says(page, sentence)
