"""A study's page: Markdown, written from its results alone."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts import files
from pipeline.benchmark import comparison, results, settings_tables, situations
from pipeline.benchmark.comparison import cost, markdown
from pipeline.benchmark.estimates import number
from pipeline.benchmark.results import RAREST, Runs, Table
from pipeline.benchmark.study import Cell, Study, load
from pipeline.config.published import PUBLISHED

DEFAULT = Path("benchmarks/rare_nodes/study.yaml")
_RULE = "half"
_ABOUT = {
    "quick": " of the profile `quick`",
    "published": (
        " of the profile `published` ([method.md](method.md), sections 9 and 10): trained on "
        "train+valid, each split's missing values filled with its own means, no tuning. We chose "
        "nothing here by a test figure; how the literature chose its settings is not ours to say"
    ),
    "full": (
        " of the profile `full` without its tuning: on benchmarks the published networks in larger "
        "batches ([ADR 8](adr/0008-larger-batches.md)), trained on train+valid, missing values "
        "filled with training means. They were chosen on validation data"
    ),
}


def write(study: Study) -> None:
    """Write the page from the results that are there and have the study's settings.

    Where the default study's page tells of this one, it is written, too.

    Raises:
        ArtifactError: a result is damaged or of another schema.
    """
    _write(study)
    if study.path != DEFAULT and DEFAULT.is_file():
        main = load(DEFAULT)
        if str(study.path) in main.beside:
            _write(main)


def _write(study: Study) -> None:
    with files.whole_file(Path(study.page)) as temporary:
        temporary.write_text(page(study), encoding="utf-8")


def page(study: Study) -> str:
    """The page of the results that are there and have the study's settings.

    Raises:
        ArtifactError: a result is damaged or of another schema.
    """
    table = Table(study)
    sections = _of_settings(table) if study.settings else _of_datasets(study, table)
    return "\n\n".join(section for section in sections if section) + "\n"


def _of_settings(table: Table) -> list[str]:
    """The verdict first: what is made harder, and how, comes after what came of it."""
    study = table.study
    written = (
        f"Written by `{_command(study)}` from `{study.path.parent}/results`; the study is "
        f"`{study.path}`. {study.note}"
    )
    return [
        f"# {study.title}",
        situations.verdict(table),
        situations.differences(table),
        f"## What was done\n\n{written}",
        settings_tables.fixed(table),
        settings_tables.by_setting(table),
        settings_tables.costs(table),
        _commands(table),
    ]


def _of_datasets(study: Study, table: Table) -> list[str]:
    others = [Table(load(Path(path))) for path in study.beside]
    compared = any(cell.method == "ours" for cell in study.cells.values())
    sections = [_head(study, table, others)]
    if compared:
        sections += [comparison.asked(table), comparison.overview(table)]
        sections += [comparison.by_dataset(table), comparison.differences(table)]
        sections += [comparison.signed_ranks(table), comparison.quarters(table)]
        sections += [comparison.honesty(table), comparison.gene_ontology(table)]
        sections += [comparison.by_depth(table)]
    else:
        sections += [_reproduced(table), _weighted(table)]
    sections += [situations.summary(other, _link(study, other.study)) for other in others]
    return [*sections, _costs(table), _commands(table)]


def _link(here: Study, other: Study) -> str:
    return Path(os.path.relpath(other.page, Path(here.page).parent)).as_posix()


def line(study: Study, cell: Cell) -> str:
    """The result of a cell in one line."""
    result = results.read(study, cell)
    if result is None:
        return "no result"
    runs = [run["methods"][cell.method] for run in result["runs"]]
    tests = [run["test"] for run in runs]
    recall = [100 * test["rules"][_RULE]["macro_recall"] for test in tests]
    return (
        f"micro AP {number([t['micro_ap'] for t in tests], 4)}, "
        f"macro AP {number([t['macro_ap'] for t in tests], 4)}, "
        f"macro recall at 0.5 {number(recall, 2)} %"
    )


def _head(study: Study, table: Table, others: Sequence[Table]) -> str:
    members = f"Ensembles have {study.members} members of each kind; `mcloss_1` has one."
    lines = [
        f"# {study.title}",
        "",
        f"Written by `{_command(study)}` from `{study.path.parent}/results`; the study is "
        f"`{study.path}`. The settings are those{_ABOUT[study.profile]}. {members} ± is half of a "
        "95 % interval.",
    ]
    if study.development:
        lines += [
            "",
            "The product's method was chosen by validation data of the development sets "
            f"{', '.join(study.development)} ([ADR 11](adr/0011-kernels-and-priors.md)); the "
            "others are confirmation sets.",
        ]
    for other in others:
        title = f"[{other.study.title}]({_link(study, other.study)})"
        lines += ["", f"{title}: {situations.sentence(other)}"]
    if study.note:
        lines += ["", study.note]
    if table.missing:
        count = f"{len(table.missing)} of {len(study.cells)} cells"
        lines += ["", f"**{count} lack a result of these settings** (see the end)."]
    return "\n".join(lines)


def _reproduced(table: Table) -> str:
    rows = []
    for (dataset, method), runs in table.found.items():
        if method not in ("mcloss", "mcloss_1") or dataset not in PUBLISHED:
            continue
        values = runs.values("micro_ap")
        published = PUBLISHED[dataset].au_prc
        rows.append(
            [
                *(dataset, _members(table, method), f"{published:.3f}", number(values, 4)),
                f"{statistics.fmean(values) - published:+.4f}",
                *(str(len(values)), number(runs.values("macro_ap"), 4)),
            ]
        )
    if not rows:
        return ""
    head = ["data set", "members", "published AU(PRC)", "ours", "difference", "seeds", "macro AP"]
    return (
        "## MCLoss, against the published figures\n\nAU(PRC) is the micro average precision over "
        "scored nodes on the test split; the published one is of one member, the mean of ten seeds."
        f" ± is over seeds, and does not cover the choice of the test examples.\n\n"
        f"{markdown(head, rows)}"
    )


def _weighted(table: Table) -> str:
    sections: list[str] = []
    for dataset in table.study.datasets:
        of = {m: r for (name, m), r in table.found.items() if name == dataset}
        reference = of.get("mcloss_1")
        if reference is None or not any(method.startswith("weighted-") for method in of):
            continue
        rows = []
        for method, runs in of.items():
            recall = runs.values(f"macro_recall/{_RULE}")
            rows.append(
                [
                    *(method, _members(table, method), *_loss(method, runs)),
                    *(number(runs.values(f), 4) for f in ("micro_ap", "macro_ap", RAREST)),
                    number([100 * v for v in runs.values(f"macro_f1/{_RULE}")], 2),
                    number([100 * value for value in recall], 2),
                    _times(recall, reference),
                    _times(recall, of.get("mcloss") if method != "mcloss_1" else reference),
                ]
            )
        head = ["method", "members", "R", "focal", "micro AP", "macro AP"]
        head += ["macro AP, 1-9 positives", "macro F1 %", "macro recall %"]
        head += ["recall / mcloss, 1 member", "recall / mcloss, equal members"]
        sections += [f"### {dataset}", "", markdown(head, rows), ""]
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


def _costs(table: Table) -> str:
    rows = []
    for (dataset, method), runs in table.found.items():
        plain = table.found.get((dataset, "mcloss"))
        cells = [cost(runs, key) for key in ("cpu_seconds", "cpu_seconds_per_epoch")]
        wall = [cost(runs, key) for key in ("seconds", "seconds_per_epoch")]
        known = [cpu if cpu is not None else clock for cpu, clock in zip(cells, wall, strict=True)]
        base = cost(plain, "cpu_seconds") if plain else None
        predict = cost(runs, "cpu_seconds_to_predict")
        memory = [run["cost"].get("peak_memory_mb") for run in runs.runs[:1]]
        rows.append(
            [
                dataset,
                method,
                *("" if value is None else f"{value:.4g}" for value in known),
                f"{cells[0] / base:.2f}" if base and cells[0] is not None else "",
                "" if predict is None else f"{predict:.3g}",
                *("" if value is None else str(value) for value in memory),
            ]
        )
    head = ["data set", "method", "seconds", "seconds per epoch", "times `mcloss`"]
    head += ["seconds to predict", "peak MB"]
    text = (
        "One training on train+valid with its cuts, mean over seeds: seconds of all cores together "
        "while other work ran on the same machine (of the clock, for results that only have that); "
        "the memory is that of the whole process so far. What the networks of `ours` alone have in "
        "common with `ours` is counted for it only. "
        f"All trainings and predictions together took {_hours(table):.1f} hours of this kind, "
        "without the evaluation of their metrics."
    )
    return f"## Cost\n\n{text}\n\n{markdown(head, rows)}" if rows else ""


def _hours(table: Table) -> float:
    """Of every run; the networks of a cell's method, which are listed beside it, are its part."""
    of_cells = {cell.key for cell in table.study.cells.values()}
    each = [
        run["cost"] for key, runs in table.found.items() if key in of_cells for run in runs.runs
    ]
    spent = [one.get("cpu_seconds") or one.get("seconds", 0.0) for one in each]
    return (sum(spent) + sum(one.get("cpu_seconds_to_predict", 0.0) for one in each)) / 3600


def _commands(table: Table) -> str:
    start = _command(table.study)
    lines = ["## Commands", ""]
    if table.missing:
        lines += ["Without a result:", "", *(f"- {cell.name}" for cell in table.missing), ""]
    first = next(iter(table.study.cells.values()))
    setting = f" --settings {first.setting}" if first.setting else ""
    lines += [
        f"All that is missing: `{start}`. One cell again, such as the first:",
        "",
        "```",
        f".venv/bin/{start} --datasets {first.dataset} --methods {first.method}{setting} --again",
        "```",
    ]
    return "\n".join(lines)


def _command(study: Study) -> str:
    return "rarenode benchmark" + ("" if study.path == DEFAULT else f" --study {study.path}")


def _members(table: Table, method: str) -> str:
    return "1" if method == "mcloss_1" else str(table.study.members)


def _loss(method: str, runs: Runs) -> tuple[str, str]:
    """R and the uncertainty of the focal weight."""
    train = runs.runs[0]["settings"]["train"]
    if not method.startswith("weighted-"):
        return train["reduction"], "none"
    return train["weighting"]["reduction"], train["weighting"]["uncertainty"]


def _times(recall: list[float], runs: Runs | None) -> str:
    """How many times the mean recall of other runs this one is."""
    base = runs.mean(f"macro_recall/{_RULE}") if runs else 0.0
    return f"{statistics.fmean(recall) / base:.2f}" if base else ""
