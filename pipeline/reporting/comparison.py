"""The methods side by side, as rows for the page's tables."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.reporting import findings, style

THRESHOLD_FREE = ("micro_ap", "macro_ap", "brier_skill")
OF_A_RULE = ("macro_f1", "macro_recall", "macro_precision", "micro_f1")
_REGRESSIONS = "linear_pixels"
OF_A_BIN = ("macro_f1", "macro_recall", "macro_precision")


@dataclass(frozen=True)
class Cell:
    """A figure, its interval if there is one, and whether no other method has a higher one."""

    value: float | None
    interval: Sequence[float] | None = None
    best: bool = False


class Comparison:
    """metrics.json with the ensemble and its baselines on one footing.

    Attributes:
        ours: the ensemble's name.
        methods: the ensemble, the learnt baselines, `prior`.
        results: a method's figures on the test split.
        members: how many members of each kind a method has, a row of the page for each kind.
        descriptions: what a method is, of those whose name does not tell.
        alone: the baseline that is the ensemble's networks alone, if there is one.
        rules: the decision rules, in the order of the file.
        baselines: the baselines that differences are shown to.
    """

    def __init__(self, metrics: dict[str, Any]):
        self.metrics = metrics
        self.ours: str = metrics["method"]
        others: dict[str, Any] = metrics["baselines"]
        named = [*findings.learnt(metrics), *(name for name in others if name == "prior")]
        self.methods = style.in_order([self.ours, *named])
        self.results = {
            name: metrics["test"] if name == self.ours else others[name]["test"]
            for name in self.methods
        }
        self.members = self._members()
        self.descriptions = findings.descriptions(metrics)
        self.alone = findings.networks_alone(metrics)
        self.rules = list(metrics["test"]["rules"])
        learnt = [name for name in self.methods[1:] if name != "prior"]
        self.baselines = learnt or self.methods[1:]

    def _members(self) -> list[tuple[str, dict[str, int | None]]]:
        """Baselines are made of networks; the ensemble has as many members of each of its kinds."""
        others = self.metrics["baselines"]
        own = {self.ours: self.metrics.get("members")}
        networks = own | {name: others[name].get("members") for name in self.methods[1:]}
        kinds = self.metrics.get("kinds", [])
        if len(kinds) < 2:
            return [("members", networks)]
        # The one baseline that has no networks.
        regressions = {name: networks.pop(name) for name in (_REGRESSIONS,) if name in networks}
        rows = [
            (findings.kind_name(kind), networks if kind == "network" else own) for kind in kinds
        ]
        return rows + ([("logistic regressions", regressions)] if regressions else [])

    def intervals(self, method: str) -> dict[str, Any]:
        """A method's own intervals by key."""
        holder = self.metrics if method == self.ours else self.metrics["baselines"][method]
        return holder.get("ci95") or {}

    def difference(self, baseline: str, key: str) -> dict[str, Any] | None:
        """The paired difference, ensemble minus baseline."""
        return self.metrics["baselines"][baseline].get("difference", {}).get(key)

    def difference_keys(self, by: str | None = None) -> list[str]:
        """The figures that have a paired difference: over all nodes, or by `rarity` or `depth`.

        By slice, only the two that sum up ranking and decisions: a table of all is no reading.
        """
        keys: dict[str, None] = {}
        for name in self.baselines:
            keys.update(dict.fromkeys(self.metrics["baselines"][name].get("difference", {})))
        if by is None:
            return [key for key in keys if "=" not in key]
        summary = ("macro_ap/", "macro_f1/")
        return [key for key in keys if f"/{by}=" in key and key.startswith(summary)]

    def columns(self) -> list[tuple[str | None, str]]:
        """(rule, metric) of every figure over all nodes; no rule for those without a threshold."""
        free = [(None, name) for name in THRESHOLD_FREE if name in self.metrics["test"]]
        return [*free, *((rule, name) for rule in self.rules for name in OF_A_RULE)]

    def overall(self) -> list[tuple[str | None, list[tuple[str, list[Cell]]]]]:
        """The figures over all nodes by rule: each with its key and a cell for each method."""
        columns = self.columns()
        keys = [name if rule is None else f"{name}/{rule}" for rule, name in columns]
        table = {
            method: [_figure(self.results[method], *column) for column in columns]
            for method in self.methods
        }
        by_method = [cells for _, cells in self._cells(table, keys)]
        rows = zip(columns, keys, zip(*by_method, strict=True), strict=True)
        return [
            (rule, [(key, list(cells)) for _, key, cells in group])
            for rule, group in itertools.groupby(rows, lambda row: row[0][0])
        ]

    def slice_columns(self) -> list[tuple[str | None, str]]:
        """(rule, metric) of every figure of a bin."""
        return [(None, "macro_ap"), *((rule, name) for rule in self.rules for name in OF_A_BIN)]

    def slices(self, by: str) -> list[tuple[Any, int, list[tuple[str, list[Cell]]]]]:
        """Bin, number of nodes, and every method with a cell for each of `slice_columns`.

        A bin without nodes has nothing to show and is left out.
        """
        name = bin_name(by)
        found = []
        for part in self.results[self.ours][f"by_{by}"]:
            if not part["nodes"]:
                continue
            key = part[name]
            table = {}
            for method in self.methods:
                own = [p for p in self.results[method].get(f"by_{by}", []) if p[name] == key]
                figures = own[0] if own else {}
                table[method] = [_figure(figures, *column) for column in self.slice_columns()]
            keys = [
                f"{metric}/{by}={key}" if rule is None else f"{metric}/{rule}/{by}={key}"
                for rule, metric in self.slice_columns()
            ]
            found.append((key, part["nodes"], self._cells(table, keys)))
        return found

    def _cells(
        self, table: dict[str, list[float | None]], keys: list[str]
    ) -> list[tuple[str, list[Cell]]]:
        highest = [
            max((v for v in column if v is not None), default=None)
            for column in zip(*table.values(), strict=True)
        ]
        return [
            (
                method,
                [
                    Cell(
                        value,
                        self.intervals(method).get(key),
                        # Nothing to single out where every method has the same.
                        value is not None
                        and value == top
                        and any(other[position] != top for other in table.values()),
                    )
                    for position, (value, key, top) in enumerate(
                        zip(values, keys, highest, strict=True)
                    )
                ],
            )
            for method, values in table.items()
        ]


def rule_groups(columns: list[tuple[str | None, str]]) -> list[tuple[str | None, int]]:
    """(rule, number of its columns) of neighbouring columns, for a heading above them."""
    return [(rule, len(list(group))) for rule, group in itertools.groupby(columns, lambda c: c[0])]


def bin_name(by: str) -> str:
    """What metrics.json calls the bin of a slice."""
    return {"rarity": "bin", "depth": "depth"}[by]


def _figure(result: dict[str, Any], rule: str | None, metric: str) -> float | None:
    if rule is None:
        return result.get(metric)
    return ((result.get("rules") or {}).get(rule) or {}).get(metric)
