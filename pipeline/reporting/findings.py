"""What was found, in sentences that say no more than the intervals do."""

from collections.abc import Sequence
from typing import Any, Literal

from pipeline.reporting import numbers

Verdict = Literal["higher", "lower", "open"]
_NEAREST = ("mcloss", "bce")  # `mcloss` is the ensemble without its weights

_KINDS = {
    "network": "networks",
    "neighbours": "nearest-neighbour members",
    "forest": "forests",
    "kernel": "kernel regressions",
}
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


def networks_alone(metrics: dict[str, Any]) -> str | None:
    """The baseline that is the networks of the ensemble, which has members of other kinds too.

    The first of its family: `evaluate` puts it before the baselines that were trained.
    """
    if len(metrics.get("kinds", [])) < 2:
        return None
    return next((name for name in metrics["baselines"] if name.startswith("weighted/")), None)


def made_of(metrics: dict[str, Any]) -> str | None:
    """`10 networks, 10 nearest-neighbour members and 10 forests`; None where one kind is all."""
    kinds = metrics.get("kinds", [])
    if len(kinds) < 2:
        return None
    return _and([f"{metrics['members']} {kind_name(kind)}" for kind in kinds])


def kind_name(kind: str) -> str:
    """The members of a kind, in words."""
    return _KINDS.get(kind, f"{kind} members")


def descriptions(metrics: dict[str, Any]) -> dict[str, str]:
    """What the methods are that their names do not tell, where there are members of several kinds.

    Their names are data here as elsewhere: escape them.
    """
    alone, made = networks_alone(metrics), made_of(metrics)
    found = {metrics["method"]: f"{made}, mixed and calibrated out of fold"} if made else {}
    return found | ({alone: f"the networks of {metrics['method']} alone"} if alone else {})


def learnt(metrics: dict[str, Any]) -> list[str]:
    """The baselines that a headline has to answer to, the nearest relative first."""
    others = [name for name in metrics["baselines"] if name != "prior"]
    nearest = [networks_alone(metrics), *_NEAREST]
    return sorted(others, key=lambda name: nearest.index(name) if name in nearest else len(nearest))


def verdict(difference: dict[str, Any]) -> Verdict:
    """Whether the whole interval lies on one side of zero."""
    low, high = difference["ci95"]
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "open"


def summary(metrics: dict[str, Any]) -> dict[str, Any] | None:
    """The verdict in a sentence, and the figures by rarity beside it.

    The ensemble is held against `mcloss`, networks without weights, where there is a difference to
    them, else against the nearest relative that there is. One interval decides, that of macro AP
    over all nodes: of several, one misses zero by chance too easily. The bins are told apart.

    Returns:
        `kind`, `sentence`, `baseline`, and `rows` with `name`, `nodes`, `value` and `difference` of
        each rarity bin with nodes and positives to learn from, then of all nodes; None without a
        difference to a baseline that learns.
    """
    others = sorted(learnt(metrics), key=lambda name: name != "mcloss")
    for baseline in others:
        differences = metrics["baselines"][baseline].get("difference", {})
        if "macro_ap" in differences:
            break
    else:
        return None
    rows = [
        {
            "name": entry["bin"],
            "nodes": entry["nodes"],
            "value": entry["macro_ap"],
            "difference": differences.get(f"macro_ap/rarity={entry['bin']}"),
        }
        for entry in metrics["test"]["by_rarity"]
        if entry["nodes"] and entry["bin"] != "0"
    ]
    bins: dict[Verdict, list[str]] = {"higher": [], "lower": [], "open": []}
    for row in rows:
        if (found := row["difference"]) is not None:
            sort = verdict(found)
            bins[sort].append(row["name"] if sort == "open" else f"{row['name']} ({_sized(found)})")
    rows.append(
        {
            "name": "all",
            "nodes": metrics["nodes"]["scored"],
            "value": metrics["test"]["macro_ap"],
            "difference": differences["macro_ap"],
        }
    )
    whole = differences["macro_ap"]
    kind = verdict(whole)
    other = f"{baseline} ({_described(metrics, baseline)})"
    first = {
        "higher": f"Gain over {other}",
        "lower": f"Loss against {other}",
        "open": f"No gain over {other} that the interval can tell from zero",
    }[kind]
    words = {"higher": "higher for", "lower": "lower for", "open": "not told apart for"}
    parts = [f"{words[sort]} {_and(names)}" for sort, names in bins.items() if names]
    by = f" By positives to learn from: {'; '.join(parts)}." if parts else ""
    sentence = f"{first}: macro AP {_sized(whole)} over all nodes.{by}"
    return {"kind": kind, "sentence": sentence, "baseline": baseline, "rows": rows}


def cautions(validation: dict[str, Any]) -> list[str]:
    """What validation.json says that makes the figures of the test split look too good.

    That is copies in the test split alone, of what there is to learn from. Features with other
    labels than their copy are a riddle, which makes no figure better.
    """
    found: list[str] = []
    # An earlier version counted neither.
    if same := validation.get("copies", {}).get("test_same_labels", 0):
        one = same == 1
        found.append(
            f"{same:,} test example{_s(same)} {'has' if one else 'have'} the very features and "
            f"labels of {'one' if one else 'some'} to learn from (train or valid): what is known "
            "by heart makes figures look too good."
        )
    if near := validation.get("pictures", {}).get("test", 0):
        one = near == 1
        found.append(
            f"At least {near:,} test image{_s(near)} {'is' if one else 'are'} nearly the same as "
            f"{'one' if one else 'some'} to learn from (train or valid): what is known by heart "
            "makes figures look too good."
        )
    return found


def _sized(difference: dict[str, Any]) -> str:
    interval = numbers.interval(difference["ci95"], sign=True)
    return f"{numbers.signed(difference['mean'])} {interval}"


def _s(count: int | None) -> str:
    return "" if count == 1 else "s"


def _described(metrics: dict[str, Any], name: str) -> str:
    """What a baseline is made of, so that nobody takes it for as much as the ensemble."""
    if name == networks_alone(metrics):
        return "its networks alone"
    count = metrics["baselines"][name].get("members")
    noun = "network" if made_of(metrics) else "member"
    return f"{count} {noun}{_s(count)}{' without weights' if name == 'mcloss' else ''}"


def sentences(metrics: dict[str, Any]) -> list[str]:
    """The headline: where the ensemble stands, and for both AP figures how it compares."""
    test, ci95 = metrics["test"], metrics.get("ci95", {})
    micro = f"{numbers.score(test['micro_ap'])} {numbers.interval(ci95.get('micro_ap'))}".strip()
    macro = f"{numbers.score(test['macro_ap'])} {numbers.interval(ci95.get('macro_ap'))}".strip()
    made = made_of(metrics)
    first = (
        f"On the test split the ensemble{f' of {made}' if made else ''} reaches a micro AP of "
        f"{micro} and a macro AP of {macro}"
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
        text = "its networks alone" if name == networks_alone(metrics) else name
        if baseline.get("members") != metrics.get("members"):
            count = baseline.get("members")
            noun = "network" if made_of(metrics) else "member"
            plural = "" if count == 1 else "s"
            text += f" with {count} {noun}{plural} instead of {metrics.get('members')}"
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
    """`a`, `a and b`, `a, b and c`."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
