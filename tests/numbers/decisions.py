"""Figures in decisions (docs/adr): of the code, of pages that commands write, or sums of these.

What was measured once, and what no command makes again, stands in benchmarks/notebook.
"""

import inspect
import re
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module

import dask.config
import numpy as np

from pipeline.champion import learnt
from pipeline.cluster.connection import PATIENCE
from pipeline.config import profiles
from pipeline.config.published import PUBLISHED
from pipeline.config.sections import Train
from pipeline.datasets import hpo
from pipeline.datasets.tables.values import MOSTLY
from pipeline.hml import calibration, evaluation, kernels, memory, mixing
from pipeline.hml.members import kernel, neighbours, regressions
from pipeline.hml.predictions import KEPT
from pipeline.hml.ranking import POOLED
from pipeline.stages import trials
from tests.numbers.claims import (
    ROOT,
    WORDS,
    Said,
    bounds,
    claim,
    confidence,
    found,
    raw,
    says,
    study,
)

DECISIONS = {
    int(path.name[:4]): f"docs/adr/{path.name}"
    for path in sorted((ROOT / "docs" / "adr").glob("*.md"))
}
LARGER_BATCHES, RESULTS = "docs/larger-batches.md", "docs/results.md"


def scientific(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-")


@claim
def compiled_pass() -> Iterator[Said]:
    (bound,) = bounds("bounds", "scatter-max in plain torch over the constraint")
    assert bound["met"]
    assert bound["kind"] == "at least"
    yield says(
        DECISIONS[1],
        f"{kernels._LANES} rows are carried upward side by side",
        f"at least {bound['limit']} times slower as one would write them",
    )


@claim
def trials_of_studies() -> Iterator[Said]:
    yield says(
        DECISIONS[3],
        f"Each of the {WORDS[1 + len(Train().baselines)]} methods has its own study",
        f"running mean over {WORDS[trials._SMOOTHED]} epochs",
    )


@claim
def phenotype_features() -> Iterator[Said]:
    source = inspect.getsource(hpo)
    ngrams = r'text\.ngrams\(columns\["{}"\], fit_rows, \((\d+), (\d+)\)\)(?: \* ([\d.]+))?'
    name, genes = (re.findall(ngrams.format(column), source) for column in ("name", "genes"))
    directions = re.findall(r"min\(max_features, (\d+)\), \"text\"", source)
    assert [name[0][2], float(genes[0][2])] == ["", 0.5]
    yield says(
        DECISIONS[4],
        f"Phenotype features are {directions[0]} singular directions",
        f"(disease name {name[0][0]} to {name[0][1]}, gene symbols {genes[0][0]} to "
        f"{genes[0][1]} at half weight), reduced to {directions[0]} directions",
    )


@claim
def streamed_evaluation() -> Iterator[Said]:
    """Test examples are the phrases that are not trained on; test_icd10cm.py holds their number."""
    (scale,) = bounds("scale", "peak memory of preparing icd10cm")
    counts = raw("tests/datasets/test_icd10cm.py")
    phrases = re.findall(r"len\(icd\.ids\), len\(icd\.nodes\).* == \(([\d_]+), ([\d_]+)", counts)
    ((nodes, learnt_from),) = [
        (int(n), int(e)) for n, e in re.findall(r"(\d+) nodes, (\d+) examples", scale["name"])
    ]
    assert int(phrases[0][1]) == nodes
    tested = int(phrases[0][0]) - learnt_from
    yield says(
        DECISIONS[7],
        f"would take more than {evaluation.SUMS * np.float64().nbytes / 1e6:.0f} MB",
        f"thinned to {POOLED:,} thresholds",
        f"all predictions fit into {KEPT * np.float32().nbytes / 1e6:.0f} MB",
        f"{tested:,} test examples x {nodes:,} nodes of `icd10cm` are "
        f"{tested * nodes * np.float32().nbytes / 1e9:.1f} GB in float32",
    )


@claim
def larger_batches() -> Iterator[Said]:
    rows = re.findall(
        r"^\| (\w+) \| (\d+) \| \S+ \|[^|]*\| ([+-]\S+) \| (\d+) \|", raw(LARGER_BATCHES), re.M
    )
    one = {name: float(gap) for name, members, gap, _ in rows if members == "1"}
    ten = {name: float(gap) for name, members, gap, _ in rows if members == "10"}
    assert {seeds for _, members, _, seeds in rows if members == "10"} == {"1"}
    assert all(name.endswith("_FUN") for name in ten)
    near, below = ["cellcycle_FUN", "derisi_FUN"], ["gasch1_FUN", "spo_FUN", "gasch2_GO"]
    assert {*one} == {*near, *below, "cellcycle_GO"}
    gaps = sorted(-one[name] for name in below)
    larger, batch = profiles._LARGER, profiles._FIXED["train.batch_size"]
    yield says(
        DECISIONS[8],
        f"batches of {larger['batch']} instead of {batch}, {larger['learning_rate']} times the "
        f"learning rate and {larger['epochs']} of the epochs",
        f"Batches of {batch} spend the time on moving all weights for {WORDS[batch]} examples",
        f"within {max(abs(one[name]) for name in near):.4f} of the published AU(PRC) on "
        f"{near[0]} and {near[1]}, {gaps[0]:.4f} to {gaps[-1]:.4f} below it on {below[0]}, "
        f"{below[1]} and {below[2]}, {-one['cellcycle_GO']:.4f} below on cellcycle_GO",
        f"With {WORDS[10]} members the {WORDS[len(ten)]} FUN sets lie between "
        f"{-min(ten.values()):.4f} below and {max(ten.values()):.4f} above (one seed)",
    )


@claim
def kept_memory() -> Iterator[Said]:
    source = inspect.getsource(memory.keep_freed)
    kept = re.search(r"_M_MMAP_MAX, (\d+)\) and .*_M_TRIM_THRESHOLD, 2\*\*(\d+) - 1", source)
    assert kept is not None
    maps, bits = (int(number) for number in kept.groups())
    yield says(DECISIONS[9], f"(`M_MMAP_MAX` {maps}, `M_TRIM_THRESHOLD` {2**bits / 1e9:.0f} GB;")


@claim
def several_kinds() -> Iterator[Said]:
    settings, seen = Train(), calibration._SEEN
    sets = study("rare_nodes")["development"]
    yield says(
        DECISIONS[10],
        f"has {WORDS[settings.members]} members of each of {WORDS[len(settings.kinds)]} kinds",
        f"{WORDS[seen].capitalize()} members of each kind leave each training example out",
        f"placed on means of {WORDS[seen]} members is used on means of {WORDS[settings.members]}",
        f"from a variance of V + W/{seen} to V + W/{settings.members}",
        f"by macro average precision on all {WORDS[len(sets)]}",
        f"Beyond {neighbours.EXACT:,} examples neighbours are searched approximately",
    )


@claim
def kernels_and_priors() -> Iterator[Said]:
    development, parameters = study("rare_nodes")["development"], study("rare_nodes")["parameters"]
    named = ("enron", "imclef07d")
    (chosen,) = {parameters[name]["train.learning_rate"] for name in named}
    (published,) = {PUBLISHED[name].learning_rate for name in named}
    yield says(
        DECISIONS[11],
        f"and noise {kernel._NOISE:.0f}, on at most {kernel.LANDMARKS:,} landmarks",
        f"kinds together is narrower, {mixing._APART}.",
        f"start at the prior rank better on all {WORDS[len(development)]}",
        f"By those of {' and '.join(named)} the study takes a learning rate of "
        f"{scientific(chosen)} instead of the published {scientific(published)}",
    )


@claim
def curve_per_node() -> Iterator[Said]:
    sets, off, micro, f1 = found(
        r"(\w+) of the others were run twice\. The first run showed probabilities of `ours` that "
        r"were too low by up to ([\d.]+);.* micro AP rose by up to ([\d.]+) and macro F1 at `half` "
        r"by up to ([\d.]+) in the second run",
        RESULTS,
    ).groups()
    yield says(
        DECISIONS[13],
        f"prior of standard deviation {calibration._OWN} (",
        f"over {sets.lower()} of the confirmation sets had shown the curves to be off (by up to "
        f"{off})",
        f"on these {sets.lower()} neither",
        f"nor micro AP, which rose by up to {micro}, nor macro F1 at `half` (up to {f1})",
    )


@claim
def own_tables() -> Iterator[Said]:
    most, entries = Fraction(MOSTLY).limit_denominator(9), kernel.STORED
    assert most.denominator == 5
    yield says(
        DECISIONS[14],
        f"Where {WORDS[most.numerator]} fifths of a column are numbers",
        f"coefficients are at most {entries / 1e6:.0f} million "
        f"({entries * np.float32().nbytes / 1e6:.0f} MB)",
    )


@claim
def champion() -> Iterator[Said]:
    yield says(
        DECISIONS[16],
        f"every declared figure's paired {confidence()} interval",
        f"{learnt._hashed(['one'], 1).itemsize * 8} bits of the sha256",
    )


@claim
def clusters() -> Iterator[Said]:
    import_module("distributed")  # brings its defaults along
    losses = dask.config.get("distributed.scheduler.allowed-failures") + 1
    yield says(
        DECISIONS[17],
        f"runs elsewhere, until it has lost {WORDS[losses]}",
        f"one message after {PATIENCE:.0f} s",
    )


@claim
def documentation() -> Iterator[Said]:
    pinned = raw("pyproject.toml")
    (mkdocs,) = re.findall(r'"mkdocs>=[\d.]+,<(\d+)"', pinned)
    (material,) = re.findall(r'"mkdocs-material>=[\d.]+,<(\d+)"', pinned)
    yield says(
        DECISIONS[19],
        f"pinned below mkdocs {mkdocs} and material {material}",
        f"mkdocs {mkdocs} has no plugins",
    )


# What the code does, where a decision has a formula -----------------------------------------------


@claim
def the_kernel() -> Iterator[Said]:
    x, z = np.random.default_rng(0).normal(size=(2, 3, 7)).astype(np.float32)
    distance = np.sqrt(((x[:, None] - z) ** 2).sum(axis=2))
    expected = np.exp(-distance / np.sqrt(x.shape[1]))
    np.testing.assert_allclose(regressions.kernel(x, z), expected, rtol=1e-5)
    yield says(DECISIONS[11], "with exp(-d / sqrt(features)) of standardised features")
