"""From blocks of a table to columns of numbers and text, by what `tables.features` says."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.config.tables import Features
from pipeline.datasets.tables import commas, files, frames, kinds, offenders
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.frames import Block, refuse
from pipeline.datasets.tables.kinds import INDEX, Kind
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.values import (
    DATE,
    OTHER_DATE,
    SHORT_DATE,
    compute,
    finite,
    is_text,
    numbers_of,
    text_of,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_DAY = 86_400e6  # microseconds: in nanoseconds the year 9999 would not fit
_YEAR = 365.2425  # days


@dataclass(frozen=True)
class Column:
    """A column that becomes features."""

    name: str
    kind: Kind

    @property
    def made(self) -> tuple[str, ...]:
        """The names of what `frame` makes of it."""
        if self.kind != "date":
            return (self.name,)
        return tuple(f"{self.name}: {part}" for part in ("days", "year, sine", "year, cosine"))


@dataclass(frozen=True)
class Plan:
    """Which columns a table has, and what each is good for.

    Attributes:
        columns: those that become features, in the table's order.
        others: ids, groups, splits and what is ignored: known by name, but no features.
        id: the column of the examples' ids, None where rows are numbered.
    """

    columns: tuple[Column, ...]
    others: tuple[str, ...]
    id: str | None

    @classmethod
    def of(cls, names: Sequence[str], options: Features, path: Path) -> "Plan":
        """The plan for a table with these columns.

        Raises:
            DatasetError: a column that the options name is not there, one is there that they do not
                name, or no feature is left.
        """
        lists: dict[Kind, list[str]] = {
            "categorical": options.categorical,
            "boolean": options.boolean,
            "date": options.date,
            "text": options.text,
        }
        kind_of: dict[str, Kind] = {name: kind for kind, mine in lists.items() for name in mine}
        if options.image is not None:
            kind_of[options.image] = "image"
        others = [*options.special, *options.ignored]
        there, out = set(names), {*others} - {options.image}
        if options.numeric is not None:
            kind_of |= dict.fromkeys(options.numeric, "numeric")
        named = {*kind_of, *others}
        new = [name for name in names if name not in named]
        if missing := [name for name in (*kind_of, *others) if name not in there]:
            found = f"{several(new)} instead" if new else "none of these names"
            refuse(path, f"columns {several(missing)}, as params.yaml says", found)
        if options.numeric is not None and new:
            wanted = "the columns that params.yaml names alone (`rarenode init` looks anew)"
            refuse(path, wanted, f"{several(new)} as well")
        left = [Column(name, kind_of.get(name, "numeric")) for name in names if name not in out]
        made = [name for column in left for name in column.made]
        if (again := files.twice(made)) is not None:
            refuse(path, "other names than those that dates get", f"a column {shown(again)}")
        if not left:
            refuse(path, "a column that is a feature", f"none beside {several(others)}")
        return cls(tuple(left), tuple(others), options.id)

    @property
    def image(self) -> str | None:
        """The column of the names of images, if there is one."""
        return next((column.name for column in self.columns if column.kind == "image"), None)

    @property
    def names(self) -> tuple[str, ...]:
        """Of all columns that become features."""
        return tuple(column.name for column in self.columns)

    def check(
        self,
        names: Sequence[str],
        path: Path,
        *,
        needless: Collection[str] = (),
        ignore_unknown: bool = False,
    ) -> tuple[list[str], list[str]]:
        """Refuse a table that lacks a feature, or has a column that nobody knows.

        Args:
            names: of its columns.
            path: the table.
            needless: columns that may be missing.
            ignore_unknown: whether a column may be there that nobody knows.

        Returns:
            The needless columns that are missing, and the unknown ones that are there.

        Raises:
            DatasetError: names them.
        """
        there = set(names)
        known = {*self.names, *self.others}
        unknown = [name for name in names if name not in known and not INDEX.fullmatch(name)]
        missing = [name for name in self.names if name not in there]
        if needed := [name for name in missing if name not in needless]:
            found = f"{several(unknown)} instead" if unknown else "none of these names"
            refuse(path, f"the columns {several(needed)}, which the model learnt from", found)
        if unknown and not ignore_unknown:
            wanted = "columns that the model knows (--ignore-unknown passes over the others)"
            refuse(path, wanted, several(unknown))
        return missing, unknown


def read(path: Path, plan: Plan, problems: Problems = AT_ONCE) -> "pd.DataFrame":
    """All rows: see `frame`."""
    import pandas as pd

    parts = [frame(block, plan, path, problems) for block in frames.blocks(path, plan.names)]
    return pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]


def frame(block: Block, plan: Plan, path: Path, problems: Problems = AT_ONCE) -> "pd.DataFrame":
    """The columns of a block that become features.

    Numbers, truth values (1 and 0) and dates (days since 1970, and the place in the year as sine
    and cosine) are float32 with NaN where nothing is known; categories, text and names of images
    are text, "" where nothing is known. What `problems` take is missing there.

    Raises:
        DatasetError: a value is not of its column's kind; file, row, column and value are named.
    """
    import pandas as pd

    made: dict[str, Any] = {}
    for column in plan.columns:
        values = block.table.column(column.name)
        with problems.collecting(path):
            arrays = _converted(values, column, block.first, path, problems)
            made |= zip(column.made, arrays, strict=True)
    return pd.DataFrame(made, copy=False)


def temporal(blocks: Iterable[Any]) -> Kind:
    """What a column that orders examples in time holds throughout.

    That is dates if any value is one, or would be if it were written so that it can be read.
    """
    import pyarrow as pa

    pc, types = compute(), pa.types
    for values in blocks:
        if types.is_date(values.type) or types.is_timestamp(values.type):
            return "date"
        if is_text(values.type):
            text = text_of(values)
            patterns = (DATE, OTHER_DATE, SHORT_DATE)
            dates = (pc.match_substring_regex(text, pattern) for pattern in patterns)
            if any(pc.any(dated).as_py() for dated in dates):
                return "date"
    return "numeric"


def moments(
    values: Any, column: Column, start: int, path: Path, problems: Problems = AT_ONCE
) -> "np.ndarray":
    """Numbers, or days since 1970 of dates: float64 (row,), NaN where nothing is known.

    Args:
        values: of some rows.
        column: numeric, or a date.
        start: the number of the first row, from 1.
        path: the file.
        problems: take what is wrong.

    Raises:
        DatasetError: a value is not of the column's kind; file, row, column and value are named.
    """
    import numpy as np

    name = column.name
    if column.kind != "date" and (numbers := finite(values)) is not None:
        return numbers.to_numpy(zero_copy_only=False)
    as_text = is_text(values.type)
    known = text_of(values) if as_text else values
    if column.kind == "date":
        wanted = f"a date such as 2026-01-31 in column {shown(name)}"
        _check(known, converted := _days(known, as_text, name, path), wanted, start, path, problems)
    elif as_text:
        converted = _written(known, name, start, path, problems)
    else:
        wanted = f"a number in column {shown(name)}"
        _check(known, converted := _numbers(known, name, path), wanted, start, path, problems)
    return converted.to_numpy(zero_copy_only=False).astype(np.float64)


def _written(text: Any, name: str, start: int, path: Path, problems: Problems) -> Any:
    """Float64 of numbers as text, with commas if the column has decimal ones."""
    numbers, wanted, note = numbers_of(text), f"a number in column {shown(name)}", ""
    if numbers.null_count > text.null_count and not commas.pointed(text).equals(text):
        found = commas.written(path, name, start)
        if found.decimal:
            numbers = commas.numbers_of_commas(text)
            wanted = f"a number with a decimal comma in column {shown(name)}"
            wanted += ", as most are" if found.most else ""
            if found.stray is not None:  # which nobody would see where there is no comma beside it
                row, value = found.stray
                with problems.collecting(path):
                    refuse(path, wanted, shown(value), row)
        elif not found.clearly:
            note = ", which may be a thousand (commas must be decimal ones throughout, as in 1,5)"
    _check(text, numbers, wanted, start, path, problems, note)
    return numbers


def _check(
    known: Any,
    converted: Any,
    wanted: str,
    start: int,
    path: Path,
    problems: Problems,
    note: str = "",
) -> None:
    """Take the values that were known and could not be converted; `note` is on their commas."""
    pc, value = compute(), offenders.value(known)
    wrong = pc.and_(pc.is_valid(known), pc.is_null(converted))
    offenders.take(
        problems,
        path,
        wanted,
        wrong,
        lambda at: value(at) + (note if "," in value(at) else ""),
        start,
    )


def _converted(
    values: Any, column: Column, start: int, path: Path, problems: Problems
) -> Iterator["np.ndarray | pd.Series"]:
    """One after the other, what is called `column.made`."""
    import numpy as np
    import pyarrow as pa

    pc = compute()
    name, kind = column.name, column.kind
    as_text = is_text(values.type)
    if kind == "numeric":
        made = moments(values, column, start, path, problems)
        with np.errstate(over="ignore"):
            result = made.astype(np.float32)
        wanted = f"a number that float32 can hold in column {shown(name)}"
        offenders.take(problems, path, wanted, np.isinf(result), lambda at: str(made[at]), start)
        yield result
    elif kind == "boolean":
        truth = known = text_of(values) if as_text else values
        wanted = f"true or false in column {shown(name)}"
        if as_text:
            folded = pc.utf8_lower(known)
            true, false = (
                pc.is_in(folded, value_set=pa.array(words))
                for words in ((*kinds.TRUE, "1"), (*kinds.FALSE, "0"))
            )
            truth = pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))
            _check(known, truth, wanted, start, path, problems)
        numbers = _numbers(truth, name, path)
        legal = pc.or_(pc.is_in(numbers, value_set=pa.array([0.0, 1.0])), pc.is_nan(numbers))
        legal = pc.if_else(legal, numbers, pa.scalar(None, pa.float64()))
        _check(known, legal, wanted, start, path, problems)
        yield numbers.to_numpy(zero_copy_only=False).astype(np.float32)
    elif kind == "date":
        made = moments(values, column, start, path, problems)
        angle = 2 * np.pi * made / _YEAR
        yield made.astype(np.float32)
        yield np.sin(angle).astype(np.float32)
        yield np.cos(angle).astype(np.float32)
    else:
        words = text_of(values if as_text else frames.as_text(values, name, path))
        yield pc.fill_null(words, "").to_pandas().astype("str")


def _numbers(values: Any, name: str, path: Path) -> Any:
    """Float64 of what is typed, with null where there is no number."""
    import pyarrow as pa

    try:
        return compute().cast(values, pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        refuse(path, f"numbers in column {shown(name)}", str(values.type)[:60])


def _days(values: Any, as_text: bool, name: str, path: Path) -> Any:
    """Days since 1970, null where there is no date. Times are the clock's, zones left out."""
    import pandas as pd
    import pyarrow as pa

    pc = compute()
    if as_text:
        plain = pc.replace_substring_regex(values, r"(Z|[+-]\d{2}:?\d{2})$", "")
        plain = pc.replace_substring_regex(plain, r"(\.\d{6})\d+$", r"\1")  # microseconds will do
        dated = pc.match_substring_regex(values, DATE)
        held = pc.if_else(dated, plain, pa.scalar(None, pa.string()))
        parsed = pd.to_datetime(held.to_pandas(), format="ISO8601", errors="coerce")
        values = pa.array(parsed.astype("datetime64[us]"), from_pandas=True)
    types = pa.types
    # Arrow would take a year for microseconds.
    if not (types.is_date(values.type) or types.is_timestamp(values.type)):
        if types.is_null(values.type):
            return pa.nulls(len(values), pa.float64())
        wanted = f"dates in column {shown(name)}, or text such as 2026-01-31"
        refuse(path, wanted, f"the type {str(values.type)[:60]}")
    try:
        if types.is_timestamp(values.type) and values.type.tz is not None:
            values = pc.local_timestamp(values)
        options = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
        instants = pc.cast(values, options=options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        refuse(path, f"dates in column {shown(name)}", str(values.type)[:60])
    return pc.divide(pc.cast(pc.cast(instants, pa.int64()), pa.float64(), safe=False), _DAY)
