"""One palette for every picture and table, and one order for the methods.

A picture is drawn in the plain colours below, so that its file can be looked at anywhere. Where it
stands in the page, each of these colours becomes a CSS variable, which is how it follows the
reader's light or dark theme.
"""

from collections.abc import Iterable

# Every value is unique: it is also the key by which the page finds it in a picture.
INK = "#1c2126"
MUTED = "#6b747d"
GRID = "#dde2e6"
PAPER = "#fefefe"  # behind a picture on its own; transparent in the page
ACCENT = "#0b66a8"
ON = "#fffffe"  # letters on a mark

# Okabe and Ito's colours, darkened where white paper asks for it: they stay apart for colour-blind
# readers. The page's style sheet holds the same ones, and lighter ones for dark themes.
_METHOD_COLOURS = {
    "ours": "#0b66a9",
    "weighted": "#6b54b8",
    "mcloss": "#d55e00",
    "bce": "#008a64",
    "prior": "#7d868e",
    "other-1": "#b4588f",
    "other-2": "#a27a00",
    "other-3": "#4f9fd0",
    "other-4": "#8a5a44",
}
# Methods differ in shape too, not by colour alone: matplotlib's marker, and the same for the key
# beside the pictures, in a box from -6 to 6.
_SHAPES = {
    "ours": ("o", "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z"),
    "weighted": ("H", "M-5.5 0L-2.8-4.8h5.6L5.5 0L2.8 4.8h-5.6z"),
    "mcloss": ("s", "M-4.5-4.5h9v9h-9z"),
    "bce": ("D", "M0-6L6 0L0 6L-6 0z"),
    "prior": ("^", "M0-5L5.5 5h-11z"),
    "other-1": ("v", "M0 5L5.5-5h-11z"),
    "other-2": ("P", "M-2-5.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5v-4h3.5z"),
    "other-3": (
        "X",
        "M0-2.5L3-5.5L5.5-3L2.5 0L5.5 3L3 5.5L0 2.5L-3 5.5L-5.5 3L-2.5 0L-5.5-3L-3-5.5z",
    ),
    "other-4": ("<", "M-5.5 0L5-5.5v11z"),
}

VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    PAPER: "--picture",
    ACCENT: "--accent",
    ON: "--raised",
    **{colour: f"--m-{key}" for key, colour in _METHOD_COLOURS.items()},
}


def in_order(methods: Iterable[str]) -> list[str]:
    """The learned methods as given, then `prior`: what learns nothing closes the list."""
    methods = list(methods)
    return [m for m in methods if m != "prior"] + [m for m in methods if m == "prior"]


def keys(methods: Iterable[str]) -> dict[str, str]:
    """The palette key of each method: its family's own, else the next free one.

    `weighted/paper` is of the family `weighted`; so is a plain `weighted`, as the study says.
    """
    found: dict[str, str] = {}
    taken: dict[str, str] = {}  # family -> the method that has its colour
    free = [key for key in _METHOD_COLOURS if key.startswith("other-")]
    others = 0
    for method in methods:
        family = method.split("/")[0]
        first = taken.setdefault(family, method)
        if method == family and first in found:
            found[method] = found[first]
        elif first == method and family in _METHOD_COLOURS:
            found[method] = family
        else:  # more methods than colours share them: the tables still name each
            found[method] = free[others % len(free)]
            others += 1
    return found


def colour(key: str) -> str:
    """The colour of a palette key."""
    return _METHOD_COLOURS[key]


def marker(key: str) -> str:
    """The matplotlib marker of a palette key."""
    return _SHAPES[key][0]


def outline(key: str) -> str:
    """The same shape as an SVG path."""
    return _SHAPES[key][1]
