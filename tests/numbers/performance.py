"""What docs/performance.md says in words about the tables of the bench."""

import re
from collections.abc import Iterator

import numpy as np

from benchmarks.speed import floors, problems, rows
from benchmarks.speed.bounds import _DENSE_BATCH
from pipeline.__main__ import STAGES
from pipeline.benchmark.study import load
from pipeline.config import profiles
from pipeline.config.published import PUBLISHED
from tests.datasets.test_hmc import FACTS
from tests.numbers.claims import ROOT, WORDS, Said, bounds, claim, found, raw, says, speed
from tests.numbers.evidence import cost

PERFORMANCE = "docs/performance.md"
BATCH, LARGER = profiles._FIXED["train.batch_size"], profiles._LARGER["batch"]


def shares(problem: str) -> dict[str, float]:
    """Of the parts of a step of one network."""
    (step,) = [
        s for s in speed()["profile"]["steps"] if (s["problem"], s["members"]) == (problem, 1)
    ]
    assert step["batch_size"] == BATCH
    return step["shares"]


@claim
def how_the_bench_ends() -> Iterator[Said]:
    code = found(r"return (\d) if missed else 0", "benchmarks/speed/__main__.py")[1]
    yield says(PERFORMANCE, f"and exits with {code} if a bound is not met")


@claim
def what_rows_are_made_of() -> Iterator[Said]:
    assert problems._SECOND_PARENT == 1 / 10
    steps = WORDS[rows.STEPS]
    yield says(
        PERFORMANCE,
        f"at most {WORDS[len(problems._LEVELS)]} levels",
        "a second parent for one node in ten",
        f"{rows.FEATURES} features, hidden {rows.HIDDEN}, batches of {rows.BATCH}; an `epoch` is "
        f"{steps} batches, `evaluation` ranks {rows.TESTED} examples",
        f"| {steps} of them | {steps} times that |",
        f"- Large at {rows.NODES[0]} nodes, smaller at more",
    )


@claim
def what_lies_furthest_from_its_floor() -> Iterator[Said]:
    table = re.findall(
        r"^\| (\S+) \| \d+ \| \d+ \| [^|]+ \| [^|]+ \| [^|]+ \| ([\d.]+) \|$",
        raw(PERFORMANCE),
        re.M,
    )
    assert {name for name, _ in table} == {*rows.OPERATIONS}
    name, _ = max(table, key=lambda row: float(row[1]))
    costs = [100 * b["measured"] - 100 for b in bounds("bounds", "step of the weighted loss over")]
    yield says(
        PERFORMANCE,
        f"- The largest is `{name}`:",
        f"so it costs a step {min(costs):.0f} to {max(costs):.0f} % (the bounds below)",
    )


@claim
def what_bounds_are_of() -> Iterator[Said]:
    (nodes,) = {re.findall(r"of ([\d,]+) nodes", b["name"])[0] for b in bounds("report", "report")}
    (workers,) = {
        int(re.findall(r"(\d+) workers", b["name"])[0]) for b in bounds("images", "waiting")
    }
    yield says(
        PERFORMANCE,
        f"| report of {nodes} nodes |",
        f"with {WORDS[workers]} workers an encoder that trains is not to wait",
        f"cross-entropy and Adam, batches of {_DENSE_BATCH}.",
    )


@claim
def larger_batches() -> Iterator[Said]:
    name, pages = "cellcycle_FUN", ("docs/larger-batches.md", "docs/published.md")
    row = found(rf"\| {name} \| 1 \| [\d.]+ \| [^|]+ \| (\S+) \| (\d) \|", pages[0])
    larger, published = (cost(page, name, "mcloss_1") for page in pages)
    yield says(
        PERFORMANCE,
        f"Batches of {BATCH}, as published, read and write every weight for {WORDS[BATCH]} "
        f"examples. The profile `full` takes batches of {LARGER} on the",
        f"on {name} the AU(PRC) of one network lies within {abs(float(row[1])):.4f} of the "
        f"published one ({WORDS[int(row[2])]} seeds), after {larger:.0f} CPU seconds instead of "
        f"{published:.0f}",
        f"Both are batches of {BATCH}. With {LARGER}, as `full` has them",
    )


@claim
def epochs_that_take_longer_than_allowed() -> Iterator[Said]:
    digits = {"cellcycle_GO": 1, "cellcycle_FUN": 2}
    for name, places in digits.items():
        (bound,) = bounds("bounds", f"one epoch as published, {name}")
        assert not bound["met"]
        yield says(
            PERFORMANCE,
            f"- *{name}*: an epoch takes {bound['measured']:.{places}f} s where "
            f"{bound['limit']:.{places}f} s are allowed.",
        )
    alone = shares("cellcycle_FUN")["batches and Python"]
    yield says(PERFORMANCE, f"batches and Python alone are {100 * alone:.0f} % of it")


@claim
def the_floor_of_a_step() -> Iterator[Said]:
    name, fixed = "cellcycle_GO", profiles._FIXED
    facts, hidden = FACTS[name], PUBLISHED[name].hidden
    size = floors.Size(
        members=1,
        nodes=facts.nodes,
        edges=facts.edges,
        examples=sum(facts.rows[:-1]),
        batch=BATCH,
        features=facts.attributes,
        hidden=hidden,
        layers=fixed["train.layers"],
    )
    moved = floors.step(size).bytes - floors.loss(size).bytes
    floor = moved / 1e6 / speed()["bounds"]["machine"]["gigabytes_per_second"]  # milliseconds
    (bound,) = bounds("bounds", f"one epoch as published, {name}")
    steps = int(bound["detail"].split()[0])
    allowed, took = (1e3 * bound[key] / steps for key in ("limit", "measured"))
    assert allowed < floor
    products = sum(share for part, share in shares(name).items() if "matrix products" in part)
    largest = hidden * max(hidden, facts.nodes) * np.float32().nbytes / 1e6
    yield says(
        PERFORMANCE,
        f"Weights and Adam move {moved / 1e6:.0f} MB a step, which takes {floor:.1f} ms at the "
        f"bandwidth of a copy; the bound is {allowed:.1f} ms a step, below that floor, and our "
        f"step takes {took:.1f} ms.",
        f"The products of {WORDS[BATCH]} examples with matrices of up to {largest:.0f} MB, forward "
        f"and backward, are {100 * products:.0f} % of a step",
    )


@claim
def dvc_with_nothing_to_do() -> Iterator[Said]:
    (bound,) = bounds("start", "`dvc repro` with nothing to do over DVC")
    assert not bound["met"]
    ours, bare = re.findall(r"([\d.]+) s", bound["detail"])
    studies = ROOT.glob("benchmarks/*/study.yaml")
    cells = sum(len(load(study).cells) for study in studies)
    yield says(
        PERFORMANCE,
        f"`dvc repro` with nothing to do takes {ours} s where DVC alone takes {bare} s:",
        f"beside the {len(STAGES)} of the pipeline these are the {cells} cells of the studies",
    )
