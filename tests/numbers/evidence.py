"""What pages quote from the studies, the bench and the code."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import get_args

from ruamel.yaml import YAML

from flows import guard, train
from pipeline.benchmark.study import Method, load
from pipeline.config import profiles
from pipeline.config.published import PUBLISHED
from pipeline.datasets import animal_mnist as animals
from pipeline.datasets import fashion_mnist_nodes as clothes
from pipeline.hml import Hierarchy
from pipeline.hml.baselines import Baseline
from pipeline.hml.slices import RARITY_BINS
from pipeline.reporting.reliability import FEWEST
from tests.numbers.claims import (
    ROOT,
    WORDS,
    Row,
    Said,
    bounds,
    claim,
    found,
    mean,
    percent,
    raw,
    says,
    speed,
    study,
    table,
    text,
)

EVIDENCE, QUICK_START, INDEX = "docs/evidence.md", "docs/quick-start.md", "docs/index.md"
RESULTS, PUBLISHED_PAGE = "docs/results.md", "docs/published.md"

# What finds rare nodes --------------------------------------------------------------------------

AGAINST = table(RESULTS, "## Each method against `mcloss`", "method")
FIGURES = ("macro AP, times", "1-9 positives, times", "macro F1 at `tuned`, times")


def against(method: str) -> list[str]:
    """The figures of a row of the table, as evidence.md has them."""
    row = AGAINST[method]
    rare = re.sub(r" \((\d+)\)", r" times (\1 sets)", row[FIGURES[1]])
    seconds = f"{row['CPU seconds, times']} times"
    return [row["micro AP"], f"{row[FIGURES[0]]} times", rare, f"{row[FIGURES[2]]} times", seconds]


@claim
def each_method_against_mcloss() -> Iterator[Said]:
    for method, name in (("ours", "`ours`"), ("weighted-paper", "its networks alone")):
        yield says(EVIDENCE, f"| {' | '.join([name, *against(method)])} |")


@claim
def the_readme_has_the_same_figures() -> Iterator[Said]:
    micro, macro, rare, f1, seconds = against("ours")
    times, sets = rare.removesuffix(" sets)").split(" (")
    yield says(
        "README.md",
        f"micro AP {micro}, macro AP {macro}, macro AP of nodes with 1-9 positives "
        f"{times} ({WORDS[int(sets)]} of the sets), macro F1 at `tuned` {f1}, for {seconds} the "
        "CPU seconds",
    )


@claim
def how_many_other_losses_there_are() -> Iterator[Said]:
    others = get_args(Baseline)
    yield says(EVIDENCE, f"with {WORDS[len(others)]} other losses and samplings")
    assert {*others} < {*AGAINST}


@claim
def what_a_prototype_had_been_read_off() -> Iterator[Said]:
    note = text("benchmarks/rare_nodes/study.yaml")
    named = re.findall(r"read off the test splits of (.*?) before this work", note)[0]
    confirming = study("rare_nodes")["grids"]["confirming"]["datasets"]
    seen = [name for name in confirming if name in named]
    yield says(EVIDENCE, f"prototype had been read off {WORDS[len(seen)]} of them")


@claim
def how_many_lines_are_not_met() -> Iterator[Said]:
    lines = found(r"Of (\d+) lines \d+ are met and \*\*(\d+) are not met\*\*", RESULTS)
    assert lines[1] == "16"
    sentence = f"{WORDS[int(lines[2])]} lines of sixteen"
    yield says(EVIDENCE, sentence)
    yield says("README.md", sentence)


@claim
def how_many_data_sets_and_methods() -> Iterator[Said]:
    grids, development = study("rare_nodes")["grids"], study("rare_nodes")["development"]
    datasets = {name for grid in grids.values() for name in grid["datasets"]}
    confirming = datasets - {*development}
    assert {AGAINST["ours"]["sets"], AGAINST["mcloss"]["sets"]} == {str(len(confirming))}
    yield says(
        EVIDENCE,
        f"on {WORDS[len(datasets)]} data sets",
        f"the {WORDS[len(confirming)]} confirmation",
    )
    networks = WORDS[study("rare_nodes")["members"]]
    yield says(
        "README.md",
        f"Over {WORDS[len(confirming)]} confirmation sets, against `mcloss` "
        f"with {networks} networks",
    )
    yield says(EVIDENCE, f"against `mcloss` with {networks} networks (mean difference")
    yield says(INDEX, f"{WORDS[len(datasets)]} data sets, {WORDS[len(get_args(Method))]} methods")
    yeast = confirming & {*study("rare_nodes")["families"]["yeast"]}
    yield says(
        EVIDENCE,
        f"{WORDS[len(yeast)].capitalize()} of the {WORDS[len(confirming)]} are the same genes",
    )
    chosen = confirming & {
        n for n, v in study("rare_nodes")["parameters"].items() if "train.learning_rate" in v
    }
    yield says(EVIDENCE, f"on {WORDS[len(chosen)]} the learning rate was chosen")


@claim
def where_it_brings_little() -> Iterator[Said]:
    rows = table(RESULTS, "### imclef07d", "method")
    ours, other = rows["ours"], rows["mcloss"]
    yield says(
        EVIDENCE,
        f"on imclef07d macro AP is {mean(ours['macro AP']):.3f} against "
        f"{mean(other['macro AP']):.3f}, and macro F1 at `tuned` "
        f"{percent(ours['tuned'], 1)} against {percent(other['tuned'], 1)}",
    )
    line = found(
        r"macro AP at least (\S+) times `mcloss`, mean over confirmation sets, its difference "
        r"above 0 \| (\S+) times",
        RESULTS,
    )
    yield says(EVIDENCE, f"is {line[2]} where {line[1]} was asked")
    grids, development = study("rare_nodes")["grids"], study("rare_nodes")["development"]
    others = {n for grid in grids.values() for n in grid["datasets"]} - {*development, "imclef07d"}
    others = [mean(table(RESULTS, f"### {n}", "method")["ours"]["macro AP"]) for n in others]
    assert mean(ours["macro AP"]) > sum(others)
    yield says(EVIDENCE, f"this set counts more than the {WORDS[len(others)]} others together")


@claim
def what_the_start_at_the_prior_brings() -> Iterator[Said]:
    row = AGAINST["weighted-none"]
    yield says(EVIDENCE, f"{row['micro AP']} in micro AP ({WORDS[int(row['sets'])]} of the sets)")


@claim
def what_forests_and_kernels_add() -> Iterator[Said]:
    line = found(r"nearest: \S+ against \S+ of weighted-paper, (\S+ ± \S+)", RESULTS)
    yield says(EVIDENCE, f"is within its interval ({line[1].rstrip(' |')})")


@claim
def the_set_that_nothing_was_chosen_by() -> Iterator[Said]:
    rows = table(RESULTS, "### hpo_nervous", "method")
    ours, other = rows["ours"], rows["mcloss"]
    pairs = [
        f"{mean(ours[name]):.4f} against {mean(other[name]):.4f}"
        for name in ("micro AP", "macro AP")
    ]
    tuned = f"{percent(ours['tuned'], 2)} against {percent(other['tuned'], 2)}"
    yield says(
        EVIDENCE,
        f"micro AP {pairs[0]}, macro AP {pairs[1]}, macro F1 at `tuned` {tuned} "
        f"({WORDS[int(ours['seeds'])]} seeds",
    )


@claim
def what_the_studies_took() -> Iterator[Said]:
    for results, sentence in (
        (RESULTS, "trainings and predictions took {} CPU hours"),
        (PUBLISHED_PAGE, "all 27 take {} CPU hours"),
    ):
        hours = found(r"All trainings and predictions together took (\S+) hours", results)
        yield says(EVIDENCE, sentence.format(hours[1]))
    seconds = cost(RESULTS, "derisi_FUN", "ours") * int(
        table(RESULTS, "### derisi_FUN", "method")["ours"]["seeds"]
    )
    yield says(EVIDENCE, f"some {WORDS[round(seconds / 60)]} CPU minutes")


def cost(path: str, dataset: str, method: str) -> float:
    return float(found(rf" ## Cost .*?\| {dataset} \| {method} \| (\S+) \|", path)[1])


# Whether it is the published method -------------------------------------------------------------


@claim
def the_published_settings_are_those_of_the_code() -> Iterator[Said]:
    rows = table("docs/method.md", "## 9. The published settings", "data set")
    written = {
        name: (float(r["learning rate"]), int(r["hidden"]), int(r["epochs"]), float(r["AU(PRC)"]))
        for name, r in rows.items()
    }
    assert written == {name: tuple(values) for name, values in PUBLISHED.items()}
    yield says("docs/method.md", *(row.line for row in rows.values()))


@claim
def the_published_figures_and_ours() -> Iterator[Said]:
    rows = table(EVIDENCE, "## Is it the published method?", "")
    whole = raw(PUBLISHED_PAGE).split("\n## The weighted loss")[0]
    ours = dict(re.findall(r"^\| (\w+) \| 1 \| \S+ \| (\S+)", whole, re.M))
    assert {*ours} == {*rows["published"]} - {""}
    for name, figure in ours.items():
        assert float(rows["published"][name]) == PUBLISHED[name].au_prc
        assert abs(float(rows["here"][name]) - float(figure)) <= 0.0005 + 1e-9
    yield says(EVIDENCE, *(row.line for row in rows.values()))


@claim
def how_many_seeds_the_published_settings_have() -> Iterator[Said]:
    whole = raw(PUBLISHED_PAGE).split("\n## The weighted loss")[0]
    seeds = dict(re.findall(r"^\| (\w+) \| 1 \|.*\| (\d+) \| [^|]*\|$", whole, re.M))
    assert {n for n, s in seeds.items() if s == "1"} == {
        n for n in seeds if n == "imclef07d" or n.endswith("_GO")
    }
    assert {*seeds.values()} == {"1", "3"}
    yield says(EVIDENCE, "ours of three, of one for `imclef07d` and GO")


@claim
def how_long_the_published_settings_take() -> Iterator[Said]:
    least, most = (cost(PUBLISHED_PAGE, n, "mcloss_1") for n in ("derisi_FUN", "imclef07d"))
    yield says(
        EVIDENCE,
        f"from {least:.0f} seconds (`derisi_FUN`) to {most:,.0f} (`imclef07d`)",
    )
    trainings = 0
    for file in (ROOT / "benchmarks" / "published" / "results").glob("*.json"):
        trainings += len(json.loads(file.read_text(encoding="utf-8"))["runs"])
    yield says(EVIDENCE, f"all {trainings} take")


def released() -> dict[str, Row]:
    return table(PUBLISHED_PAGE, "### cellcycle_FUN", "method")


@claim
def the_weighted_loss_as_released() -> Iterator[Said]:
    rows = released()
    it, one, five = rows["weighted-released"], rows["mcloss_1"], rows["mcloss"]
    recall, ratio = "macro recall %", "recall / mcloss, {}"
    yield says(
        EVIDENCE,
        f"at a cut of 0.5 is {percent(it[recall], 2)}, {it[ratio.format('1 member')]} times "
        f"that of MCLoss with one member ({percent(one[recall], 2)}) and "
        f"{it[ratio.format('equal members')]} times that of MCLoss with five "
        f"({percent(five[recall], 2)})",
        f"macro AP is {rounded(it['macro AP'])} against {rounded(five['macro AP'])} at equal",
    )


def rounded(cell: str) -> str:
    return " ± ".join(f"{float(part):.3f}" for part in cell.split(" ± "))


@claim
def the_method_s_last_table_is_that_of_the_published_figures() -> Iterator[Said]:
    columns = ("macro recall %", "macro F1 %", "micro AP", "macro AP", "macro AP, 1-9 positives")
    for method in ("mcloss", "weighted-released", "weighted-paper"):
        cells = " | ".join(released()[method][column] for column in columns)
        yield says("docs/method.md", f"| `{method.replace('-', '/')}` | {cells} |")


# What it costs ----------------------------------------------------------------------------------


@claim
def what_a_step_costs() -> Iterator[Said]:
    ratios = [b["measured"] for b in bounds("bounds", "step of the weighted loss over plain BCE")]
    (members,) = {
        re.findall(r"(\d+) members", b["name"])[0]
        for b in bounds("bounds", "step of the weighted loss over plain BCE")
    }
    yield says(
        EVIDENCE,
        f"with {members} members and the full weighted loss, a step takes {min(ratios):.2f} to "
        f"{max(ratios):.2f} times",
    )


@claim
def the_scale_test() -> Iterator[Said]:
    (bound,) = bounds("scale", "peak memory of preparing icd10cm")
    (numbers,) = re.findall(r"(\d+) nodes, (\d+) examples, .*?(\d+) members", bound["name"])
    (seconds,) = re.findall(r"epoch (\d+) s", bound["detail"])
    nodes, examples, members = map(int, numbers)
    yield says(
        EVIDENCE,
        f"({nodes:,} nodes, {examples:,} examples, {members} members) takes "
        f"{int(seconds) / 60:.0f} minutes on {speed()['scale']['machine']['cores']} cores and "
        f"{bound['measured']:.1f} GB",
    )


@claim
def a_cached_run() -> Iterator[Said]:
    (bound,) = bounds("start", "`rarenode run`, everything cached")
    for path in ("README.md", QUICK_START):
        yield says(path, f"every stage is `Cached`, in about {bound['measured']:.0f} seconds")


# Figures that the code holds --------------------------------------------------------------------


@claim
def the_stages_of_the_quick_start_are_those_of_the_pipeline() -> Iterator[Said]:
    stages = YAML(typ="safe", pure=True).load(raw("dvc.yaml"))["stages"]
    rows = table(QUICK_START, "## 2. Run", "stage")
    assert [*rows] == [f"`{name}`" for name in stages]
    yield says(QUICK_START, f"{WORDS[len(stages)].capitalize()} stages run")


@claim
def the_default_data_set_is_as_large_as_said() -> Iterator[Said]:
    """Its counts; test_hpo.py and test_prepare.py hold the code to them."""
    counts = "tests/stages/test_prepare.py"
    kept = found(r'"kept": (\d+), "min_support": 10', counts)
    shape = found(r"features\.shape == \((\d+), \d+\)", counts)
    yield says(
        QUICK_START, f"`hpo_eye`: {int(shape[1]):,} human diseases", f", {kept[1]} nodes, nearly"
    )


@claim
def profiles_are_as_large_as_said() -> Iterator[Said]:
    full = profiles.values("full", "hpo_eye")
    yield says(
        "docs/running.md",
        f"{full['train.members']} members, {full['tune.trials']} trials per method",
    )


@claim
def bins_and_points_of_the_report() -> Iterator[Said]:
    named: Iterable[str] = RARITY_BINS
    yield says("docs/reading-the-report.md", ", ".join(named), f"from {FEWEST} entries up")
    yield says("docs/concepts.md", ", ".join(named))


@claim
def pauses_and_limits_of_a_run() -> Iterator[Said]:
    first, second, third = (f"{pause:.0f}" for pause in train.PAUSES)
    pauses = f"tried again after {first}, {second} and {third} seconds"
    yield says("docs/faults.md", pauses, f"has {guard.GRACE:.0f} seconds to end")
    yield says("docs/troubleshooting.md", f"ried again after {first}, {second} and {third} seconds")


@claim
def the_guide_s_own_figures() -> Iterator[Said]:
    contract = raw("tests/datasets/contract.py")
    count = len(re.findall(r"^    def test_", contract, re.M))
    yield says("docs/contributing.md", f"{WORDS[count].capitalize()} tests")


# Data sets, and what follows from figures that stand beside --------------------------------------


@claim
def the_long_tail_of_the_clothes() -> Iterator[Said]:
    """Images of each node in both files, from the categories below it; shares are of the test."""
    hierarchy = Hierarchy.from_edges(clothes.EDGES)
    below = {node: hierarchy.descendants(node) & {*clothes.TARGETS} for node in clothes.NODES}
    train, test = (
        {node: sum(clothes.kept(leaf, count) for leaf in leaves) for node, leaves in below.items()}
        for count in (6000, 1000)
    )
    rows = table("docs/images.md", "### Fashion-MNIST as a hierarchy", "node")
    assert len(rows) == len(clothes.NODES)
    for name, row in rows.items():
        node = name.split("`")[1]
        share = float(row["share of test"])
        assert row["train + valid"] == f"{train[node]:,}"
        assert row["test"] == f"{test[node]:,}"
        assert abs(share - test[node] / test[clothes.ROOT]) <= 0.0005 + 1e-9
    yield says("docs/images.md", f"the same {train[clothes.ROOT] + test[clothes.ROOT]:,} examples")
    few = [test["shirt"], test["coat"]]
    yield says(
        "docs/images.md",
        f"{WORDS[few[0]].capitalize()} test images show a shirt, {WORDS[few[1]]} a coat",
    )


@claim
def the_long_tail_of_the_animals() -> Iterator[Said]:
    counts = [round(animals.MOST * animals.SHARE**place) for place in range(len(animals.TAIL))]
    listed = ", ".join(f"{name} {count}" for name, count in zip(animals.TAIL, counts, strict=True))
    yield says("docs/images.md", listed, f"{sum(counts):,} silhouettes of ten animals")
    yield says("docs/images.md", f"under {len(animals.NODES)} nodes")


@claim
def a_cluster_has_the_cells_and_seeds_of_the_study() -> Iterator[Said]:
    cells = load(ROOT / "benchmarks" / "rare_nodes" / "study.yaml").cells.values()
    seeds = sum(len(cell.seeds) for cell in cells)
    yield says("docs/clusters.md", f"Its {len(cells)} cells have {seeds} seeds")
