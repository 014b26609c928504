"""What was found, in sentences that say no more than the intervals do."""

from collections.abc import Sequence
from typing import Any, Literal

from pipeline.reporting import numbers

Verdict = Literal["higher", "lower", "open"]
_NEAREST = ("mcloss", "bce")  # `mcloss` is the ensemble without its weights

_NAMES = {
    "micro_ap": "micro AP",
    "macro_ap": "macro AP",
    "brier_skill": "Brier skill",
    "macro_f1": "macro F1",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "micro_f1": "micro F1",
}


def metric_name(key: str) -> str:
    """`macro_f1/tuned` -> `macro F1 (tuned)`, `macro_ap/depth=2` -> `macro AP (depth 2)`."""
    metric, *details = key.split("/")
    words = []
    for detail in details:
        kind, equals, value = detail.partition("=")
        if equals:
            words.append(f"{value} positives" if kind == "rarity" else f"{kind} {value}")
        else:
            words.append(detail.replace("_", " "))
    name = _NAMES.get(metric, metric.replace("_", " "))
    return f"{name} ({', '.join(words)})" if words else name


def learnt(metrics: dict[str, Any]) -> list[str]:
    """The baselines that a headline has to answer to, the nearest relative first."""
    others = [name for name in metrics["baselines"] if name != "prior"]
    return sorted(
        others, key=lambda name: _NEAREST.index(name) if name in _NEAREST else len(_NEAREST)
    )


def verdict(difference: dict[str, Any]) -> Verdict:
    """Whether the whole interval lies on one side of zero."""
    low, high = difference["ci95"]
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "open"


def sentences(metrics: dict[str, Any]) -> list[str]:
    """The headline: where the ensemble stands, and for both AP figures how it compares."""
    test, ci95 = metrics["test"], metrics.get("ci95", {})
    micro = f"{numbers.score(test['micro_ap'])} {numbers.interval(ci95.get('micro_ap'))}".strip()
    macro = f"{numbers.score(test['macro_ap'])} {numbers.interval(ci95.get('macro_ap'))}".strip()
    first = (
        f"On the test split the ensemble reaches a micro AP of {micro} and a macro AP of {macro}"
    )
    prior = metrics["baselines"].get("prior")
    if prior:
        figures = [numbers.score(prior["test"][name]) for name in ("micro_ap", "macro_ap")]
        first += f"; a prior that learns nothing reaches {figures[0]} and {figures[1]}"
    rarest = next(
        (key for key in _difference_keys(metrics) if key.startswith("macro_ap/rarity=")), None
    )
    compared = ["macro_ap", *([rarest] if rarest else []), "micro_ap"]
    if not learnt(metrics):
        return [f"{first}.", "No baseline was trained beside it."]
    return [f"{first}.", *(_comparison(metrics, key) for key in compared)]


def _difference_keys(metrics: dict[str, Any]) -> list[str]:
    """In the order of the file, so the rarest bin comes first; the bin "0" has nothing to learn."""
    found: dict[str, None] = {}
    for name in learnt(metrics):
        found.update(dict.fromkeys(metrics["baselines"][name].get("difference", {})))
    return [key for key in found if not key.endswith("rarity=0")]


def _comparison(metrics: dict[str, Any], key: str) -> str:
    groups: dict[Verdict | None, list[str]] = {}
    for name in learnt(metrics):
        baseline = metrics["baselines"][name]
        difference = baseline.get("difference", {}).get(key)
        text = name
        if baseline.get("members") != metrics.get("members"):
            count = baseline.get("members")
            plural = "" if count == 1 else "s"
            text += f" with {count} member{plural} instead of {metrics.get('members')}"
        if difference is not None:
            size = numbers.signed(difference["mean"])
            text += f" ({size} {numbers.interval(difference['ci95'], sign=True)})"
        groups.setdefault(verdict(difference) if difference else None, []).append(text)
    parts = []
    if "higher" in groups:
        parts.append(f"the ensemble is above {_and(groups['higher'])}")
    if "lower" in groups:
        parts.append(f"the ensemble is below {_and(groups['lower'])}")
    if "open" in groups:
        parts.append(
            f"there is no difference to {_and(groups['open'])} that the interval can tell from zero"
        )
    if None in groups:
        parts.append(f"no paired difference to {_and(groups[None])} is given")
    return f"In {metric_name(key)} {'; '.join(parts)}."


def _and(items: Sequence[str]) -> str:
    return " and ".join(items)
