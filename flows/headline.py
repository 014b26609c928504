"""The numbers of metrics.json that a run is judged by, as tables."""

import html
import re
from typing import Any

from pipeline.artifacts import files, paths

Table = tuple[list[str], list[list[str]]]  # head, rows

_FIGURES = {"micro_ap": "micro AP", "macro_ap": "macro AP"}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~-])")


def read() -> dict[str, Any] | None:
    """metrics.json, None where a workspace has none."""
    return files.read_json(paths.METRICS) if paths.METRICS.exists() else None


def document() -> dict[str, Any]:
    """What a run has made, for programs: its few figures, and the files that have all of them.

    Figures are those that `dvc metrics show` has; a file that the workspace does not make is None.
    """
    metrics = read() or {}
    about = ("dataset", "profile", "method", "seed", "caution")
    few = paths.EVALUATION / "headline.json"
    made = {"metrics": paths.METRICS, "report": paths.REPORT, "model": paths.BUNDLE}
    return {
        **{name: metrics[name] for name in about if name in metrics},
        "figures": files.read_json(few) if few.is_file() else None,
        **{name: str(path) if path.exists() else None for name, path in made.items()},
    }


def scores(metrics: dict[str, Any]) -> Table:
    """Every method with its figures on the test split, ours first."""
    rules = _rules(metrics)
    head = ["method", *_FIGURES.values(), *(f"macro F1 ({rule})" for rule in rules)]
    methods = [(metrics["method"], metrics["test"])]
    methods += [(name, entry["test"]) for name, entry in metrics["baselines"].items()]
    rows = [
        [
            name,
            *(_number(test.get(figure)) for figure in _FIGURES),
            *(_number(test["rules"].get(rule, {}).get("macro_f1")) for rule in rules),
        ]
        for name, test in methods
    ]
    return head, rows


def differences(metrics: dict[str, Any]) -> Table:
    """What our method gains over each baseline, paired, with 95 % intervals."""
    # metrics.json has them for every slice, too; the headline stays short.
    figures = {**_FIGURES, **{f"macro_f1/{rule}": f"macro F1 ({rule})" for rule in _rules(metrics)}}
    found = {name: entry.get("difference", {}) for name, entry in metrics["baselines"].items()}
    figures = {
        key: label for key, label in figures.items() if any(key in x for x in found.values())
    }
    head = [f"{metrics['method']} minus", *figures.values()]
    rows = [
        [name, *(_interval(entry.get(figure)) for figure in figures)]
        for name, entry in found.items()
    ]
    return head, rows


def records(metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each method and figure, with the numbers of metrics.json as they are.

    Baselines have what our method gains over them and its 95 % interval; where one is not known it
    is None. Figures have their names in metrics.json.
    """
    figures = [*_FIGURES, *(f"macro_f1/{rule}" for rule in _rules(metrics))]
    ours: dict[str, Any] = {"test": metrics["test"]}
    rows: list[dict[str, Any]] = []
    for name, entry in [(metrics["method"], ours), *metrics["baselines"].items()]:
        for figure in figures:
            kind, _, rule = figure.partition("/")
            test = entry["test"]["rules"].get(rule, {}) if rule else entry["test"]
            gained: dict[str, Any] = entry.get("difference", {}).get(figure) or {}
            low, high = gained.get("ci95", (None, None))
            rows.append(
                {
                    "method": name,
                    "figure": figure,
                    "value": test.get(kind),
                    "gained": gained.get("mean"),
                    "from": low,
                    "to": high,
                }
            )
    return rows


def markdown(metrics: dict[str, Any]) -> str:
    """Both tables, with names escaped: they come from data and Prefect stores markdown raw.

    In two parts each, as Prefect's page would cut what is wider.
    """
    title = escape(f"{metrics['dataset']}, {metrics['members']} members, {metrics['profile']}")
    parts = [f"# {title}"]
    if "caution" in metrics:
        parts.append(f"**{escape(metrics['caution'])}**")
    tables = scores(metrics), differences(metrics)
    for name, ap in (("Average precision", True), ("Macro F1 by rule", False)):
        values, gained = (_columns(table, ap) for table in tables)
        parts += [f"## {name}", _table(*values)]
        if len(gained[0]) > 1:
            parts += ["Paired differences, 95 % intervals:", _table(*gained)]
    return "\n\n".join(parts)


def _columns(table: Table, ap: bool) -> Table:
    """The names, and only the columns of average precision, or only the others."""
    head, rows = table
    kept = [i for i, name in enumerate(head) if i == 0 or (name in _FIGURES.values()) == ap]
    return [head[i] for i in kept], [[row[i] for i in kept] for row in rows]


def escape(text: str) -> str:
    """Make any text plain text in a markdown table cell."""
    return html.escape(_MARKDOWN.sub(r"\\\1", " ".join(text.split())), quote=False)


def _table(head: list[str], rows: list[list[str]]) -> str:
    cells = [[escape(cell) for cell in row] for row in [head, *rows]]
    cells.insert(1, ["---", *("---:" for _ in head[1:])])
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _rules(metrics: dict[str, Any]) -> list[str]:
    return list(metrics["test"]["rules"])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _interval(value: dict[str, Any] | None) -> str:
    if value is None:
        return ""
    low, high = value["ci95"]
    return f"{value['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
