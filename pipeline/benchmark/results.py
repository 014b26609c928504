"""The results of a study, and the page that shows them. Torch-free: the page is written at once."""

import math
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import t

from pipeline.artifacts import files
from pipeline.benchmark.study import Cell, Study
from pipeline.config.published import PUBLISHED

SCHEMA = 1
_RAREST = "1-9"
_RULE = "half"
Group = tuple[str, str, int]  # data set, method, members


def settings_of(cell: Cell, profile: str) -> dict[str, Any]:
    """What a result depends on beside data and code: another one asks for another run."""
    config = cell.config(profile)
    unused = {"baselines"} if cell.method.startswith("weighted/") else {"baselines", "weighting"}
    return {
        "prepare": config.prepare.model_dump(),
        "train": config.train.model_dump(exclude=unused),
    }


def read(cell: Cell, grid: Study) -> dict[str, Any] | None:
    """The result of a cell, None if there is none.

    Raises:
        ArtifactError: it is damaged or of another schema.
    """
    file = Path(grid.results) / cell.file_name
    return files.read_json(file, schema=SCHEMA) if file.exists() else None


def line(cell: Cell, grid: Study) -> str:
    """The result of a cell in one line."""
    result = read(cell, grid)
    if result is None:
        return "no result"
    test = result["test"]
    return (
        f"micro AP {test['micro_ap']:.4f}, macro AP {test['macro_ap']:.4f}, macro recall at 0.5 "
        f"{100 * test['rules'][_RULE]['macro_recall']:.2f} %, {result['cost']['seconds']:.0f} s"
    )


def write(grid: Study, path: Path) -> None:
    """Write the study's page from the results that are there."""
    found: dict[Group, list[tuple[Cell, dict[str, Any]]]] = {}
    missing: list[Cell] = []
    for cell in grid.all_cells():
        result = read(cell, grid)
        if result is None:
            missing.append(cell)
        else:
            found.setdefault((cell.dataset, cell.method, cell.members), []).append((cell, result))
    sections = [
        _head(grid, path, missing),
        _reproduced(found),
        _weighted(found),
        _costs(found),
        _commands(found),
    ]
    page = Path(grid.page)
    with files.whole_file(page) as temporary:
        temporary.write_text("\n\n".join(s for s in sections if s) + "\n", encoding="utf-8")


def _head(grid: Study, path: Path, missing: Sequence[Cell]) -> str:
    lines = [
        "# Results",
        "",
        f"Written by `rarenode benchmark` from `{grid.results}`; the study is `{path}`. Settings "
        f"are those of the profile `{grid.profile}` (docs/method.md, section 9): trained on "
        "train+valid, each split's missing values filled with its own means, no tuning. Nothing on "
        "this page was chosen by a test figure. Intervals are 95 % t intervals over seeds.",
    ]
    if missing:
        lines += ["", f"**{len(missing)} cells have no result yet:**", ""]
        lines += [f"- {cell.name}" for cell in missing]
    return "\n".join(lines)


def _reproduced(found: dict[Group, list[tuple[Cell, dict[str, Any]]]]) -> str:
    rows = []
    for (dataset, method, members), runs in found.items():
        if (method, members) != ("mcloss", 1) or dataset not in PUBLISHED:
            continue
        values = [result["test"]["micro_ap"] for _, result in runs]
        published = PUBLISHED[dataset].au_prc
        rows.append(
            [
                dataset,
                f"{published:.3f}",
                _number(values, 4),
                f"{statistics.fmean(values) - published:+.4f}",
                str(len(values)),
                f"{runs[0][1]['test']['macro_ap']:.4f}"
                if len(runs) == 1
                else _number([r["test"]["macro_ap"] for _, r in runs], 4),
            ]
        )
    if not rows:
        return ""
    return "\n".join(
        [
            "## MCLoss with one member, against the published figures",
            "",
            "AU(PRC) is the micro average precision over scored nodes on the test split; the "
            "published one is the mean of ten seeds.",
            "",
            _table(
                ["data set", "published AU(PRC)", "ours", "difference", "seeds", "macro AP"], rows
            ),
        ]
    )


def _weighted(found: dict[Group, list[tuple[Cell, dict[str, Any]]]]) -> str:
    sections: list[str] = []
    for dataset in dict.fromkeys(group[0] for group in found):
        groups = {group: runs for group, runs in found.items() if group[0] == dataset}
        reference = groups.get((dataset, "mcloss", 1))
        if len(groups) < 2 or reference is None:
            continue
        base = statistics.fmean(_recall(result) for _, result in reference)
        rows = []
        for (_, method, members), runs in groups.items():
            tests = [result["test"] for _, result in runs]
            recalls = [_recall(result) for _, result in runs]
            equal = groups.get((dataset, "mcloss", members))
            beside = statistics.fmean(_recall(r) for _, r in equal) if equal else None
            rows.append(
                [
                    method,
                    str(members),
                    _number([test["micro_ap"] for test in tests], 4),
                    _number([test["macro_ap"] for test in tests], 4),
                    _number([_rarest(test) for test in tests], 4),
                    _number([100 * test["rules"][_RULE]["macro_f1"] for test in tests], 2),
                    _number([100 * recall for recall in recalls], 2),
                    _times(statistics.fmean(recalls), base),
                    _times(statistics.fmean(recalls), beside),
                ]
            )
        sections += [
            f"### {dataset}",
            "",
            _table(
                [
                    "method",
                    "members",
                    "micro AP",
                    "macro AP",
                    f"macro AP, {_RAREST} positives",
                    "macro F1 %",
                    "macro recall %",
                    "recall / mcloss, 1 member",
                    "recall / mcloss, equal members",
                ],
                rows,
            ),
            "",
        ]
    if not sections:
        return ""
    return "\n".join(
        [
            "## The weighted loss, as released and as in the paper",
            "",
            "Macro F1 and recall at the rule `half` (a cut of 0.5) over all scored nodes; a node "
            "without a test positive counts as 0. Two ratios stand side by side: the published "
            "comparison is with one member, the fair one with equal members.",
            "",
            *sections,
        ]
    ).rstrip()


def _costs(found: dict[Group, list[tuple[Cell, dict[str, Any]]]]) -> str:
    rows = [
        [
            dataset,
            method,
            str(members),
            f"{statistics.fmean(r['cost']['seconds'] for _, r in runs):.0f}",
            f"{statistics.fmean(r['cost']['seconds_per_epoch'] for _, r in runs):.2f}",
            str(max(r["cost"]["peak_memory_mb"] for _, r in runs)),
            f"{runs[0][1]['cost']['threads']} of {runs[0][1]['cost']['cores']}",
        ]
        for (dataset, method, members), runs in found.items()
    ]
    head = [
        "data set",
        "method",
        "members",
        "seconds",
        "seconds per epoch",
        "peak MB",
        "cores used",
    ]
    text = "## Cost\n\nOne training on train+valid, mean over seeds."
    return f"{text}\n\n{_table(head, rows)}" if rows else ""


def _commands(found: dict[Group, list[tuple[Cell, dict[str, Any]]]]) -> str:
    lines = ["## Commands", "", "All of it: `rarenode benchmark`. One cell again:", "", "```"]
    for runs in found.values():
        lines += [cell.command for cell, _ in runs]
    return "\n".join([*lines, "```"])


def _recall(result: dict[str, Any]) -> float:
    return result["test"]["rules"][_RULE]["macro_recall"]


def _rarest(test: dict[str, Any]) -> float:
    return next(part["macro_ap"] for part in test["by_rarity"] if part["bin"] == _RAREST)


def _number(values: Sequence[float], digits: int) -> str:
    """Mean and half the width of the 95 % t interval; one value stands alone."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = float(t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def _times(value: float, base: float | None) -> str:
    return f"{value / base:.2f}" if base else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] + ["---:"] * (len(lines[0]) - 1))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
