"""What differs from the last accepted data by more than chance or by more than it should.

"Chance" is a family-wise error of 1 %: `_ALPHA` over the number of features or nodes (Bonferroni).
Mostly the present data hold the accepted ones again, which varies less than two samples do, so the
limits are on the lenient side.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

from pipeline.artifacts.prepared import Prepared
from pipeline.validation import profile, sample

SOME, MUCH = 0.1, 0.25  # readings of the population stability index
ROOM = 0.5  # of the accepted range: values farther outside are no mere extremes of more examples
MISSING = 0.05  # a change of the missing share below is no cause for alarm
_ALPHA = 0.01
_SIZES = (
    ("train", "examples", "train"),
    ("valid", "examples", "valid"),
    ("test", "examples", "test"),
    ("nodes", "hierarchy", "nodes"),
    ("scored nodes", "hierarchy", "scored"),
    ("roots", "hierarchy", "roots"),
    ("edges", "hierarchy", "edges"),
    ("depth", "hierarchy", "depth"),
    ("labels per example", "labels_per_example", "mean"),
)


@dataclass(frozen=True)
class Drift:
    """The comparison; `nothing` says why there is none, and then the tables are None.

    Attributes:
        features: one row per feature of either, see `of_features`.
        nodes: one row per node of either, see `of_nodes`.
        examples: one row per remembered example, see `of_examples`.
        accepted_examples: how many there were, remembered or not.
        sizes: accepted and present value of what is merely shown, by its name.
    """

    nothing: str | None = None
    features: pd.DataFrame | None = None
    nodes: pd.DataFrame | None = None
    examples: pd.DataFrame | None = None
    accepted_examples: int = 0
    sizes: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that there are, by the names that the suite knows them by."""
        found = {
            "drift_of_features": self.features,
            "drift_of_nodes": self.nodes,
            "drift_of_examples": self.examples,
        }
        return {name: table for name, table in found.items() if table is not None}


def compare(accepted: dict[str, Any], present: dict[str, Any], data: Prepared) -> Drift:
    """Hold the present profile of `data` against the accepted one."""
    if accepted["dataset"] is None:
        return Drift("no data have been accepted yet: `rarenode data accept` accepts these")
    if accepted["dataset"] != present["dataset"]:
        return Drift(
            f"the accepted data are {accepted['dataset']!r}, these are {present['dataset']!r}"
        )
    features = of_features(accepted, present, data)
    directions = [
        len(described["features"]) - int((features[other] == 0).sum())
        for described, other in ((accepted, "new"), (present, "vanished"))
    ]
    return Drift(
        features=features,
        nodes=of_nodes(accepted, present),
        examples=of_examples(accepted, data),
        accepted_examples=accepted["examples"]["total"],
        sizes={
            name: [entry[part][key] for entry in (accepted, present)] for name, part, key in _SIZES
        }
        | ({"learnt features, not compared": directions} if any(directions) else {}),
    )


def of_features(accepted: dict[str, Any], present: dict[str, Any], data: Prepared) -> pd.DataFrame:
    """The present features, then those that vanished; without directions of text.

    Each fit learns directions of its own: `note:3` of other texts is another feature.

    `feature`, `new`, `vanished`; with `…_was` for the accepted data `kind`, `missing`, `min`, `max`
    and `mean`; `shift` of the mean in accepted standard deviations; `psi` and `psi_limit`; and as 0
    or 1 `widened` (values of a kind that the accepted ones could not have), `beyond` (a value
    farther outside of the accepted range than `ROOM` times its width), `gaps` (the missing share
    changed by more than `MISSING` and by more than chance allows) and `moved` (`psi` above its
    limit).
    """
    before, after = _comparable(accepted, data), _comparable(present, data)
    both = [name for name in after if name in before]
    binned = _binned(before, data)
    chance = _ALPHA / max(len(both), 1)
    sizes = accepted["examples"]["total"], present["examples"]["total"]
    rows: list[dict[str, Any]] = []
    for name in [*after, *(name for name in before if name not in after)]:
        was, now = before.get(name), after.get(name)
        row: dict[str, Any] = {"feature": name, "new": int(not was), "vanished": int(not now)}
        for key in ("kind", "missing", "min", "max", "mean"):
            row[f"{key}_was"] = was[key] if was else None
            row[key] = now[key] if now else None
        row |= dict.fromkeys(("widened", "beyond", "gaps", "moved"), 0)
        row |= dict.fromkeys(("shift", "psi", "psi_limit"))
        if was and now:
            row |= _moved(was["counts"], binned[name], chance)
            row["shift"] = _shift(was, now)
            row["beyond"] = int(_beyond(was, now))
            row["widened"] = int(
                was["kind"] != "empty"
                and profile.KINDS.index(now["kind"]) > profile.KINDS.index(was["kind"])
            )
            row["gaps"] = int(_gaps(was["missing"], now["missing"], sizes, chance))
        rows.append(row)
    return pd.DataFrame(rows, columns=_FEATURE_COLUMNS)


def of_nodes(accepted: dict[str, Any], present: dict[str, Any]) -> pd.DataFrame:
    """The present nodes, then those that vanished.

    `node`, `name`, `new`, `vanished`, `support` and `support_was` (positives of all splits),
    `expected` (the accepted share of the examples, in as many as there are now) and `changed`, 0 or
    1: more or fewer than chance allows.

    Given the positives of both, those of the present data are binomial with the present share of
    all examples if the node is as frequent as it was: exact for rare nodes (Przyborowski and
    Wilenski 1940), too lenient by a factor of up to 2 in the variance for those that half of the
    examples have. Of still more frequent nodes the negatives are counted.
    """
    before = {entry["id"]: entry for entry in accepted["nodes"]}
    after = {entry["id"]: entry for entry in present["nodes"]}
    n, m = accepted["examples"]["total"], present["examples"]["total"]
    ids = [*after, *(node for node in before if node not in after)]
    table = pd.DataFrame(
        {
            "node": ids,
            "name": [(after.get(node) or before[node])["name"] for node in ids],
            "new": [int(node not in before) for node in ids],
            "vanished": [int(node not in after) for node in ids],
            "support_was": [_support(before.get(node)) for node in ids],
            "support": [_support(after.get(node)) for node in ids],
        }
    )
    table["expected"] = table["support_was"] * (m / n if n else np.nan)
    both = ((table["new"] == 0) & (table["vanished"] == 0)).to_numpy()
    was, now = (table[column].to_numpy(dtype=float) for column in ("support_was", "support"))
    frequent = was + now > (n + m) / 2
    was, now = np.where(frequent, n - was, was), np.where(frequent, m - now, now)
    total, share = np.where(both, was + now, 0), m / max(n + m, 1)
    upper = stats.binom.sf(np.where(both, now, 0) - 1, total, share)
    lower = stats.binom.cdf(np.where(both, now, 0), total, share)
    p = np.minimum(1, 2 * np.minimum(upper, lower))
    table["changed"] = (both & (p < _ALPHA / max(int(both.sum()), 1))).astype(np.int64)
    return table


def of_examples(accepted: dict[str, Any], data: Prepared) -> pd.DataFrame:
    """One row per accepted example that was remembered: `example`, its hash, and `vanished`."""
    then, now = accepted["examples"]["remembered"], set(profile.remembered(data, None))
    return pd.DataFrame(
        {
            "example": [f"hash {example}" for example in then],
            "vanished": [int(example not in now) for example in then],
        }
    )


def psi(accepted: Any, present: Any) -> float:
    """The population stability index of two histograms (bin,) over the same bins.

    The sum of (p - q) ln(p / q) over the bins' shares; up to 0.1 is read as stable, up to 0.25 as
    some, beyond as much change (Siddiqi 2006, "Credit Risk Scorecards"). Half a value is
    added to each bin, so that an empty one does not make it infinite.
    """
    p, q = np.asarray(accepted, dtype=float) + 0.5, np.asarray(present, dtype=float) + 0.5
    p, q = p / p.sum(), q / q.sum()
    return float(((p - q) * np.log(p / q)).sum())


def psi_limit(accepted: int, present: int, bins: int, chance: float) -> float:
    """`MUCH`, or what two samples of these sizes exceed with probability `chance` if it is larger.

    Of two samples of one distribution, PSI is about (1 / n + 1 / m) times chi-squared with bins - 1
    degrees of freedom (Yurdakul and Naranjo 2020, "Statistical properties of the population
    stability index", Journal of Risk Model Validation 14): ten bins of 80 values each average 0.22.
    """
    if not accepted or not present or bins < 2:
        return MUCH
    return max(MUCH, (1 / accepted + 1 / present) * float(special.chdtri(bins - 1, chance)))


def _comparable(described: dict[str, Any], data: Prepared) -> dict[str, dict[str, Any]]:
    """The features of a profile by their names, but for those that are learnt."""
    columns = data.learnt_columns
    found: dict[str, dict[str, Any]] = {}
    for entry in described["features"]:
        column, _, number = entry["name"].rpartition(":")
        if column not in columns or not number.isdecimal():
            found[entry["name"]] = entry
    return found


_FEATURE_COLUMNS = [
    *("feature", "new", "vanished"),
    *(f"{key}{when}" for key in ("kind", "missing", "min", "max", "mean") for when in ("_was", "")),
    *("widened", "beyond", "gaps", "moved", "shift", "psi", "psi_limit"),
]  # fmt: skip


def _binned(before: dict[str, Any], data: Prepared) -> dict[str, np.ndarray]:
    """The present counts in the accepted bins, of each feature that both have."""
    rows = sample.rows(np.arange(len(data.examples)), len(data.feature_names))
    looked_at = np.asarray(data.features[rows])
    return {
        name: profile.counts(looked_at[:, column], profile.edges(before[name]["deciles"]))
        for column, name in enumerate(data.feature_names)
        if name in before
    }


def _moved(was: list[int], now: np.ndarray, chance: float) -> dict[str, Any]:
    known = sum(was), int(now.sum())
    if not all(known):
        return {}  # that a feature lost all values is seen by what is missing
    found, limit = psi(was, now), psi_limit(*known, len(was), chance)
    return {"psi": found, "psi_limit": limit, "moved": int(found > limit)}


def _shift(was: dict[str, Any], now: dict[str, Any]) -> float | None:
    if now["mean"] is None or not was["sd"]:
        return None
    return (now["mean"] - was["mean"]) / was["sd"]


def _beyond(was: dict[str, Any], now: dict[str, Any]) -> bool:
    if was["min"] is None or now["min"] is None:
        return False
    room = ROOM * (was["max"] - was["min"])
    return now["min"] < was["min"] - room or now["max"] > was["max"] + room


def _gaps(was: float, now: float, sizes: tuple[int, int], chance: float) -> bool:
    """Two proportions under the normal approximation with their common share."""
    if abs(now - was) <= MISSING or not all(sizes):
        return False
    common = (was * sizes[0] + now * sizes[1]) / sum(sizes)
    error = np.sqrt(common * (1 - common) * (1 / sizes[0] + 1 / sizes[1]))
    return bool(abs(now - was) > -special.ndtri(chance / 2) * error)


def _support(entry: dict[str, Any] | None) -> float:
    return entry["train"] + entry["valid"] + entry["test"] if entry else np.nan
