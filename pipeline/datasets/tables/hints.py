"""Columns that may be meant as something else, which only people can tell."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pipeline.datasets.tables.files import several, shown

if TYPE_CHECKING:
    import numpy as np

Hint = Literal["", "code", "id", "date"]
_CODES = re.compile(r"((^|[\W_])(id|zip)|code|type|class|category|kind|status)$")
_FEW = 20  # different numbers: more are a measure rather than a code
_OFTEN = 10  # rows of a number, on average
_LEAST = 10  # rows: of fewer, numbers differ by chance
_KEPT = 1 << 17  # numbers of a column


@dataclass
class Whole:
    """What is known of a column as long as its numbers are whole ones, while its blocks go by."""

    few: set[float] | None = field(default_factory=set[float])  # None: too many
    apart: bool = True  # so far, each row has another number
    rising: bool = True
    last: float = float("-inf")
    seen: "list[np.ndarray]" = field(default_factory=list["np.ndarray"])

    def see(self, numbers: Any) -> None:
        """Take in numbers: Float64, null where there is none."""
        import numpy as np

        if (self.few is None and not self.apart) or len(numbers) == numbers.null_count:
            return
        found: np.ndarray = numbers.drop_null().to_numpy()
        if (found != np.floor(found)).any():
            self.few, self.apart, self.seen = None, False, []
            return
        different = np.unique(found)
        if self.few is not None:
            self.few = {*self.few, *different[: _FEW + 1].tolist()}
            self.few = None if len(self.few) > _FEW else self.few
        self.rising = self.rising and self.last < found[0] and bool((np.diff(found) > 0).all())
        self.last = float(found[-1])
        self.apart = self.apart and len(different) == len(found) == len(numbers)
        if self.apart and not self.rising and sum(map(len, self.seen)) > _KEPT:
            self.apart = False  # which is not known, and not worth the memory
        if self.apart and sum(map(len, self.seen)) <= _KEPT:
            self.seen.append(different)

    def hint(self, name: str, rows: int) -> Hint:
        """What a numeric column may be, now that all rows are known."""
        import numpy as np

        if self.few is not None and len(self.few) * _OFTEN <= rows:
            return "code" if _CODES.search(name.strip().casefold()) else ""
        if self.apart and rows >= _LEAST:
            if self.rising or len(np.unique(np.concatenate(self.seen))) == rows:
                return "id"
        return ""


def described(codes: Sequence[str], ids: Sequence[str], dates: Sequence[str]) -> Iterator[str]:
    """Lines that say what columns may be instead, and how to say so."""
    if codes:
        yield (
            f"{several(codes)}: taken as numeric, with few whole numbers. If they are codes, "
            f"--categorical {_said(codes[0])} makes a category"
        )
    if ids:
        yield (
            f"{several(ids)}: taken as numeric, with another whole number in each row. --id "
            f"{_said(ids[0])} names examples by it, --ignored {_said(ids[0])} sets it aside"
        )
    if dates:
        verbs = ("look", "are") if dates[1:] else ("looks", "is")
        yield (
            f"{several(dates)} {verbs[0]} like dates, and {verbs[1]} not read as such. Only "
            "ISO 8601 is, 2026-01-31: write it so in the file (in pandas, pd.to_datetime with "
            f"format=, then .dt.strftime('%Y-%m-%d')), or --ignored {_said(dates[0])} sets it aside"
        )


def _said(name: str) -> str:
    """A column's name as a command line takes it; what cannot be typed is shown at least."""
    return name if re.fullmatch(r"\w[\w.-]{0,59}", name) else shown(name)
