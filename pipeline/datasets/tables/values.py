"""Values of a column, as Arrow holds them: what is text, a number or missing."""

from typing import Any

# Of text files; what databases, spreadsheets, pandas, R and Weka write where nothing is known.
MISSING = ("", "NA", "N/A", "n/a", "nan", "NaN", "NAN", "NULL", "null", "None", "?", "#N/A")
MOSTLY = 0.8  # of the values: such a column was meant to be of a kind throughout
NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$"  # ISO 8601
_DAY, _MONTH, _YEAR = r"(0?[1-9]|[12]\d|3[01])", r"(0?[1-9]|1[0-2])", r"(1[5-9]|20|21)\d\d"
_NAME = (  # of a month, in English and German
    r"(jan(uary?)?|feb(ruary?)?|m(a|ä|ae)r(ch|z)?|mrz|apr(il)?|ma[iy]|jun[ei]?|jul[iy]?|aug(ust)?"
    r"|sept?(ember)?|o[ck]t(ober)?|nov(ember)?|de[cz](ember)?)"
)
# Nothing but a time may come behind a date: texts begin with dates, too.
_TIME = (
    r"([ T,]+\d{1,2}[:.]\d{2}([:.]\d{2}([.,]\d+)?)?( ?([ap]\.?m\.?|uhr))?"
    r"( ?(z|utc|gmt|[+-]\d{2}:?\d{2}))?)?$"
)
# Day or month first, or whatever else people write: who knows which is which? None is read.
OTHER_DATE = (
    rf"(?i)^({_DAY}[./-]{_MONTH}[./-]{_YEAR}|{_MONTH}[./-]{_DAY}[./-]{_YEAR}"
    rf"|{_YEAR}[./-]{_MONTH}[./-]{_DAY}|{_YEAR}[/-](0[1-9]|1[0-2])"
    rf"|{_DAY}[. -]+{_NAME}[., -]+({_YEAR}|\d\d)|{_NAME}[. -]+{_DAY}(st|nd|rd|th)?[., ]+{_YEAR})"
    rf"{_TIME}"
)
# So may versions and ratios be (3.4.12, 1/2/10), which seldom have parts as these have.
SHORT_DATE = rf"(?i)^({_DAY}[./]{_MONTH}[./]|{_MONTH}/{_DAY}/)\d\d{_TIME}"
SURELY_SHORT = r"^(0|1[3-9]|[23]\d|\d{1,2}[./](0|1[3-9]|[23]\d))"
SURELY = 0.25  # of the short dates at least
COMPACT_DATE = r"^(1[5-9]|20|21)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$"  # if all values are
COMPACT_ENDS = (15000101, 21991231)


def compute() -> Any:
    """Arrow's functions on columns, which are made at import: no type checker knows them."""
    import pyarrow.compute

    return pyarrow.compute


def text_of(values: Any) -> Any:
    """Text of a column: Arrow strings, trimmed, null where nothing is known."""
    import pyarrow as pa

    pc = compute()
    trimmed = pc.utf8_trim_whitespace(values.cast(pa.string()))
    missing = pc.is_in(trimmed, value_set=pa.array(MISSING))
    return pc.if_else(missing, pa.scalar(None, pa.string()), trimmed)


def finite(values: Any) -> Any:
    """Float64 of text where every value is a finite number, else None.

    Most columns are numbers throughout, and this is the quickest way to see it.
    """
    import pyarrow as pa

    pc = compute()
    if values.null_count or not pa.types.is_string(values.type):
        return None
    try:
        numbers = pc.cast(values, pa.float64())
    except pa.ArrowInvalid:
        return None
    return numbers if pc.all(pc.is_finite(numbers)).as_py() else None


def numbers_of(text: Any) -> Any:
    """Float64 of text, null where it is no number."""
    import pyarrow as pa

    pc = compute()
    try:  # most columns are numbers, and this is the quickest way to see it
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        number = pc.match_substring_regex(text, NUMBER)
        return pc.cast(pc.if_else(number, text, pa.scalar(None, pa.string())), pa.float64())


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text, in whatever form."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return is_text(kind.value_type)
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def first(mask: Any) -> int | None:
    """The first true place of an Arrow mask; null counts as false."""
    import numpy as np

    found = np.flatnonzero(mask.fill_null(False).to_numpy(zero_copy_only=False))
    return int(found[0]) if len(found) else None
