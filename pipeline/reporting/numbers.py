"""How figures are written: three significant digits, a true minus sign, a unit if there is one."""

import math
from collections.abc import Sequence

ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"


def score(value: float | None) -> str:
    """A figure such as an average precision: `0.517`, `0.0345`; an absent one is a dash."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:.5f}".replace("-", MINUS) if 0 < abs(value) < 1e-3 else _three_digits(value)


def signed(value: float | None) -> str:
    """A difference, its sign always shown: `+0.0123`."""
    text = score(value)
    return text if text.startswith((MINUS, ABSENT)) or text == "0" else f"+{text}"


def interval(bounds: Sequence[float] | None, *, sign: bool = False) -> str:
    """`[0.243, 0.271]`; nothing where there is none."""
    if bounds is None:
        return ""
    write = signed if sign else score
    return f"[{write(bounds[0])},{NO_BREAK}{write(bounds[1])}]"


def count(value: float | None) -> str:
    """`12,679`."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{round(value):,}"


def seconds(value: float | None) -> str:
    """`0.42 s`, `12.3 s`, `3 min 20 s`, `1 h 05 min`."""
    if value is None:
        return ABSENT
    if value < 100:
        return f"{_three_digits(value)} s"
    if value < 3600:
        return f"{int(value) // 60} min {int(value) % 60:02d} s"
    return f"{int(value) // 3600} h {int(value) % 3600 // 60:02d} min"


def megabytes(value: float | None) -> str:
    """`812 MB`, `1.42 GB`."""
    if value is None:
        return ABSENT
    return f"{count(value)} MB" if value < 1000 else f"{_three_digits(value / 1000)} GB"


def plain(value: object) -> str:
    """Whatever a JSON file holds, for a cell: numbers short, lists joined, nothing as a dash."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, float):
        return _three_digits(value)
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or ABSENT
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items()) or ABSENT
    return str(value)


def _three_digits(value: float) -> str:
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return str(value).replace("inf", "∞").replace("-", MINUS)
    size = abs(value)
    if size < 1e-4 or size >= 1e6:
        return f"{value:.2e}".replace("-", MINUS)
    decimals = max(0, 2 - math.floor(math.log10(float(f"{size:.2e}"))))
    return f"{value:,.{decimals}f}".replace("-", MINUS)
