"""What the columns of a table hold: found out once by `rarenode init`, kept to by every later run.

Text is looked at as a whole: a column is numeric where all of its values are numbers. Where nearly
all are, what is not is an error that is named, never a reason to take numbers for names.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipeline.datasets.tables import frames, hints, offenders
from pipeline.datasets.tables.commas import Commas, pointed
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.hints import Hint, Whole
from pipeline.datasets.tables.offenders import Wrong
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.refusals import refuse
from pipeline.datasets.tables.values import (
    COMPACT_DATE,
    COMPACT_ENDS,
    DATE,
    MOSTLY,
    NUMBER,
    OTHER_DATE,
    SHORT_DATE,
    SURELY,
    SURELY_SHORT,
    compute,
    finite,
    first,
    is_text,
    numbers_of,
    text_of,
)
from pipeline.errors import DatasetError

INDEX = re.compile(r"__index_level_\d+__")  # what pandas calls an index that has no name
Kind = Literal["numeric", "categorical", "boolean", "date", "text", "image", "ignored"]
TRUE, FALSE = ("true", "yes", "t", "y"), ("false", "no", "f", "n")
_CATEGORIES = 1000  # at most; more names of things are text, or ids
_OFTEN = 10  # rows of a value on average: no text repeats like that
_WRONG = "see what is wrong"
_WORDS = 2.0  # of a value on average: a text


@dataclass
class Summary:
    """What a column was found to hold.

    Attributes:
        name: of the column.
        kind: what it is good for.
        rows: how many there are.
        missing: how many of these have no value.
        distinct: different values of text, None where they were too many to count.
        low, high: of numbers.
        why: in a few words, where `kind` may surprise.
        hint: what numbers, or a text, may be instead.
    """

    name: str
    kind: Kind
    rows: int = 0
    missing: int = 0
    distinct: int | None = None
    low: float | None = None
    high: float | None = None
    why: str = ""
    hint: Hint = ""


def understand(
    path: Path, said: Mapping[str, Kind] | None = None, problems: Problems = AT_ONCE
) -> list[Summary]:
    """Look at every value of every column, a block of rows at a time.

    Args:
        path: the table.
        said: what columns are, whatever they look like.
        problems: take what is wrong with columns, which are ignored then.

    Raises:
        DatasetError: see `frames.blocks`; a column holds numbers or dates almost throughout, or a
            number is infinite.
    """
    said = said or {}
    columns = {name: _Column(path, name, said=said.get(name)) for name in frames.names(path)}
    stopped: dict[str, DatasetError] = {}
    rows = 0
    for block in frames.blocks(path):
        rows += block.table.num_rows
        for name, column in columns.items():
            if name not in stopped:
                try:
                    column.see(block.table.column(name), block.first)
                except DatasetError as error:
                    stopped[name] = error
    found: list[Summary] = []
    broken: dict[str, tuple[Wrong, str]] = {}
    for name, column in columns.items():
        if name in stopped:
            found.append(Summary(name, "ignored", rows, why=_WRONG))
            broken[name] = offenders.infinite, f"a finite number in column {shown(name)}"
        else:
            found.append(column.summary(problems))
            if column.wrong is not None:
                broken[name] = column.wrong
    there = offenders.look(problems, path, broken)
    for name, error in stopped.items():
        if name not in there:
            with problems.collecting(path):
                raise error
    return found


def described(columns: list[Summary]) -> Iterator[str]:
    """Lines that say what was found, by kind, and what may be meant as something else."""
    by_kind: dict[str, list[Summary]] = {}
    for column in columns:
        by_kind.setdefault(column.kind, []).append(column)
    for kind, mine in by_kind.items():
        mine = sorted(mine, key=lambda column: not column.why)  # what may surprise is not cut off
        parts = [shown(column.name) + (f" ({column.why})" if column.why else "") for column in mine]
        more = f", … {len(parts) - 5} more" if len(parts) > 5 else ""
        yield f"{len(mine):,} {kind}: {', '.join(parts[:5])}{more}"
    numeric = by_kind.get("numeric", [])
    codes, ids = ([c.name for c in numeric if c.hint == hint] for hint in ("code", "id"))
    dates = [column.name for column in columns if column.hint == "date"]
    yield from hints.described(codes, ids, dates)


@dataclass
class _Column:
    """A column while its blocks go by."""

    path: Path
    name: str
    rows: int = 0
    missing: int = 0
    low: float = float("inf")
    high: float = float("-inf")
    typed: Kind | None = None  # as the file says
    said: Kind | None = None  # by the user
    matches: dict[str, int] = field(default_factory=dict[str, int])  # pattern -> how many have it
    # pattern -> the first value that has it not, and its row
    others: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])
    distinct: set[str] | None = field(default_factory=set[str])
    words: int = 0
    commas: Commas = field(default_factory=Commas)
    whole: Whole = field(default_factory=Whole)
    wrong: tuple[Wrong, str] | None = None  # what to name, and what was expected

    def see(self, values: Any, start: int) -> None:
        """Take in a block whose first row has this number."""
        import pyarrow as pa

        self.rows += len(values)
        if is_text(values.type):
            self._see_text(values, start)
            if pa.types.is_dictionary(values.type):  # categories, whatever they are called
                self.typed = "categorical"
        else:
            self._see_typed(values, start)

    def _see_typed(self, values: Any, start: int) -> None:
        import pyarrow as pa

        pc, kind, types = compute(), values.type, pa.types
        if types.is_null(kind):
            self.missing += len(values)
            return
        if types.is_boolean(kind):
            self.typed = "boolean"
            self.missing += values.null_count
        elif types.is_date(kind) or types.is_timestamp(kind):
            self.typed = "date"
            self.missing += values.null_count
        elif types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            self.typed = "numeric"
            numbers = pc.cast(values, pa.float64(), safe=False)
            known = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
            self.missing += known.null_count
            self._see_numbers(known, start)
        else:
            wanted = f"numbers, text, truth values or dates in column {shown(self.name)}"
            refuse(self.path, wanted, str(kind)[:60])

    def _see_text(self, values: Any, start: int) -> None:
        pc = compute()
        numbers = finite(values)
        if numbers is None:
            values = text_of(values)
            numbers = numbers_of(values)
        self.missing += values.null_count
        known = len(values) - values.null_count
        if not known:
            return
        if numbers.null_count == values.null_count:
            self._count(NUMBER, known)
            ends = pc.min_max(numbers).as_py()
            if COMPACT_ENDS[0] <= ends["min"] and ends["max"] <= COMPACT_ENDS[1]:
                compact = pc.match_substring_regex(values, COMPACT_DATE)
                self._count(COMPACT_DATE, pc.sum(compact).as_py() or 0)
            self._remember(DATE, pc.is_valid(values), values, start)
        else:
            for pattern in (NUMBER, DATE):
                has = pc.match_substring_regex(values, pattern)
                self._count(pattern, pc.sum(has).as_py() or 0)
                self._remember(pattern, pc.invert(has), values, start)
            dated = pc.match_substring_regex(values, OTHER_DATE)
            self._count(OTHER_DATE, pc.sum(dated).as_py() or 0)
            short = pc.match_substring_regex(values, SHORT_DATE)
            if number := pc.sum(short).as_py():
                self._count(SHORT_DATE, number)
                sure = pc.and_(short, pc.match_substring_regex(values, SURELY_SHORT))
                self._count(SURELY_SHORT, pc.sum(sure).as_py() or 0)
        self.commas.see(values, numbers, start)
        if numbers.null_count == values.null_count:
            self.words += known
        else:
            if self.commas.commas:
                numbers = numbers_of(pointed(values))
            self.words += pc.sum(pc.count_substring_regex(values, r"\S+")).as_py() or 0
        self._see_numbers(numbers, start)
        # Numbers, too: what a column is must not depend on which of its rows come first.
        if self.distinct is not None:
            self.distinct.update(pc.unique(values.drop_null()).to_pylist())
            if len(self.distinct) > 20 * _CATEGORIES:
                self.distinct = None

    def _count(self, pattern: str, number: int) -> None:
        self.matches[pattern] = self.matches.get(pattern, 0) + number

    def _remember(self, pattern: str, mask: Any, values: Any, start: int) -> None:
        """Keep the first value that is not of a pattern."""
        if pattern not in self.others and (place := first(mask)) is not None:
            self.others[pattern] = (start + place, values[place].as_py())

    def _see_numbers(self, numbers: Any, start: int) -> None:
        pc = compute()
        place = first(pc.is_inf(numbers))
        if place is not None:
            wanted = f"a finite number in column {shown(self.name)}"
            refuse(self.path, wanted, str(numbers[place].as_py()), start + place)
        ends = pc.min_max(numbers).as_py()
        if ends["min"] is not None:
            self.low, self.high = min(self.low, ends["min"]), max(self.high, ends["max"])
        self.whole.see(numbers)

    def summary(self, problems: Problems) -> Summary:
        """What it is, now that all rows are known."""
        known = self.rows - self.missing
        found = Summary(self.name, "ignored", self.rows, self.missing)
        if self.said is None and (not known or INDEX.fullmatch(self.name)):
            found.why = "an index of pandas; --id takes it" if known else "no value"
            return found
        if self.said is not None:
            found.kind, found.why = self.said, "as you say"
        else:
            found.kind, found.why = (
                (self.typed, "") if self.typed else self._kind_of_text(known, problems)
            )
            if self._looks_like_dates(found, known):
                found.why, found.hint = "looks like dates", "date"
            elif found.kind == "numeric" and known == self.rows:
                found.hint = self.whole.hint(self.name, self.rows)
        if found.kind == "numeric":
            found.low, found.high = self.low, self.high
        elif not self.typed and self.distinct is not None and NUMBER in self.others:
            found.distinct = len(self.distinct)
        return found

    def _looks_like_dates(self, found: Summary, known: int) -> bool:
        """Whether values that are read as something else are most likely dates."""
        if self.typed or self.said is not None or found.kind == "date" or found.why == _WRONG:
            return False
        count = self.matches.get
        short = count(SHORT_DATE, 0)
        if count(SURELY_SHORT, 0) < SURELY * short:
            short = 0
        return count(OTHER_DATE, 0) + short >= MOSTLY * known or count(COMPACT_DATE, 0) == known

    def _kind_of_text(self, known: int, problems: Problems) -> tuple[Kind, str]:
        wanted: tuple[tuple[str, Kind, str, Wrong], ...] = (
            (NUMBER, "numeric", "a number", offenders.no_number),
            (DATE, "date", "a date such as 2026-01-31", offenders.no_date),
        )
        column, commas = f"in column {shown(self.name)}", self.commas
        if commas.throughout and 2 * commas.commas >= known:
            return "numeric", "with decimal commas"
        for pattern, kind, what, wrong in wanted:
            matching = self.matches.get(pattern, 0)
            if matching == known:
                return kind, ""
            if matching >= MOSTLY * known and not commas.throughout:
                self.wrong = wrong, f"{what} {column}, as {matching:,} of {known:,} values are"
                return "ignored", _WRONG
        if commas.most:
            self.wrong = offenders.no_comma, f"a number with a decimal comma {column}, as most are"
            return "ignored", _WRONG
        if commas.doubtful:
            self._doubt(problems)
            return "ignored", _WRONG
        if self.distinct is not None and {v.casefold() for v in self.distinct} <= {*TRUE, *FALSE}:
            return "boolean", ""
        # Names of several words, such as countries, are names all the same.
        if self.distinct is not None and len(self.distinct) <= min(_CATEGORIES, known // _OFTEN):
            return "categorical", ""
        if self.words / known >= _WORDS:
            return "text", ""
        if self.distinct is None or len(self.distinct) == known > 1:
            return "ignored", "tells apart (nearly) every row"
        if len(self.distinct) > min(_CATEGORIES, max(2, known // 2)):
            return "ignored", f"{len(self.distinct):,} different values"
        return "categorical", ""

    def _doubt(self, problems: Problems) -> None:
        """Say that there are commas which may be this or that."""
        row, value = self.others[NUMBER]
        wanted = f"numbers with a decimal point in column {shown(self.name)}"
        if self.commas.throughout:
            wanted += ", or a decimal comma in half of them at least (--numeric takes the column "
            wanted += "for numbers with decimal commas, --ignored sets it aside)"
        else:
            wanted += " (--ignored sets a column aside), or with decimal commas throughout"
        found = shown(value) + ("" if self.commas.clearly else ", which may be a thousand")
        problems.each(self.path, wanted, [row], lambda at: refuse(self.path, wanted, found, at))
