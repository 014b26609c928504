"""What docs/concepts.md and its pictures say of the page's own examples, which run here."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from pipeline.config.sections import Train
from pipeline.hml import calibration, coherent, decisions, uncertainty
from pipeline.hml.folds import learners
from tests.numbers.claims import (
    ROOT,
    WORDS,
    Said,
    claim,
    confidence,
    found,
    raw,
    says,
    study,
    unit_interval,
)
from tests.test_docs_examples import examples, run

CONCEPTS, PICTURES = "docs/concepts.md", "docs/pictures"


@cache
def defined() -> dict[str, Any]:
    """What the examples of the page define, once all of them have run."""
    names: dict[str, Any] = {}
    for example in examples(raw(CONCEPTS)):
        run(example, names, CONCEPTS)
    return names


def shapes(picture: str) -> str:
    return (ROOT / PICTURES / picture).read_text(encoding="utf-8")


@claim
def coherence() -> Iterator[Said]:
    names, place = defined(), defined()["hierarchy"].index
    before, after = names["p"][0], coherent(names["p"], names["hierarchy"])[0]
    owl, bird = place["owl"], place["bird"]
    lifted = np.flatnonzero(before != after)
    assert lifted.tolist() == [bird]
    yield says(
        CONCEPTS,
        f"![Owl {before[owl]} lifts bird from {before[bird]} to {after[bird]}]",
        f"an owl with {before[owl]} and a bird with {before[bird]}",
    )
    drawn = ["animal", "mammal", "bird", "fox", "otter", "owl"]
    yield says(
        f"{PICTURES}/coherence.svg",
        " ".join(f"{name} {p[place[name]]}" for p in (before, after) for name in drawn),
        f"Before: owl {before[owl]} and bird {before[bird]}. After: bird has {after[bird]}",
        f"animal stays at {after[place['animal']]}",
    )


@claim
def rarity_weights() -> Iterator[Said]:
    names = defined()
    support, weight, place = names["support"], names["positive"], names["hierarchy"].index
    examples, otter = support[place["animal"]], support[place["otter"]]
    assert otter == support.min()
    yield says(
        CONCEPTS,
        f"a node with {otter} positives among {examples:,} examples hardly counts",
        f"Of {examples:,} examples, which are all animals, with the floor {weight.min():.0f}:",
    )
    rows = [(n, support[place[n]], weight[place[n]]) for n in "mammal bird fox owl otter".split()]
    (first, number, heavy), *others = rows
    said = [f"{first} with {number} positives weighs {heavy:.1f}"]
    said += [f"{name} with {number} weighs {heavy:.1f}" for name, number, heavy in others]
    yield says(
        f"{PICTURES}/weights.svg",
        f"Bars: {', '.join(said)}.",
        *(f"{name} {number} {heavy:.1f}" for name, number, heavy in rows),
    )


@claim
def agreeing_members() -> Iterator[Said]:
    names = defined()
    members = [names[name].ravel() for name in ("agree", "disagree")]
    assert len({len(p) for p in members}) == 1
    (mean,) = {round(p.mean(), 12) for p in members}
    (alike,) = {*members[0]}
    low, high = unit_interval()
    yield says(
        CONCEPTS,
        f"Both examples have the mean {mean}:",
        f"An uncertainty lies in [{low}, {high}].",
    )
    figures = [
        tuple(uncertainty(names[name], mode=mode).item() for mode in ("predictive", "epistemic"))
        for name in ("agree", "disagree")
    ]
    (first, second), (third, fourth) = figures
    *most, last = map(str, members[1].tolist())
    yield says(
        f"{PICTURES}/uncertainty.svg",
        f"Two scales from {low} to {high}. On the left {WORDS[len(members[0])]} members at "
        f"{alike}: predictive uncertainty {first:.1f}, epistemic {second:.1f}. On the right "
        f"members at {', '.join(most)} and {last} with the same mean: predictive {third:.1f}, "
        f"epistemic {fourth:.2f}.",
        f"{low} {high} mean {mean} predictive {first:.1f}, epistemic {second:.1f}",
        f"{low} {high} mean {mean} predictive {third:.1f}, epistemic {fourth:.2f}",
    )


@claim
def three_rules() -> Iterator[Said]:
    names = defined()
    positives, negatives, scores = names["positives"], names["negatives"], names["scores"]
    half = decisions.half_cuts(1).item()
    matched = names["cut"].item()
    assert (scores >= half).sum() == 0
    tuned = int(names["f1"].argmax()) + 1
    below, above = sorted(scores)[-tuned - 1], sorted(scores)[-tuned]
    number, beta = (scores >= matched).sum(), Train().beta
    assert number == len(positives)
    yield says(
        CONCEPTS,
        f"![{WORDS[len(scores)].capitalize()} held-out scores of a rare node",
        f"Take a node with {len(positives)} positives among {len(scores)} examples:",
        f"`half` cuts at {half}, for every node.",
        f"here for {number} of {len(scores)}:",
        f"(F-beta where `train.beta` is not {beta:g})",
        f"Here that is after {WORDS[tuned]} examples",
    )
    *most, last = map(str, positives)
    yield says(
        f"{PICTURES}/rules.svg",
        f"{WORDS[len(scores)].capitalize()} held-out scores on a scale. Positives at "
        f"{', '.join(most)} and {last}. The rule prior_matched cuts at {matched:.2f} and predicts "
        f"{WORDS[number]}, tuned cuts between {below} and {above} and predicts {WORDS[tuned]}, "
        f"half cuts at {half} and predicts none.",
        " ".join(f"{tick / 10:g}" for tick in range(6)),
    )
    drawn = shapes("rules.svg")
    ticks = re.findall(r'<text class="mid small" x="(\d+)" y="132">([\d.]+)', drawn)
    (x0, zero), (x1, one) = ((float(x), float(value)) for x, value in (ticks[0], ticks[-1]))
    scale = (x1 - x0) / (one - zero)
    *dots, _ = re.findall(r'<circle class="weak" cx="(\d+)"', drawn)  # the last is the legend's
    *diamonds, _ = re.findall(r'<path class="strong" d="M(\d+)', drawn)
    for places, values in ((dots, negatives), (diamonds, positives)):
        at = [round((float(x) - x0) / scale, 3) for x in places]
        assert sorted(at) == sorted(values)
    cuts = [float(x) for x in re.findall(r'<path class="line dash" d="M(\d+)', drawn)]
    at = [(x - x0) / scale for x in cuts]
    assert at[0] == round(matched, 2)
    assert below < at[1] < above
    assert at[2] == half


@claim
def folds_in_a_ring() -> Iterator[Said]:
    members = Train().members
    learns = learners(np.arange(members), members)
    out = [(np.flatnonzero(~line) + 1).tolist() for line in learns]
    assert {len(folds) for folds in out} == {calibration._SEEN} == {*(~learns).sum(0).tolist()}
    ten, two = WORDS[members], WORDS[calibration._SEEN]
    yield says(
        CONCEPTS,
        f"![{ten.capitalize()} members in a ring of {ten} folds: each leaves {two} neighbouring",
        f"left out by exactly {two} members of each kind",
    )
    first, second = [f"folds {a} and {b}" for a, b in out[:2]]
    yield says(
        f"{PICTURES}/honest-cuts.svg",
        f"A grid of {ten} members and {ten} folds. Member 1 leaves out {first}, member 2 leaves "
        f"out {second}, and so on around the ring. Each fold is left out by exactly {two} members.",
        " ".join(f"member {number}" for number in range(1, members + 1)),
    )


@claim
def what_else_the_page_says() -> Iterator[Said]:
    grids = study("rare_nodes")["grids"].values()
    per = found(r"budget, per=(\d+)", "pipeline/hml/fitting.py")[1]
    yield says(
        CONCEPTS,
        f"so many decisions in {int(per):,} examples",
        f"the difference with its {confidence()} interval",
        f"was measured on {WORDS[len({name for grid in grids for name in grid['datasets']})]} data",
    )
