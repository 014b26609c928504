"""What pages show as printed, and the figures around it: of recorded commands.

`python -m benchmarks.transcripts NAME` records one again and quotes it in its pages.
"""

import csv
import inspect
import json
import math
import re
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import dask.config
import numpy as np
import pyarrow as pa
from prefect.settings.models.server.concurrency import ServerConcurrencySettings
from prefect.settings.models.server.services import ServerServicesDBVacuumSettings
from prefect.settings.models.worker import WorkerSettings

from benchmarks.cluster import table as cluster
from benchmarks.transcripts import fences, scripts
from pipeline import own_sections
from pipeline.cluster import connection
from pipeline.config.sections import Config, Prepare
from pipeline.datasets import animal_mnist as animals
from pipeline.datasets import fashion_mnist
from pipeline.datasets import fashion_mnist_nodes as clothes
from pipeline.datasets.tables import columns, commas, kinds, labels
from pipeline.hml import Hierarchy, bootstrap
from pipeline.hml.uncertainty import uncertainty
from pipeline.study import on_cluster
from tests.numbers.claims import PAGES, ROOT, WORDS, Said, claim, found, raw, says, table, text

QUICK_START, IMAGES, OWN_DATA = "docs/quick-start.md", "docs/images.md", "docs/own-data.md"
STUDIES, TEAMS, SCHEDULES = "docs/studies.md", "docs/teams.md", "docs/schedules.md"
CLUSTERS = "docs/clusters.md"

# What is printed --------------------------------------------------------------------------------


@claim
def fences_are_lines_of_transcripts() -> Iterator[Said]:
    for page in PAGES:
        for fence in fences.quoted(raw(page)):
            yield says(page, fences.text(fence.name, fence.quote))


def printed(name: str, command: str) -> list[str]:
    return fences.typed(name, command)["printed"]


def minutes(name: str, command: str) -> int:
    """Begun minutes of the clock; the machine had nothing else to do."""
    return math.ceil(fences.typed(name, command)["seconds"] / 60)


class Figures(NamedTuple):
    """The two tables that a run prints: row -> column -> cell."""

    scores: dict[str, dict[str, str]]
    differences: dict[str, dict[str, str]]


@cache
def figures(name: str, command: str) -> Figures:
    lines = printed(name, command)
    tables = list[dict[str, dict[str, str]]]()
    for place, line in enumerate(lines):
        if re.fullmatch("─+", line):
            head, *rows = [lines[place - 1], *lines[place + 1 :]]
            names = re.split(r"\s{2,}", head)
            ends = rows.index("") if "" in rows else len(rows)
            cells = [re.split(r"\s{2,}", row) for row in rows[:ends]]
            tables.append({one[0]: dict(zip(names, one, strict=True)) for one in cells})
    return Figures(*tables)


def holds_zero(cell: str) -> bool:
    low, high = map(float, re.findall(r"[\[ ]([+-][\d.]+)(?=[,\]])", cell))
    return low <= 0 <= high


@claim
def the_tables_of_the_quick_start_are_read_aloud() -> Iterator[Said]:
    scores, differences = figures("quick_start", scripts.RUN)
    ours = scores["ours"]
    half, matched, tuned = (
        ours[f"macro F1 ({rule})"] for rule in ("half", "prior_matched", "tuned")
    )
    level = inspect.signature(bootstrap.interval).parameters["level"].default
    percent = f"{100 * level:.0f} %"
    yield says(
        QUICK_START,
        f"These are of seed {Config().seed}:",
        f"(micro AP) of {ours['micro AP']}",
        f"average precision of {ours['macro AP']}, and at three decision rules a macro F1 of "
        f"{half}, {matched} and {tuned}.",
        f"{differences['micro AP']['prior']} is the difference of `ours` and `prior` with its "
        f"{percent} interval",
        f"every figure in it, with {percent} intervals",
        f"holds zero, as in {differences['macro AP']['weighted/paper']},",
    )
    assert holds_zero(differences["macro AP"]["weighted/paper"])


@claim
def what_the_quick_start_concludes_follows_from_its_tables() -> Iterator[Said]:
    differences = figures("quick_start", scripts.RUN).differences
    ordinary = ("bce", "mcloss")
    for figure in ("macro AP", "macro F1 (prior_matched)", "macro F1 (tuned)"):
        assert all(holds_zero(differences[figure][name]) for name in ordinary), figure
        assert holds_zero(differences[figure]["weighted/paper"]), figure
    assert not any(holds_zero(differences["micro AP"][name]) for name in ordinary)
    assert all(differences["micro AP"][name].startswith("+") for name in ordinary)
    assert holds_zero(differences["micro AP"]["weighted/paper"])
    assert not holds_zero(differences["macro F1 (half)"]["weighted/paper"])
    yield says(
        QUICK_START,
        "micro AP is above ordinary training; in macro AP and macro F1 at `prior_matched` and "
        "`tuned` the intervals hold zero. To the weighted networks forests and kernels add nothing "
        "in ranking here, only in macro F1 at `half`",
    )


@claim
def how_many_nodes_are_rare() -> Iterator[Said]:
    results = json.loads(raw("benchmarks/rare_nodes/results/hpo_eye.ours.json"))
    bins = results["runs"][0]["methods"]["ours"]["test"]["by_rarity"]
    nodes = {one["bin"]: one["nodes"] for one in bins}
    share = sum(nodes[name] for name in ("0", "1-9", "10-29")) / sum(nodes.values())
    assert 0.4 < share < 0.5
    yield says(QUICK_START, "nearly half of them with fewer than 30 positives")


@claim
def what_is_needed_and_what_is_installed() -> Iterator[Said]:
    (python,) = re.findall(r'requires-python = ">=([\d.]+)"', raw("pyproject.toml"))
    size = f"{fences.read('install')['bytes'] / 1e9:.1f} GB"
    took = minutes("install", scripts.INSTALL)
    words = "a few" if 2 < took < 6 else WORDS[took]
    for page in ("README.md", "docs/index.md", QUICK_START):
        yield says(page, f"Python {python} or newer", f"about {size}, {words} minutes")
    assert f"(about {size}, some minutes)" in text("Makefile")


def listed(names: list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


@claim
def how_long_a_run_takes() -> Iterator[Said]:
    def span(name: str, command: str) -> str:
        cores = fences.read(name)["machine"]["cores"]
        return f"about {WORDS[minutes(name, command)]} minutes on {cores} cores"

    for page in ("README.md", "docs/index.md"):
        yield says(page, f"; {span('quick_start', scripts.RUN)}")
    yield says(
        QUICK_START,
        f"data set: {span('quick_start', scripts.RUN)} that have nothing else to do",
    )
    yield says(IMAGES, f"printed, after {span('images', scripts.IMAGES)}")
    most = minutes("own_data", scripts.RUN)
    yield says(OWN_DATA, f"After about {WORDS[most]} minutes")


@claim
def what_a_run_leaves_for_git() -> Iterator[Said]:
    (new,) = printed("quick_start", scripts.STATUS)
    yield says(
        QUICK_START,
        f"`git status` then shows what is meant to be committed: `{new.removeprefix('?? ')}`",
    )


# Your own data ----------------------------------------------------------------------------------


@claim
def the_example_and_what_was_said_of_it() -> Iterator[Said]:
    with (ROOT / "docs" / "example" / "sightings.csv").open(encoding="utf-8", newline="") as file:
        rows = len([*csv.DictReader(file)])
    yield says(OWN_DATA, f"{rows:,} made-up sightings")
    (first, *_) = re.findall(
        r"direction (\d+) of the text 'note'", "\n".join(printed("own_data", scripts.PREDICT))
    )
    yield says(
        OWN_DATA, f"direction {first} of the text `note` is the feature `note:{first}` elsewhere"
    )


@claim
def limits_of_own_tables() -> Iterator[Said]:
    yield says(
        OWN_DATA,
        f"(more than {own_sections._LISTED} numeric columns are not listed",
        f"fewer than {Prepare().min_support} positives in train+valid",
        f"at most {kinds._CATEGORIES:,} different values",
    )


@claim
def what_tables_hold_and_become() -> Iterator[Said]:
    """What the code makes of the examples that the page gives."""
    start = "1970"
    days = columns._days(pa.array([f"{start}-01-01"]), True, "day", ROOT / "table.csv")
    assert days.to_pylist() == [0]
    *clear, thousands = cells = ("1,5", "0,125", "1,234")
    assert all(re.fullmatch(commas._COMMA, cell) for cell in cells)
    assert [c for c in cells if re.fullmatch(commas._THOUSAND, c)] == [thousands]
    no, yes = (
        next(word for word, state in labels._STATES.items() if state == said and word.isdigit())
        for said in ("negative", "positive")
    )
    yield says(
        OWN_DATA,
        f"days since {start}, and",
        f"(as in `{'` or `'.join(clear)}`; `{thousands}` may be one)",
        f"`positive`, `present`, `yes`, `{yes}`; `negative`, `absent`, `not`, `no`, `{no}`; `unkn",
        f"roots have depth {Hierarchy.from_edges([('b', 'a')]).depth.min()}",
    )


@claim
def what_can_be_uncertain() -> Iterator[Said]:
    """Two members that are sure of opposites disagree as much as members can: by one bit."""
    opposites = np.array([[[0.0]], [[1.0]]])
    most = float(uncertainty(opposites, mode="epistemic").item())
    yield says(OWN_DATA, f"in bits from 0 to {most:.0f} (mutual information)")


# Images -----------------------------------------------------------------------------------------


@claim
def what_the_tables_of_images_say() -> Iterator[Said]:
    differences = figures("images", scripts.IMAGES).differences

    def where(other: str, sign: str) -> list[str]:
        rows = {name: row[other] for name, row in differences.items()}
        return [n for n, cell in rows.items() if cell[0] == sign and not holds_zero(cell)]

    above, networks = where("linear_pixels", "+"), where("weighted/paper", "-")
    assert not where("linear_pixels", "-")
    assert all(holds_zero(row[name]) for row in differences.values() for name in ("bce", "mcloss"))
    assert not {"micro AP", "macro AP"} & {*networks}
    yield says(
        IMAGES,
        f"worth a little in {listed(above)}; the other {WORDS[len(differences) - len(above)]} "
        "intervals hold zero, and so do all of those to `bce` and `mcloss`",
        f"in ranking, and take something away in {listed(networks)}.",
    )


@cache
def pixels() -> Any:
    return json.loads(raw("benchmarks/pixels/results.json"))


@claim
def the_files_of_fashion_mnist() -> Iterator[Said]:
    published, near = pixels()["published"], pixels()["nearest"]
    train, test = (published["images"][split] for split in ("train", "test"))
    categories = len(clothes.TARGETS) + len(clothes.AUXILIARY)
    others = len(clothes.AUXILIARY)
    side = published["side"]
    assert side == fashion_mnist.SIZE
    assert published["again"] == 0
    first, *_ = exponents = [
        round(math.log(clothes.kept(name, 10**9) / 10**9, clothes.SHARE)) for name in clothes.TAIL
    ]
    assert exponents == [*range(first, first + len(clothes.TAIL))]
    *two, next_one = near
    assert {one["category"] for one in two} == {"t-shirt"}
    assert max(one["apart"] for one in two) < 0.01
    yield says(
        IMAGES,
        f"is {train:,} training and {test:,} test images of {side} x {side} grey values, in "
        f"{WORDS[categories]} categories",
        f"{WORDS[len(clothes.TARGETS)].capitalize()} of them are the leaves of a hierarchy of "
        f"{len(clothes.NODES)} nodes",
        f"Their {others * train // categories:,} training images",
        f"Their {others * test // categories:,} test images are not used",
        f"The k-th category, from {first}, keeps {clothes.SHARE}<sup>k</sup> of its images",
        f"no image comes twice among the {train + test:,}",
        f"{WORDS[len(two)].capitalize()} test examples, both of T-shirts, are nearly a training "
        "example (the root of the mean squared difference of the values, from 0 to 1, is below "
        f"0.01; of the next one it is {next_one['apart']:.3f})",
    )
    shirts, t_shirts = (clothes.kept(name, train // categories) for name in ("shirt", "t-shirt"))
    yield says(IMAGES, f"of which there are {t_shirts // shirts} times as many")


@claim
def what_images_may_be() -> Iterator[Said]:
    depths = found(r'"(8 or 16 bits a channel), grey', "pipeline/images/decoding.py")[1]
    yield says(IMAGES, f"; {depths}, grey, RGB, CMYK")


@claim
def regressions_of_the_pixels() -> Iterator[Said]:
    yield says(IMAGES, f"(scikit-learn, C = {pixels()['c']}, values from 0 to 1)")
    rows, ap = table(IMAGES, "### Fashion-MNIST as a hierarchy", "node"), pixels()["ap"]
    for name, row in rows.items():
        node = name.split("`")[1]
        if node == clothes.ROOT:
            continue
        cells = [f"{ap[node][kind]:.3f}" for kind in ("one_per_node", "of_categories")]
        assert [row["AP, one per node"], row["AP, of categories"]] == cells, node
    assert len(rows) == len(ap) + 1
    yield says(IMAGES, *(row.line for row in rows.values()))


@claim
def the_files_of_the_animals() -> Iterator[Said]:
    counts = raw("tests/datasets/test_animal_mnist.py")
    ((examples, groups),) = re.findall(r"len\(set\(raw\.groups\)\)\) == \((\d+), (\d+)\)", counts)
    (images,) = re.findall(r'setattr\(animal_mnist_files, "COUNT", ([\d_]+)\)', counts)
    fewest = round(animals.MOST * animals.SHARE ** (len(animals.TAIL) - 1))
    yield says(
        IMAGES,
        f"{fashion_mnist.SIZE} x {fashion_mnist.SIZE} grey values, under",
        f"{fewest} bears in all",
        f"keeps {animals.MOST} · {animals.SHARE}<sup>k</sup> of its "
        f"{int(images) // len(animals.TAIL):,} images",
        f"{int(examples) - int(groups)} pairs of images are equal to the byte",
    )


ORDINALS = {4: "fourth", 5: "fifth", 6: "sixth"}


@claim
def what_a_small_validation_split_does() -> Iterator[Said]:
    """The chance that none of ten positives is drawn for it."""
    few, share = 10, Prepare().valid_share
    none = Fraction((1 - share) ** few).limit_denominator(5)
    assert none.numerator == 1
    yield says(
        IMAGES,
        f"Of nodes with {few} positives that is every {ORDINALS[none.denominator]} if "
        f"{share:.0%} are for validation".replace("%", " %"),
    )


# Studies, teams, schedules ----------------------------------------------------------------------


@claim
def what_a_test_asks_of_several_workers() -> Iterator[Said]:
    test = raw("tests/services/test_postgresql.py")
    (least,) = re.findall(r"assert ratio >= (\d+)", test)
    ((workers, trials),) = re.findall(
        r"Sleepers\(four, (\d+), [\d.]+, kill_after=\d+\)\n +lead\.lead\(four, crew, (\d+)\)", test
    )
    yield says(
        STUDIES,
        f"{WORDS[int(workers)]} workers finish at least {least} times as many trials a second as "
        f"one, and of {trials} trials with one worker killed {trials} are finished",
    )


@claim
def whoever_has_no_password() -> Iterator[Said]:
    (status,) = re.findall(r'"found: (\d+)\. Set PREFECT_API', raw("tests/services/test_teams.py"))
    yield says(
        TEAMS,
        "expected to be let in at http://PREFECTHOST:4200/api (PREFECT_API_URL), found: "
        f"{status}. Set PREFECT_API_AUTH_STRING to the server's.",
    )


@claim
def what_prefect_does_by_default() -> Iterator[Said]:
    worker = WorkerSettings.model_fields
    asks, ahead = (worker[f"{name}_seconds"].default for name in ("query", "prefetch"))
    lease = ServerConcurrencySettings.model_fields["initial_deployment_lease_duration"].default
    kept = ServerServicesDBVacuumSettings.model_fields["retention_period"].default
    yield says(
        SCHEDULES,
        f"asks every {asks} seconds for what is due within the next {ahead}",
        f"for at most {WORDS[int(lease / 60)]} minutes",
    )
    yield says(TEAMS, f"runs older than {kept.days} days")


@claim
def how_late_a_schedule_may_be() -> Iterator[Said]:
    (most,) = re.findall(r"assert -\d+ < late < (\d+)", raw("tests/services/test_schedule.py"))
    yield says(SCHEDULES, f"The test allows {most} seconds of delay")


# Clusters ---------------------------------------------------------------------------------------


@claim
def what_a_cluster_costs() -> Iterator[Said]:
    measured = cluster.read()
    yield says(CLUSTERS, cluster.markdown(measured))
    once = measured["prefect_task"] + measured["cell_lock"]
    each = measured["coordinator_task"] + measured["seed_file"]
    sign = 1000 * cluster.sign_of_life(measured)
    yield says(
        CLUSTERS,
        f"({WORDS[measured['workers']]} workers, {measured['tasks']} tasks,",
        f"{once:.2f} + {cluster.SEEDS} x {each:.3f} = {cluster.cell(measured):.1f} s, of which DVC "
        f"takes {WORDS[round(10 * measured['cell_lock'] / cluster.cell(measured))]} tenths",
        f"a seed {cluster.seed(measured):.2f} s. The scheduler takes "
        f"{1000 * measured['scheduler_task']:.0f} ms a seed and some {sign:.1f} ms a second",
        f"the {measured['process']:.1f} s of a process",
    )


@claim
def how_many_workers_follow() -> Iterator[Said]:
    measured = cluster.read()
    for name, seconds in cluster.DURATIONS:
        cells = [cluster.two_digits(count) for count in cluster.workers(measured, seconds)]
        yield says(CLUSTERS, f"| {' | '.join([name, *cells])} |")


@claim
def what_the_results_of_the_study_say_of_workers() -> Iterator[Said]:
    sizes, peaks = list[int](), list[float]()
    for path in sorted((ROOT / "benchmarks" / "rare_nodes" / "results").glob("*.json")):
        whole = json.loads(path.read_text(encoding="utf-8"))
        for run in whole["runs"]:
            sizes.append(len(json.dumps(whole | {"runs": [run]})))
            peaks += [m["cost"]["peak_memory_mb"] for m in run["methods"].values()]
    yield says(
        CLUSTERS,
        f"A seed's result is {sum(sizes) / len(sizes) / 1000:.0f} kB on average",
        f"between {min(peaks) / 1000:.1f} and {max(peaks) / 1000:.1f} GB of memory per thread",
    )


@claim
def who_waits_how_long_for_a_cluster() -> Iterator[Said]:
    refused = found(
        r"except RarenodeError as error: print\(error, file=sys\.stderr\) return (\d)",
        "pipeline/cli.py",
    )[1]
    import_module("distributed")  # brings its defaults along
    losses = dask.config.get("distributed.scheduler.allowed-failures") + 1
    yield says(
        CLUSTERS,
        f"After {WORDS[losses]} losses the same work is given up",
        f"only after {WORDS[on_cluster._LOSSES]} in which no trial was finished): one message, "
        f"exit code {refused}",
        f"one message after {connection.PATIENCE:.0f} s, exit code {refused}",
        f"exit code {refused} after {connection.REACH:.0f} s",
    )


# Definitions, and inputs of examples ------------------------------------------------------------

GIVEN = (
    (IMAGES, "day1/0001.jpg", "a file of an example"),
    (IMAGES, "photos/day1/0001.jpg", "a file of an example"),
    (IMAGES, "mixed with random ones, from 0 to 1", "what a share is"),
    (OWN_DATA, "| true and false, yes and no | 1 and 0 |", "how truth is written in numbers"),
    (OWN_DATA, "1 or 0 for each value", "what one-hot means"),
    (OWN_DATA, "a column of 0 and 1 for each node", "what one-hot means"),
)


@claim
def given() -> Iterator[Said]:
    for page, sentence, why in GIVEN:
        assert why
        yield says(page, sentence)
