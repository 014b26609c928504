"""Numbers with decimal commas, as most of Europe writes them.

A column has them where its cells are numbers, none with a decimal point, and some of its commas
cannot be those of thousands, as that of 1,234 may be. That is found out for each file, so that
nothing is read in two ways: what does not fit is refused.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.datasets.tables import files, frames
from pipeline.datasets.tables.remembered import Last
from pipeline.datasets.tables.values import (
    MOSTLY,
    compute,
    finite,
    first,
    is_text,
    numbers_of,
    text_of,
)

_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"
_THOUSAND = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_CLEAR = 0.05  # of the commas, at least: one cell that is mistyped must not tell for all
_GROUPED = r"^[+-]?(\d{1,3}(,\d{3})+(\.\d+)?|\d{1,3}(\.\d{3})+,\d+)$"


@dataclass
class Commas:
    """How the numbers of a column are written, while its blocks go by.

    Attributes:
        known: cells with a value.
        numbers: of these, how many are numbers without a comma.
        points: of these, how many have a decimal point.
        commas: how many are numbers with one comma.
        clear: of these, how many have no comma of thousands.
        grouped: how many are numbers only if commas, or points, are those of thousands.
        stray: row and text of the first number with a point in a block without commas.
    """

    known: int = 0
    numbers: int = 0
    points: int = 0
    commas: int = 0
    clear: int = 0
    grouped: int = 0
    stray: tuple[int, str] | None = None

    def see(self, text: Any, numbers: Any, start: int) -> None:
        """Take in a block: what stands in the cells, what of it is a number, and its first row."""
        pc = compute()
        self.known += len(text) - text.null_count
        self.numbers += len(numbers) - numbers.null_count
        pointed = pc.and_(pc.match_substring(text, "."), pc.is_valid(numbers))
        points, before = _count(pointed), self.commas
        self.points += points
        if numbers.null_count > text.null_count:
            cells = text.filter(pc.fill_null(pc.match_substring(text, ","), False))
            with_comma = pc.match_substring_regex(cells, _COMMA)
            self.commas += _count(with_comma)
            self.clear += _count(pc.and_not(with_comma, pc.match_substring_regex(cells, _THOUSAND)))
            self.grouped += _count(
                pc.and_not(pc.match_substring_regex(cells, _GROUPED), with_comma)
            )
        if self.stray is None and points and self.commas == before:
            place = first(pointed) or 0
            self.stray = start + place, text[place].as_py()

    @property
    def clearly(self) -> bool:
        """Whether the commas tell that they are decimal ones."""
        return self.clear >= max(1, _CLEAR * self.commas)

    @property
    def decimal(self) -> bool:
        """Whether commas are decimal ones, whatever a few other cells hold."""
        fitting = self.numbers - self.points + self.commas
        return self.clearly and 4 * self.points <= self.commas and fitting >= MOSTLY * self.known

    @property
    def throughout(self) -> bool:
        """Whether all cells are numbers, and commas are decimal ones."""
        return self.decimal and not self.points and self.numbers + self.commas == self.known

    @property
    def most(self) -> bool:
        """Whether commas are decimal ones, and at least half of the numbers that fit have one."""
        return self.decimal and self.commas >= self.numbers - self.points

    @property
    def doubtful(self) -> bool:
        """Whether nearly all cells are numbers if commas are taken for this or that."""
        odd = self.commas + self.grouped
        return odd > 0 and self.numbers + odd >= MOSTLY * self.known


def pointed(text: Any) -> Any:
    """Text whose numbers have decimal points in place of commas."""
    pc = compute()
    with_comma = pc.match_substring_regex(text, _COMMA)
    return pc.if_else(with_comma, pc.replace_substring(text, ",", "."), text)


def numbers_of_commas(text: Any) -> Any:
    """Float64 of numbers without a decimal point, null for anything else."""
    import pyarrow as pa

    pc = compute()
    with_point = pc.match_substring(text, ".")
    return numbers_of(pointed(pc.if_else(with_point, pa.scalar(None, pa.string()), text)))


def _look(path: Path) -> dict[str, Commas]:
    """The columns of text, by name, that have a number with a comma."""
    found: dict[str, Commas] = {}
    for block in frames.blocks(path):
        for name in block.table.column_names:
            values = block.table.column(name)
            if is_text(values.type):
                numbers = finite(values)
                text = text_of(values) if numbers is None else values
                numbers = numbers_of(text) if numbers is None else numbers
                found.setdefault(name, Commas()).see(text, numbers, block.first)
    return {name: commas for name, commas in found.items() if commas.commas}


@dataclass
class _Reading:
    """What was found in a file, for as long as its rows go on."""

    look: Last[[], dict[str, Commas]]
    of: object = None
    found: dict[str, Commas] = field(default_factory=dict[str, Commas])
    asked: dict[str, int] = field(default_factory=dict[str, int])

    def __call__(self, path: Path, name: str, start: int) -> Commas:
        """How a column's numbers are written, asked for a block whose first row has this number.

        One pass over the file answers for all columns and blocks, also where it was changed just
        now: only who asks for the same block again may have another file before him.
        """
        files.check(path)
        status = path.stat()
        of = path, status.st_ino, status.st_size, status.st_mtime_ns
        if of != self.of or start <= self.asked.get(name, 0):
            self.found, self.of = self.look(path), of
            self.asked.clear()
        self.asked[name] = start
        return self.found.get(name, Commas())


def _count(mask: Any) -> int:
    return compute().sum(mask).as_py() or 0


written = _Reading(Last(_look, lambda _: 0))
