"""Whether a challenger takes the champion's place: by declared margins, and by nothing else.

It does if for every figure the lower end of the 95 % interval of challenger minus champion is at
least minus the margin: not that it is better, but that it is not worse by more than that, as in
trials of non-inferiority. A figure that is not defined, such as one of nodes without a positive,
does not count; if none is, nothing is promoted.
"""

from typing import Any, NamedTuple

from pipeline.config.sections import Margins, Retrain

FEWEST_GROUPS = 20  # of fewer, a bootstrap says next to nothing
_LABELS = {"micro_ap": "micro AP", "macro_ap": "macro AP"}


class Verdict(NamedTuple):
    """The decision.

    Attributes:
        promote: whether the challenger takes the champion's place.
        why: in a sentence.
        figures: those of the comparison, each with its `margin` and whether it `holds`; None where
            it does not count.
    """

    promote: bool
    why: str
    figures: list[dict[str, Any]]


def judge(comparison: dict[str, Any], retrain: Retrain) -> Verdict:
    """Decide by what `compare` found."""
    figures = [_judged(figure, retrain.margins) for figure in comparison["figures"]]
    if comparison["reason"] is not None:
        return Verdict(False, f"not compared: {comparison['reason']}", figures)
    holdout = comparison["holdout"]
    if holdout["groups"] < FEWEST_GROUPS:
        return Verdict(
            False,
            f"not compared: expected at least {FEWEST_GROUPS} groups of test examples that neither "
            f"has learnt from, as intervals are drawn by group, found {holdout['groups']}",
            figures,
        )
    if holdout["examples"] < retrain.min_examples or not holdout["with_positive"]:
        return Verdict(
            False,
            f"not compared: expected at least {retrain.min_examples} test examples that neither "
            "has learnt from (retrain.min_examples), and a positive among them, found "
            f"{holdout['examples']} and {holdout['with_positive']} nodes with a positive",
            figures,
        )
    counting = [figure for figure in figures if figure["holds"] is not None]
    if not counting:
        return Verdict(False, "not compared: no figure that has a margin is defined", figures)
    worse = [figure for figure in counting if not figure["holds"]]
    if worse:
        said = "; ".join(_said(figure) for figure in worse)
        return Verdict(False, f"it may be worse by more than the margin: {said}", figures)
    names = ", ".join(label(figure["name"]) for figure in counting)
    return Verdict(True, f"not worse by more than the margins in {names}", figures)


def label(name: str) -> str:
    """A figure's name for people."""
    first, _, rest = name.partition("/")
    if first == "macro_f1":
        return f"macro F1 ({rest})"
    if rest:
        return f"{_LABELS[first]}, {rest.removeprefix('rarity=')} positives"
    return _LABELS[first]


def difference(figure: dict[str, Any]) -> str:
    """Challenger minus champion, with its interval."""
    if figure["ci95"] is None:
        return "not defined"
    low, high = figure["ci95"]
    return f"{figure['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"


def _judged(figure: dict[str, Any], margins: Margins) -> dict[str, Any]:
    first, _, rest = figure["name"].partition("/")
    margin: float | None = getattr(margins, "rarity" if rest.startswith("rarity=") else first)
    holds = None
    if margin is not None and figure["ci95"] is not None:
        holds = figure["ci95"][0] >= -margin
    return figure | {"margin": margin, "holds": holds}


def _said(figure: dict[str, Any]) -> str:
    return f"{label(figure['name'])} {difference(figure)}, margin {figure['margin']:g}"
