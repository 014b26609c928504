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
DEFAULT = Path("benchmarks/published/study.yaml")
_RAREST = "1-9"
_RULE = "half"
_ABOUT = {
    "published": (
        " ([method.md](method.md), sections 9 and 10): trained on train+valid, each split's "
        "missing values filled with its own means, no tuning. We chose nothing here by a test "
        "figure; how the literature chose its settings is not ours to say."
    ),
    "full": (
        ", without its tuning: the published networks in larger batches "
        "([ADR 8](adr/0008-larger-batches.md)), trained on train+valid, missing values filled "
        "with training means. The settings were chosen on validation data."
    ),
}
Group = tuple[str, str, int]  # data set, method, members
Runs = list[tuple[Cell, dict[str, Any]]]


def settings_of(cell: Cell, profile: str) -> dict[str, Any]:
    """What a result depends on beside data and code: another one asks for another run."""
    config = cell.config(profile)
    unused = {"baselines", *(() if config.train.cross_fit else ("beta",))}
    if not cell.method.startswith("weighted/"):
        unused.add("weighting")
    return {
        "prepare": config.prepare.model_dump(),
        "train": config.train.model_dump(exclude=unused),
    }


def current(cell: Cell, grid: Study) -> dict[str, Any] | None:
    """The result of a cell; None if there is none, or one of other settings than the study's.

    Raises:
        ArtifactError: it is damaged or of another schema.
    """
    file = Path(grid.results) / cell.file_name
    if not file.exists():
        return None
    result = files.read_json(file, schema=SCHEMA)
    return result if result["settings"] == settings_of(cell, grid.profile) else None


def line(cell: Cell, grid: Study) -> str:
    """The result of a cell in one line."""
    result = current(cell, grid)
    if result is None:
        return "no result"
    test = result["test"]
    return (
        f"micro AP {_number([test['micro_ap']], 4)}, macro AP {_number([test['macro_ap']], 4)}, "
        f"macro recall at 0.5 {_number([_recall(result)], 2)} %, {result['cost']['seconds']:.0f} s"
    )


def write(grid: Study, path: Path) -> None:
    """Write the study's page from the results that are there and have the study's settings."""
    found: dict[Group, Runs] = {}
    missing: list[Cell] = []
    for cell in grid.all_cells():
        result = current(cell, grid)
        if result is None:
            missing.append(cell)
        else:
            found.setdefault((cell.dataset, cell.method, cell.members), []).append((cell, result))
    sections = [
        _head(grid, path, missing),
        _reproduced(found),
        _weighted(found),
        _costs(found),
        _commands(found, path),
    ]
    page = Path(grid.page)
    with files.whole_file(page) as temporary:
        temporary.write_text("\n\n".join(s for s in sections if s) + "\n", encoding="utf-8")


def _head(grid: Study, path: Path, missing: Sequence[Cell]) -> str:
    lines = [
        "# Results",
        "",
        f"Written by `rarenode benchmark` from `{grid.results}`; the study is `{path}`. The "
        f"settings are those of the profile `{grid.profile}`{_ABOUT[grid.profile]} ± is half of a "
        "95 % t interval over seeds; it does not cover the choice of the test examples.",
    ]
    if missing:
        lines += ["", f"**{len(missing)} cells have no result of these settings yet:**", ""]
        lines += [f"- {cell.name}" for cell in missing]
    return "\n".join(lines)


def _reproduced(found: dict[Group, Runs]) -> str:
    rows = []
    for (dataset, method, members), runs in found.items():
        if method != "mcloss" or dataset not in PUBLISHED:
            continue
        tests = [result["test"] for _, result in runs]
        values = [test["micro_ap"] for test in tests]
        published = PUBLISHED[dataset].au_prc
        rows.append(
            [
                dataset,
                str(members),
                f"{published:.3f}",
                _number(values, 4),
                f"{statistics.fmean(values) - published:+.4f}",
                str(len(values)),
                _number([test["macro_ap"] for test in tests], 4),
            ]
        )
    if not rows:
        return ""
    return "\n".join(
        [
            "## MCLoss, against the published figures",
            "",
            "AU(PRC) is the micro average precision over scored nodes on the test split; the "
            "published one is of one member, the mean of ten seeds.",
            "",
            _table(
                [
                    *("data set", "members", "published AU(PRC)", "ours"),
                    *("difference", "seeds", "macro AP"),
                ],
                rows,
            ),
        ]
    )


def _weighted(found: dict[Group, Runs]) -> str:
    sections: list[str] = []
    for dataset in dict.fromkeys(group[0] for group in found):
        groups = {group: runs for group, runs in found.items() if group[0] == dataset}
        reference = groups.get((dataset, "mcloss", 1))
        weighted = any(method.startswith("weighted/") for _, method, _ in groups)
        if not weighted or reference is None:
            continue
        rows = []
        for (_, method, members), runs in groups.items():
            tests = [result["test"] for _, result in runs]
            recall = [_recall(result) for _, result in runs]
            equal = groups.get((dataset, "mcloss", members))
            rows.append(
                [
                    method,
                    str(members),
                    *_loss(runs[0][1]),
                    _number([test["micro_ap"] for test in tests], 4),
                    _number([test["macro_ap"] for test in tests], 4),
                    _number([_rarest(test) for test in tests], 4),
                    _number([100 * test["rules"][_RULE]["macro_f1"] for test in tests], 2),
                    _number(recall, 2),
                    _times(recall, reference),
                    _times(recall, equal),
                ]
            )
        head = ["method", "members", "R", "focal", "micro AP", "macro AP"]
        head += [f"macro AP, {_RAREST} positives", "macro F1 %", "macro recall %"]
        head += ["recall / mcloss, 1 member", "recall / mcloss, equal members"]
        sections += [f"### {dataset}", "", _table(head, rows), ""]
    if not sections:
        return ""
    return "\n".join(
        [
            "## The weighted loss, as released and as in the paper",
            "",
            "Macro F1 and recall at the rule `half` (a cut of 0.5) over all scored nodes; a node "
            "without a test positive counts as 0. Two ratios stand side by side: the published "
            "comparison is with one member; equal members are fairer, though R (the sum or the "
            "mean over examples and nodes) still differs, as it did in the published codes.",
            "",
            *sections,
        ]
    ).rstrip()


def _costs(found: dict[Group, Runs]) -> str:
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
    text = (
        "## Cost\n\nOne training on train+valid, mean over seeds, while other work ran on the "
        "same machine."
    )
    return f"{text}\n\n{_table(head, rows)}" if rows else ""


def _commands(found: dict[Group, Runs], path: Path) -> str:
    study = "" if path == DEFAULT else f" --study {path}"
    start = f"rarenode benchmark{study}"
    lines = ["## Commands", "", f"All of it: `{start}`. One cell again:", "", "```"]
    for runs in found.values():
        lines += [
            f"{start} --datasets {cell.dataset} --methods {cell.method} --members {cell.members} "
            f"--seeds {cell.seed} --again"
            for cell, _ in runs
        ]
    return "\n".join([*lines, "```"])


def _loss(result: dict[str, Any]) -> tuple[str, str]:
    """R and the uncertainty of the focal weight."""
    train = result["settings"]["train"]
    own = train.get("weighting")
    return (own["reduction"], own["uncertainty"]) if own else (train["reduction"], "none")


def _recall(result: dict[str, Any]) -> float:
    """Macro recall in percent."""
    return 100 * result["test"]["rules"][_RULE]["macro_recall"]


def _rarest(test: dict[str, Any]) -> float | None:
    return next(part["macro_ap"] for part in test["by_rarity"] if part["bin"] == _RAREST)


def _number(values: Sequence[float | None], digits: int) -> str:
    """Mean and half the width of the 95 % t interval; one value stands alone."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return ""
    mean = statistics.fmean(known)
    if len(known) < 2:
        return f"{mean:.{digits}f}"
    half = float(t.ppf(0.975, len(known) - 1)) * statistics.stdev(known) / math.sqrt(len(known))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def _times(recall: Sequence[float], runs: Runs | None) -> str:
    """How many times the mean recall of other runs this one is."""
    base = statistics.fmean(_recall(result) for _, result in runs) if runs else 0.0
    return f"{statistics.fmean(recall) / base:.2f}" if base else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], *([*row] for row in rows)]
    lines.insert(1, ["---"] + ["---:"] * (len(lines[0]) - 1))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
