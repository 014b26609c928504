"""The rows of the table: an operation at a size, made ready to be called again and again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.speed import floors, problems
from benchmarks.speed.floors import Size, Work
from benchmarks.speed.problems import Problem
from pipeline.hml import Ensemble, Objective, Settings, coherent, memory, weighted_loss
from pipeline.hml.constraint import hierarchy_maximum
from pipeline.hml.decisions import half_cuts
from pipeline.hml.evaluation import evaluate
from pipeline.hml.members import NetworkMembers
from pipeline.hml.network import Networks
from pipeline.hml.predictions import Predictions
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.training import Training

NODES = (500, 4_000, 20_000, 100_000)
MEMBERS = (1, 5, 20)
LIMIT = 4e9  # bytes: a row that needs more is left out
BATCH, STEPS, TESTED = 64, 4, 100  # examples of a step, steps of an epoch, examples to evaluate
FEATURES, HIDDEN = 77, 256
_TINY = 50

# The weighted loss of the published study, as the bounds have it.
OBJECTIVE = Objective(variant="released", mode="predictive", reduction="sum")


class Row(NamedTuple):
    """An operation, the number of nodes and of members."""

    operation: str
    nodes: int
    members: int

    def __str__(self) -> str:
        return f"{self.operation}-{self.nodes}-{self.members}"


@dataclass(frozen=True)
class Operation:
    """How to make it ready, its floor, and the examples that it sees.

    Attributes:
        build: of a problem and a number of members.
        floor: the formula.
        examples: how many there are.
        kept: bytes per weight and per entry of a batch that it holds at once, roughly.
    """

    build: Callable[[Problem, int], Callable[[], object]]
    floor: Callable[[Size], Work]
    examples: int
    kept: tuple[int, int]


def build(row: Row) -> Callable[[], object]:
    """Make a row ready: call what this returns as often as you like."""
    memory.keep_freed()  # as `Training` does
    operation = OPERATIONS[row.operation]
    problem = problems.synthetic_problem(row.nodes, operation.examples, FEATURES)
    return operation.build(problem, row.members)


def with_its_inputs(row: Row) -> Callable[[], object]:
    """The action that makes a row ready and calls it once, for its memory.

    The problem is there already, and so is what the first call of all loads and compiles.
    """
    operation = OPERATIONS[row.operation]
    build(Row(row.operation, _TINY, row.members))()
    problem = problems.synthetic_problem(row.nodes, operation.examples, FEATURES)
    return lambda: operation.build(problem, row.members)()


def work(row: Row) -> Work:
    """The least that a row has to do."""
    edges = problems.synthetic_hierarchy(row.nodes).edge_index.shape[1]
    return OPERATIONS[row.operation].floor(_size(row, edges))


def _size(row: Row, edges: int) -> Size:
    return Size(
        members=row.members,
        nodes=row.nodes,
        edges=edges,
        examples=OPERATIONS[row.operation].examples,
        batch=BATCH,
        features=FEATURES,
        hidden=HIDDEN,
    )


def needed(row: Row) -> float:
    """Bytes that a row needs at once, roughly; edges are nothing beside that."""
    of_weights, of_entries = OPERATIONS[row.operation].kept
    size = _size(row, edges=0)
    return of_weights * size.weights + of_entries * size.entries


def skipped(row: Row) -> str:
    """Why a row is left out; empty if it is not."""
    bytes_ = needed(row)
    return f"left out: would need about {bytes_ / 1e9:.0f} GB" if bytes_ > LIMIT else ""


def grid() -> list[Row]:
    """Every row, those that are left out included."""
    return [
        Row(operation, nodes, members)
        for operation in OPERATIONS
        for nodes in NODES
        for members in MEMBERS
    ]


def _scores(problem: Problem, members: int) -> torch.Tensor:
    shape = (members, BATCH, len(problem.hierarchy))
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def _labels(problem: Problem) -> torch.Tensor:
    closed = problem.hierarchy.close(problem.labels[:BATCH])
    return torch.from_numpy(closed.toarray())


def _coherent(problem: Problem, members: int) -> Callable[[], object]:
    return partial(coherent, _scores(problem, members), problem.hierarchy)


def _constraint(problem: Problem, members: int) -> Callable[[], object]:
    scores, labels = _scores(problem, members), _labels(problem)
    return partial(hierarchy_maximum, scores, labels, problem.hierarchy)


def _constraint_backward(problem: Problem, members: int) -> Callable[[], object]:
    return forward_and_backward(_scores(problem, members), _constraint_of(problem))


def _constraint_of(problem: Problem) -> Callable[[torch.Tensor], torch.Tensor]:
    labels = _labels(problem)
    return lambda scores: hierarchy_maximum(scores, labels, problem.hierarchy)


def forward_and_backward(
    scores: torch.Tensor, operation: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[], None]:
    """An operation on scores and its gradient, as often as it is called."""
    leaf = scores.requires_grad_()
    gradient = torch.ones_like(scores)

    def run() -> None:
        leaf.grad = None
        operation(leaf).backward(gradient)

    return run


def _loss(problem: Problem, members: int) -> Callable[[], object]:
    logits, labels = _scores(problem, members).requires_grad_(), _labels(problem)
    weight = torch.rand(len(problem.hierarchy))

    def run() -> None:
        logits.grad = None
        weighted_loss(
            logits,
            labels,
            problem.hierarchy,
            negative_weight=weight,
            scored=problem.scored,
            mode=OBJECTIVE.mode,
            reduction=OBJECTIVE.reduction,
        ).backward()

    return run


def _epoch(problem: Problem, members: int) -> Callable[[], object]:
    settings = Settings(members=members, hidden=HIDDEN, batch_size=BATCH, objective=OBJECTIVE)
    return Epochs(problem, settings)


def training(problem: Problem, settings: Settings) -> Training:
    """The real training of a problem, before its first step."""
    return Training(
        problem.features,
        problem.labels,
        problem.hierarchy,
        settings,
        seed=0,
        preprocessing=Standardizer.fit(problem.features),
        scored=problem.scored,
    )


class Epochs:
    """The real training loop, one epoch per call."""

    def __init__(self, problem: Problem, settings: Settings) -> None:
        """Prepare a training."""
        self._training = training(problem, settings)
        self._training.networks.train()

    def __call__(self) -> None:
        """Train one more epoch."""
        with self._training.randomness():
            self._training.epoch()


def _evaluation(problem: Problem, members: int) -> Callable[[], object]:
    nodes = len(problem.hierarchy)
    networks = Networks(members, (FEATURES, HIDDEN, nodes), dropout=0.5, seed=0).eval()
    ensemble = Ensemble(
        problem.hierarchy,
        Standardizer.fit(problem.features),
        {"network": NetworkMembers(networks, problem.hierarchy)},
        share=np.full(nodes, 0.01),
        cuts={"half": half_cuts(nodes)},
    )
    labels = problem.hierarchy.close(problem.labels)
    weights = np.ones((1, labels.shape[0]))

    def predict(examples: slice) -> np.ndarray:
        return ensemble.predict_proba(problem.features[examples])

    def run() -> None:
        decide = {"half": partial(ensemble.decide, rule="half")}
        predictions = Predictions(labels, predict, problem.scored)
        evaluate(predictions, decide, ensemble.share, weights, {})

    return run


OPERATIONS = {
    "coherent": Operation(_coherent, floors.coherent, BATCH, (0, 12)),
    "constraint": Operation(_constraint, floors.constraint, BATCH, (0, 12)),
    "constraint+backward": Operation(
        _constraint_backward, floors.constraint_backward, BATCH, (0, 24)
    ),
    "loss": Operation(_loss, floors.loss, BATCH, (0, 48)),
    "step": Operation(_epoch, floors.epoch, BATCH, (16, 48)),
    "epoch": Operation(_epoch, floors.epoch, BATCH * STEPS, (16, 48)),
    "evaluation": Operation(_evaluation, floors.evaluation, TESTED, (4, 16)),
}
