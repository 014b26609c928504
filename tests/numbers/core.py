"""Figures of the core in pages: the bundle, the library and the formulas."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import get_args

import numpy as np
import torch
from scipy.special import expit

from pipeline.champion import learnt
from pipeline.config import profiles
from pipeline.config.sections import Train, Weighting
from pipeline.hml import (
    Hierarchy,
    RareNodeClassifier,
    baselines,
    bundle,
    calibration,
    constrained_probability,
    decisions,
    imbalance_weights,
    onnx_export,
    pools,
    tuned,
    uncertainty,
    weighted_loss,
)
from pipeline.hml.folds import learners
from pipeline.hml.members import averages, forest, kernel, neighbours, regressions
from pipeline.hml.ranking import POOLED
from pipeline.hml.uncertainty import COMPARES_MEMBERS, Mode
from tests.datasets.test_hmc import FACTS
from tests.hml.test_estimator_checks import expected_failures
from tests.numbers.claims import (
    WORDS,
    Said,
    claim,
    found,
    raw,
    says,
    study,
    unit_interval,
)

BUNDLE, LIBRARY, METHOD = "docs/bundle.md", "docs/library.md", "docs/method.md"
HALF = decisions.half_cuts(1).item()
RNG = np.random.default_rng(0)


# The bundle and the library ---------------------------------------------------------------------


@claim
def what_is_in_a_bundle() -> Iterator[Said]:
    (older,) = {*bundle._READ} - {bundle.SCHEMA}
    stored = kernel.STORED * np.float32().nbytes / 1e6
    yield says(
        BUNDLE,
        f"{learnt._hashed(['one'], 1).itemsize * 8} bits of the sha256 of each id and group",
        f"the features of at most {kernel.LANDMARKS:,} of them",
        f"would take more than {stored:.0f} MB)",
        f"schema {bundle.SCHEMA} is written, {older} is read too",
    )


@claim
def networks_as_onnx() -> Iterator[Said]:
    tolerance = found(r"TOLERANCE = (\S+)", "tests/hml/test_onnx_export.py")[1]
    yield says(
        BUNDLE,
        f"decide at {HALF} here",
        f"are those of the library to {tolerance}, which",
        f"Opset {onnx_export._OPSET}.",
        f"at most {onnx_export._LARGEST / 1e9:.2f} GB",
    )


@claim
def checks_of_scikit_learn() -> Iterator[Said]:
    reasons = Counter(expected_failures(RareNodeClassifier()).values())
    cuts, groups = (
        next(count for why, count in reasons.items() if part in why)
        for part in ("cuts of held-out scores", "names no groups")
    )
    assert len(reasons) == 2
    yield says(
        LIBRARY,
        f"[{WORDS[cuts]} do not apply]",
        f"to cuts other than {HALF}, {WORDS[groups]} names no groups)",
    )


# The formulas: the code computes what the page writes -------------------------------------------


@claim
def the_constraint_and_its_loss() -> Iterator[Said]:
    hierarchy = Hierarchy.from_edges([("b", "a"), ("c", "a"), ("d", "b")])
    p = RNG.uniform(size=(2, 5, 4))
    y = hierarchy.close(RNG.random((5, 4)) < 0.3)
    below = [[hierarchy.index[n] for n in hierarchy.descendants(j)] for j in hierarchy.nodes]
    q = np.empty_like(p)
    for h, b, j in np.ndindex(*p.shape):
        q[h, b, j] = max(p[h, b, i] for i in below[j] if y[b, i] or not y[b, j])
    np.testing.assert_allclose(constrained_probability(p, y, hierarchy), q)
    bce = -(y * np.log(q) + (1 - y) * np.log(1 - q))
    logits = torch.from_numpy(np.log(p / (1 - p)))
    loss = weighted_loss(logits, torch.from_numpy(y), hierarchy, reduction="sum")
    np.testing.assert_allclose(loss.item(), bce.sum())
    yield says(
        METHOD,
        "q[h,b,j] = max over i in D(j) with y[b,i] = 1 of p[h,b,i] where y[b,j] = 1 "
        "q[h,b,j] = c[h,b,j] where y[b,j] = 0 "
        "bce[h,b,j] = -(y log q + (1-y) log(1-q))",
    )


@claim
def imbalance() -> Iterator[Said]:
    code = "pipeline/hml/imbalance.py"
    binary = found(r'len\(hierarchy\) if kind == "node" else (\d+)', code)[1]
    same = found(r"where\(learnable, counts, 1\)\), (\d)\.0\)", code)[1]
    flat = Hierarchy.from_edges([], nodes="abcd")
    positive, _ = imbalance_weights(np.array([0, 2, 5, 10]), 10, flat)
    (other,) = {positive[0], positive[3]}
    assert len({*positive}) == 3
    yield says(
        METHOD,
        f"C = N (`node`) or {binary} (`binary`)",
        f"with 0 < f < n; any other node weighs {other:.0f}.",
        f"r = {same} where that sum is 0 or n",
        f"| r = {same}, and they take part in the extremes | `paper`: weight {other:.0f}, outside",
    )


@claim
def modes_of_uncertainty() -> Iterator[Said]:
    low, high = unit_interval()
    p = RNG.uniform(size=(3, 4, 2))
    m, s = p.mean(axis=0), p.std(axis=0, ddof=1)
    formulas = {
        "margin": ("1 - abs(2m - 1)", 1 - abs(2 * m - 1)),
        "gaussian_margin": (
            "1 - abs(2m - 1) (1 - exp(-abs(2m - 1) / (2s)))",
            1 - abs(2 * m - 1) * (1 - np.exp(-abs(2 * m - 1) / (2 * s))),
        ),
    }
    for mode, (formula, value) in formulas.items():
        np.testing.assert_allclose(uncertainty(p, mode=mode), value)
        yield says(METHOD, f"| `{mode}` | {formula} |")
    least = found(r"clamp\((\S+), 1 - \1\)", "pipeline/hml/uncertainty.py")[1]
    yield says(
        METHOD,
        f"Uncertainty, in [{low},{high}]",
        f"p clamped to [{least}, 1 - {least}], at most {high} |",
        f"The last {WORDS[len(COMPARES_MEMBERS)]} compare members",
    )
    # The paper and its code have all but `mutual_information`, which is ours.
    theirs = WORDS[len(get_args(Mode)) - 1]
    yield says(METHOD, f"| {theirs} modes | {theirs} modes | the same and `mutual_information`;")
    modes = [*re.findall(r"^\| `(\w+)` \|", raw(METHOD).split("\n## 5.")[1], re.M)][:7]
    assert {*modes[-len(COMPARES_MEMBERS) :]} == COMPARES_MEMBERS
    yield says("docs/contributing.md", f"gives (example, node) in [{low}, {high}].")


@claim
def baselines_of_others() -> Iterator[Said]:
    logits = torch.from_numpy(RNG.normal(size=(1, 4, 2)))
    positive = torch.ones(4, 2, dtype=torch.bool)
    # gamma+ is 0: a positive keeps its cross-entropy.
    torch.testing.assert_close(baselines.asymmetric_loss(logits, positive), -logits.sigmoid().log())
    assert baselines.start("class_balanced", 50) == 1 / 50
    yield says(
        METHOD,
        f"focal loss, alpha {baselines.FOCAL_ALPHA}, gamma {baselines.FOCAL_GAMMA}, outputs start "
        f"at {baselines.start('focal', 50)} (",
        f"asymmetric loss, gamma+ 0, gamma- {baselines.ASYMMETRIC_GAMMA}, margin "
        f"{baselines.ASYMMETRIC_MARGIN} (",
        f"number of positives, beta {baselines.CLASS_BALANCED_BETA}, outputs start at 1 / nodes (",
    )


@claim
def members_of_kinds() -> Iterator[Said]:
    noise, near = f"{kernel._NOISE:.0f}", neighbours.NEIGHBOURS
    yield says(
        METHOD,
        f"has members of {WORDS[len(Train().kinds)]} kinds",
        f"with `paper` weights and floor {Weighting().floor:.0f}, no focal weight",
        f"plus {100 * averages.PRIOR} % of each node's share of positives",
        f"s + k (K + {noise})^-1 (Y - s) with s each",
        f"plus {100 * regressions._PRIOR:.0f} % of s",
        f"With more than {kernel.LANDMARKS:,} training examples they stand on",
        f"of the {near} nearest training examples",
        f"Leaves of forests weigh {forest._LEAF} at least",
        f"k (K + {noise}/w)^-1 (Y - s); as many neighbours count as weigh {near} together",
    )
    members = Train().members
    out = [np.flatnonzero(~line) for line in learners(np.arange(members), members)]
    assert all({*folds} == {h, (h + 1) % members} for h, folds in enumerate(out))
    yield says(
        METHOD,
        f"is left out by {WORDS[calibration._SEEN]} members of each kind",
        "member h leaves out the folds h and h + 1",
    )


@claim
def mixing_and_calibration() -> Iterator[Said]:
    low, high, bias = RNG.uniform(size=(3, 4))
    score = RNG.normal(size=(5, 4))
    q = expit(score)
    np.testing.assert_allclose(
        calibration.Calibration(low, high, bias).log_odds(score),
        low * np.log(q) - high * np.log(1 - q) + bias,
    )
    first = pools._LOWEST[:4].tolist()
    bins = ", ".join(f"{a}-{b - 1}" for a, b in pairwise(first))
    yield says(
        METHOD,
        "of sigmoid(low_i log q_i - high_i log(1 - q_i) + bias_i)",
        f"Nodes of similar support ({bins}, …)",
    )


@claim
def rules() -> Iterator[Said]:
    least, most = tuned.GRID[0], tuned.GRID[-1]
    per = int(found(r"budget, per=(\d+)", "pipeline/hml/fitting.py")[1])
    yield says(
        METHOD,
        f"- `half`: {HALF} for each node.",
        f"(`train.beta`, {Train().beta:.0f} by default)",
        f"cuts that predict 1/{1 / least:.0f} to {most:.0f} times a node's positives",
        f"in {per:,} held-out examples",
        f"With {WORDS[Train().members]} members, whose mean is less noisy than the "
        f"{WORDS[calibration._SEEN]} held-out ones",
        f"at most {POOLED:,} distinct scores of positives",
    )


@claim
def the_published_network() -> Iterator[Said]:
    fixed = profiles._FIXED
    penalty = f"{fixed['train.weight_decay']:.0e}".replace("e-0", "e-")
    yield says(
        METHOD,
        f"{fixed['train.layers']} linear layers with ReLU and dropout {fixed['train.dropout']}, "
        f"Adam with batches of {fixed['train.batch_size']} and a coupled L2 penalty of {penalty}",
        f"no tuning, a cut of {HALF}.",
    )


# The paper, its released code and ours ----------------------------------------------------------


@claim
def rows_of_the_comparison_name_their_sections() -> Iterator[Said]:
    number = dict((h, n) for n, h in re.findall(r"^## (\d+)\. ([\w ]+)", raw(METHOD), re.M))
    rows = {
        "coherent output": "Coherent output",
        "constraint loss": "Constraint loss",
        "support f": "Imbalance weight",
        "nodes with f = 0 or f = n": "Imbalance weight",
        "which entries w multiplies": "Imbalance weight",
        "floor of w": "Imbalance weight",
        "uncertainty": "Uncertainty",
        "focal weight": "The weighted loss",
        "R": "The weighted loss",
        "decision": "Members of several kinds",
        "missing values": "The published settings",
    }
    names = {
        found: next(n for h, n in number.items() if h.startswith(found))
        for found in {*rows.values()}
    }
    yield says(METHOD, *(f"| {row} ({names[title]}) |" for row, title in rows.items()))


@claim
def where_the_three_differ() -> Iterator[Said]:
    fixed, ours = profiles._FIXED, Weighting()
    floor = fixed["train.weighting.floor"]
    assert ours.uncertainty == "none"
    yield says(
        METHOD,
        f"| floor of w (4) | {floor} | {floor} | a parameter; {ours.floor:.0f} by default,",
        f"| decision (8) | {HALF} | {HALF} | {HALF} and cuts from held-out scores",
        f"clamped: a wrong logit of {first_without_a_gradient()} or more has no gradient left",
    )


def first_without_a_gradient() -> int:
    """The least logit of a negative that cross-entropy of a float32 probability cannot lower."""
    logits = torch.arange(40, dtype=torch.float32, requires_grad=True)
    zeros = torch.zeros(40)
    torch.nn.functional.binary_cross_entropy(logits.sigmoid(), zeros, reduction="sum").backward()
    assert logits.grad is not None
    first = int((logits.grad == 0).nonzero().min())
    assert logits.grad.nonzero().max() < first
    return first


@claim
def the_two_variants_on_published_data() -> Iterator[Said]:
    """What test_hmc.py finds in the published files.

    Where RARENODE_HMC_DIR does not name them it is skipped, and its literals are trusted here.
    """
    path = "tests/datasets/test_hmc.py"
    above, most, median, down = (
        float(found(rf"round\({value}.*?\) == (\S+)", path)[1])
        for value in (
            r"\(released > 1\)\.mean",
            r"released\.max",
            r"np\.median\(released",
            r"\(paper < 1\)\.mean",
        )
    )
    floor = found(r'options = \{"floor": (\S+),', path)[1]
    found(r'all\(weights\.max\(\) < 1 for weights in found\["cellcycle_GO"\]\)', path)
    yield says(
        METHOD,
        f"with floor {floor} and C = N (",
        f"on cellcycle_FUN {100 * above:.0f} % of the nodes that can be learnt have `released` "
        f"weights above 1, up to {most}, and the median is {median}.",
        f"over the cut of {HALF}.",
        f"the *positives* of {100 * down:.0f} % of the nodes down",
        f"with its {FACTS['cellcycle_GO'].nodes:,} nodes, every weight of both variants is below 1",
    )
    published = study("published")
    members, seeds = published["members"], len(published["grids"]["weighted"]["seeds"])
    yield says(
        METHOD,
        f"with {members} members and {WORDS[seeds]} seeds (",
        f"Recall and F1 at a cut of {HALF};",
    )
    yield says(
        "docs/evidence.md",
        f"as released, {members} members, on `cellcycle_FUN` ({WORDS[seeds]} seeds): macro recall "
        f"at a cut of {HALF} is",
    )
