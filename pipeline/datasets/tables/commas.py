"""Numbers with decimal commas, as most of Europe writes them.

A column has them where all of its cells are numbers, none with a decimal point, and a cell shows
that its comma is not one of thousands, as that of 1,234 may be. That is found out for each file, so
that nothing is read in two ways: a file that mixes both is refused.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.datasets.tables import frames
from pipeline.datasets.tables.remembered import Last
from pipeline.datasets.tables.values import compute, numbers_of, text_of

_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"
_THOUSAND = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_GROUPED = r"^[+-]?(\d{1,3}(,\d{3})+(\.\d+)?|\d{1,3}(\.\d{3})+,\d+)$"


@dataclass
class Commas:
    """How the numbers of a column are written, while its blocks go by.

    Attributes:
        known: cells with a value.
        numbers: of these, how many are numbers without a comma.
        points: whether one of these has a decimal point.
        commas: how many are numbers with one comma.
        clear: of these, how many have no comma of thousands.
        grouped: how many are numbers only if commas, or points, are those of thousands.
    """

    known: int = 0
    numbers: int = 0
    points: bool = False
    commas: int = 0
    clear: int = 0
    grouped: int = 0

    def see(self, text: Any, numbers: Any) -> None:
        """Take in a block: what stands in the cells, and what of it is a number."""
        pc = compute()
        self.known += len(text) - text.null_count
        self.numbers += len(numbers) - numbers.null_count
        if not self.points:
            pointed = pc.and_(pc.match_substring(text, "."), pc.is_valid(numbers))
            self.points = pc.any(pointed).as_py() is True
        if numbers.null_count > text.null_count:
            cells = text.filter(pc.fill_null(pc.match_substring(text, ","), False))
            with_comma = pc.match_substring_regex(cells, _COMMA)
            self.commas += _count(with_comma)
            self.clear += _count(pc.and_not(with_comma, pc.match_substring_regex(cells, _THOUSAND)))
            self.grouped += _count(
                pc.and_not(pc.match_substring_regex(cells, _GROUPED), with_comma)
            )

    @property
    def throughout(self) -> bool:
        """Whether all cells are numbers, and commas are decimal ones."""
        return self.clear > 0 and not self.points and self.numbers + self.commas == self.known

    @property
    def doubtful(self) -> bool:
        """Whether all cells are numbers if commas are taken for this or that."""
        odd = self.commas + self.grouped
        return odd > 0 and self.numbers + odd == self.known


def pointed(text: Any) -> Any:
    """Text whose numbers have decimal points in place of commas."""
    pc = compute()
    with_comma = pc.match_substring_regex(text, _COMMA)
    return pc.if_else(with_comma, pc.replace_substring(text, ",", "."), text)


def _look(path: Path, name: str) -> bool:
    found = Commas()
    for block in frames.blocks(path, [name]):
        text = text_of(block.table.column(name))
        found.see(text, numbers_of(text))
    return found.throughout


def _count(mask: Any) -> int:
    return compute().sum(mask).as_py() or 0


# Whether a column of text in a file has decimal commas; asked for as soon as there is one.
decimal = Last(_look, lambda _: 0, most=100)
