"""The bounds that the core has to hold: what was measured, what is allowed, what holds."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch

from benchmarks.speed import clock, dense, problems, scatter
from benchmarks.speed.problems import Problem
from benchmarks.speed.rows import Epochs, forward_and_backward, training
from pipeline.hml import Hierarchy, Settings, memory
from pipeline.hml.constraint import hierarchy_maximum
from pipeline.hml.timing import step_ratio

Operation = Callable[[torch.Tensor], torch.Tensor]

_ROWS = 256
_DENSE_BATCH = 4
_GROWTH_NODES = (500, 4_000, 20_000, 100_000)
# What a published epoch took elsewhere is scaled by how fast this machine's dense step is.
_EPOCH = {"cellcycle_FUN": 20, "cellcycle_GO": 400}


@dataclass(frozen=True)
class Bound:
    """A promise.

    Attributes:
        name: what is measured, in words.
        measured: the figure.
        limit: the promise.
        kind: on which side of the limit the figure has to be.
        unit: of both.
        detail: what the figure was computed from.
    """

    name: str
    measured: float
    limit: float
    kind: Literal["at most", "at least", "below"] = "at most"
    unit: str = "x"
    detail: str = ""

    @property
    def met(self) -> bool:
        """Whether the promise is kept; a figure that is no number keeps none."""
        if self.kind == "at least":
            return self.measured >= self.limit
        return self.measured < self.limit if self.kind == "below" else self.measured <= self.limit


def constraint(
    hierarchy: Hierarchy, name: str, *, rows: int = _ROWS, rounds: int = 15
) -> Iterator[Bound]:
    """The constraint beside a multiplication and beside plain torch, forward and backward."""
    scores = torch.randn(rows, len(hierarchy))
    factor = torch.rand(rows, len(hierarchy))
    labels = hierarchy.close(torch.rand(rows, len(hierarchy)) < 2 / len(hierarchy))
    edges = scatter.levels(hierarchy)

    def measured(operations: Mapping[str, Operation], rounds: int) -> dict[str, float]:
        actions = {key: forward_and_backward(scores.clone(), f) for key, f in operations.items()}
        return clock.interleaved(actions, rounds=rounds)

    ours = {
        "coherent": lambda s: hierarchy_maximum(s, None, hierarchy),
        "within labels": lambda s: hierarchy_maximum(s, labels, hierarchy),
    }
    took = measured({**ours, "multiply": lambda s: s * factor}, 3 * rounds)
    for key in ours:
        yield Bound(
            f"constraint ({key}) over an element-wise multiplication, {name}, {rows} rows",
            took[key] / took["multiply"],
            15,
            detail=f"{_ms(took[key])} over {_ms(took['multiply'])}",
        )
    plain = {key: partial(form, edges=edges) for key, form in scatter.FORMS.items()}
    took = measured({"coherent": ours["coherent"], **plain}, rounds)
    forms = ", ".join(f"{_ms(took[form])} ({form})" for form in plain)
    yield Bound(
        f"scatter-max in plain torch over the constraint, {name}, {rows} rows",
        took[scatter.PLAIN] / took["coherent"],
        20,
        "at least",
        detail=f"{forms} over {_ms(took['coherent'])}",
    )


def dense_product(
    hierarchy: Hierarchy, name: str, *, batch: int = _DENSE_BATCH, rounds: int = 3
) -> Iterator[Bound]:
    """The dense float64 product of the published method beside the constraint."""
    p = torch.rand(batch, len(hierarchy))
    action = forward_and_backward(p, lambda s: hierarchy_maximum(s, None, hierarchy))
    ours = clock.median(action, rounds=200)
    theirs = clock.elsewhere(dense.product_seconds, hierarchy, batch, rounds)
    yield Bound(
        f"dense float64 product over the constraint, {name}, batch {batch}",
        theirs / ours,
        5000,
        "at least",
        detail=f"{theirs:.2f} s over {_ms(ours)}",
    )


def growth(
    *, nodes: tuple[int, ...] = _GROWTH_NODES, rows: int = _ROWS, rounds: int = 9
) -> Iterator[Bound]:
    """Time per row and edge of the constraint, from the smallest to the largest hierarchy."""
    actions, edges = {}, {}
    for count in nodes:
        hierarchy = problems.synthetic_hierarchy(count)
        edges[str(count)] = hierarchy.edge_index.shape[1]
        operation = partial(hierarchy_maximum, labels=None, hierarchy=hierarchy)
        actions[str(count)] = forward_and_backward(torch.randn(rows, count), operation)
    took = clock.interleaved(actions, rounds=rounds)
    per_edge = {key: 1e9 * took[key] / rows / edges[key] for key in took}
    first, last = per_edge[str(nodes[0])], per_edge[str(nodes[-1])]
    yield Bound(
        f"growth per row and edge, {nodes[0]} to {nodes[-1]} nodes",
        last / first,
        2,
        "below",
        detail=", ".join(f"{value:.2f} ns at {key}" for key, value in per_edge.items()),
    )


def training_step(problem: Problem, settings: Settings, *, seconds: float = 5.0) -> Iterator[Bound]:
    """A step of the weighted loss beside one of plain binary cross-entropy, batch 4 and 64."""
    for batch in (4, 64):
        ratio = step_ratio(training(problem, replace(settings, batch_size=batch)), seconds=seconds)
        yield Bound(
            f"step of the weighted loss over plain BCE, {problem.name}, "
            f"{settings.members} members, batch {batch}",
            ratio.ratio,
            1.3,
            detail=f"{_ms(ratio.seconds)} over {_ms(ratio.plain_seconds)}",
        )


def epoch(
    problem: Problem, settings: Settings, divisor: int, *, rounds: int = 3, dense_rounds: int = 3
) -> Iterator[Bound]:
    """An epoch of MCLoss at the published setting beside one of dense published steps."""
    steps = math.ceil(len(problem.features) / settings.batch_size)
    shape = (problem.hierarchy, problem.features.shape[1], settings.hidden)
    one = clock.elsewhere(
        dense.step_seconds, *shape, settings.dropout, settings.batch_size, dense_rounds
    )
    ours = Epochs(problem, settings)
    took = clock.median(ours, rounds=rounds)
    yield Bound(
        f"one epoch as published, {problem.name}: 1/{divisor} of dense steps",
        took,
        one * steps / divisor,
        unit="s",
        detail=f"{steps} dense steps of {_ms(one)}; ours {_ms(took / steps)} a step",
    )


def measure() -> Iterator[Bound]:
    """All of them, one after the other."""
    memory.keep_freed()  # as `Training` does
    go = problems.benchmark("cellcycle_GO")
    yield from constraint(go.hierarchy, go.name)
    yield from dense_product(go.hierarchy, go.name)
    yield from growth()
    for name, divisor in _EPOCH.items():
        problem = problems.benchmark(name)
        yield from training_step(problem, problems.settings(name, weighted=True))
        yield from epoch(problem, problems.settings(name, weighted=False), divisor)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
