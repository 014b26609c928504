"""The numbers of a page that no claim covers.

These need none: what is typed (fences of commands and files but for their comments, inline code
with letters, options or `=`), Python, which test_docs_examples.py runs, what a page tells
mkdocstrings, addresses, numbers of headings, list items and decisions, dates, years of citations,
and names that hold a number (`NAMES`). Numbers in words need one where a unit follows, and a half,
a third and the like where they are of a time or a cost.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.hml.slices import RARITY_BINS

# Fences whose text somebody types, or that are run elsewhere.
TYPED = {"python", "pycon", "py", "ini", "yaml", "csv", "toml", "sh", "nginx"}
COMMENTED = {"ini", "yaml", "toml", "sh", "nginx"}
COMMAND = re.compile(
    r"(?:\$ |export |\w+=\S+ )?(?:\S*/)?"
    r"(?:rarenode|make|git|dvc|pip|prefect|dask|openssl|python|optuna\S*|curl|apt-get|\w+=)(?:\s|$)"
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_YEAR = r"(?:19|20)\d\d"
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_BIN = "|".join(re.escape(name) for name in RARITY_BINS if name != "0")
NAMES = re.compile(
    r"\b(?:UTF-8|ISO 8601|GPL-3(?:\.0)?|Apache-2\.0|SHA-256|64-bit key)\b"
    r"|\b(?:ADR|[Ss]ections?)\s+\d+(?:(?:,|\s+and|\s+to)\s+\d+)*"
    rf"|(?<![\w.])(?:{_BIN})(?![\w.])"
    rf"|(?<![\w.])0(?=[`\"']*(?:,|\s*\||\s+and|\s+to)\s*[`\"']*(?:{_BIN})(?![\w.]))"
    r"|\b\d{4}-\d\d-\d\d(?:T[\d:]+)?\b"
    rf"|\b(?:{_MONTHS})\s+{_YEAR}\b|\bin\s+{_YEAR}\b(?=[.,;:)])"
    rf"|\b(?:NeurIPS|ICCV|CVPR|AISTATS|TMLR)\s+{_YEAR}\b"
)
# Within parentheses, behind a name.
_CITED = re.compile(rf"(?:\bet al\.|\b[A-Z][a-z]+),?\s+{_YEAR}[a-z]?(?=[,;)])")
_UNITS = (
    r"(?:CPU\s+|times\s+|more\s+)?"
    r"(?:(?:milli)?seconds?|minutes?|hours?|days?|weeks?|months?|years?|times|GB|MB|kB|percent|"
    r"per\s+cent|%|data\s+sets)"
)
_NAMED = (
    "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|"
    "thousand|million|dozen"
)
_OF_A_WHOLE = r"as|(?:of\s+)?the\s+(?:CPU\s+)?(?:time|cost|memory)"
NUMBER = re.compile(
    r"(?<!\w)(?<!\w\.)(?:\d(?:[\d,]*\d)?(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?"
    rf"|\b(?:{_NAMED})\b(?=(?:\s+to\s+\w+)?\s+{_UNITS}(?!\w))"
    rf"|\b(?:{_NAMED})(?=-?fold\b)"
    rf"|\b(?:twice|half|thirds?|quarters?)\b(?=\s+(?:{_OF_A_WHOLE})\b)",
    re.I,
)
# What stands in backticks is typed, or a name, but for a number with nothing else.
_CODE = re.compile(r"`((?:(?!\n\s*\n)[^`])+)`")
_ONE = r"[±+\u2212-]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:e[+-]?\d+)?(?:\s?(?:m?s|[GMk]B|%))?"
_BARE = re.compile(rf"\s*{_ONE}(?:[\s,;\u2013-]+{_ONE})*\s*")


class Uncovered(NamedTuple):
    """A number of a page without a claim."""

    line: int
    number: str
    around: str


def uncovered(page: str, sentences: Iterable[str]) -> list[Uncovered]:
    """The numbers of a page's text that none of these sentences holds."""
    masked = [*page]
    for start, end in [*_needs_none(page), *_covered(page, sentences)]:
        masked[start:end] = [c if c == "\n" else " " for c in page[start:end]]
    rest = "".join(masked)
    return [
        Uncovered(
            page.count("\n", 0, found.start()) + 1,
            found[0],
            " ".join(page[max(0, found.start() - 40) : found.end() + 40].split()),
        )
        for found in NUMBER.finditer(rest)
    ]


def _covered(page: str, sentences: Iterable[str]) -> Iterator[tuple[int, int]]:
    for sentence in sentences:
        pattern = r"\s+".join(re.escape(word) for word in sentence.split())
        for found in re.finditer(pattern, page):
            yield found.span()


def _needs_none(page: str) -> Iterator[tuple[int, int]]:
    prose = [*page]
    for fence in re.finditer(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", page, re.M | re.S):
        start, end = fence.span(2)
        if fence[1] in COMMENTED:
            yield from _but_comments(page, start, end)
        elif fence[1] in TYPED:
            yield start, end
        else:
            yield from _commands(page, start, end)
        prose[fence.start() : fence.end()] = [
            c if c == "\n" else " " for c in page[fence.start() : fence.end()]
        ]
    text = "".join(prose)
    for pattern in (
        r"<!--.*?-->",  # comments
        r"^::: [^\n]*(?:\n +[^\n]*)*",  # what mkdocstrings is told
        r"\]\([^)\s]*|<https?:[^>]*>|https?://\S+",  # addresses
        r"^#+ (?:\d+\.)*(?= )",  # headings
        NAMES.pattern,
    ):
        for found in re.finditer(pattern, text, re.M | re.S):
            yield found.span()
    for code in _CODE.finditer(text):
        if not _BARE.fullmatch(code[1]):
            yield code.span()
    yield from _tags(text)
    yield from _items(text)
    for found in _CITED.finditer(text):
        if text.rfind("(", 0, found.start()) > text.rfind(")", 0, found.start()):
            yield found.span()


def _tags(text: str) -> Iterator[tuple[int, int]]:
    """Tags, without what readers see of them."""
    for tag in re.finditer(r"</?[a-zA-Z][^<>]*>", text):
        place = tag.start()
        for seen in re.finditer(r"\b(?:alt|title)=\"([^\"]*)\"", tag[0]):
            yield place, tag.start() + seen.start(1)
            place = tag.start() + seen.end(1)
        yield place, tag.end()


def _items(text: str) -> Iterator[tuple[int, int]]:
    """The numbers of lists: 1 behind a blank line, and then those that follow."""
    place, last, behind_blank = 0, 0, True
    for line in text.splitlines(keepends=True):
        item = re.match(r" *(\d+)\. ", line)
        if item and (int(item[1]) == last + 1 if last else behind_blank and int(item[1]) == 1):
            yield place, place + item.end()
            last = int(item[1])
        elif line.strip() and not line.startswith(" ") and behind_blank:
            last = 0
        behind_blank = not line.strip()
        place += len(line)


def _but_comments(page: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines that somebody types, without what stands behind a `#`."""
    place = start
    for line in page[start:end].splitlines(keepends=True):
        comment = _COMMENT.search(line)
        yield place, place + (comment.start() if comment else len(line))
        place += len(line)


def _commands(page: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines of a fence that somebody types, with what goes on behind a backslash."""
    place, goes_on = start, False
    for line in page[start:end].splitlines(keepends=True):
        if goes_on or COMMAND.match(line.lstrip()):
            yield from _but_comments(page, place, place + len(line))
            goes_on = line.rstrip().endswith("\\")
        place += len(line)
