"""Training an ensemble of networks."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse

from pipeline.errors import RarenodeError
from pipeline.hml import baselines, checkpoint, example_weights, memory
from pipeline.hml.batches import Batch, DeviceBatches, HostBatches
from pipeline.hml.checkpoint import Keeper, State
from pipeline.hml.hierarchy import Hierarchy
from pipeline.hml.network import Networks
from pipeline.hml.objective import Loss, Objective, loss_of
from pipeline.hml.preprocessing import Standardizer
from pipeline.hml.resampling import minority_clones
from pipeline.hml.uncertainty import COMPARES_MEMBERS
from pipeline.hml.unknown import checked, known


class TrainingError(RarenodeError):
    """Training that left the numbers: the loss is not finite any more."""


@dataclass(frozen=True)
class Settings:
    """The ensemble and its optimiser (Adam with a coupled L2 penalty).

    Attributes:
        members: how many networks.
        hidden: units of each hidden layer.
        layers: linear layers, the output layer included.
        dropout: the share of hidden units that a training step leaves out, in [0, 1).
        batch_size: examples of a step.
        epochs: passes over the examples.
        learning_rate: Adam's.
        weight_decay: factor of the L2 penalty.
        prior_start: whether each node's output bias starts at the logit of its share of positives,
            as Lin et al. (ICCV 2017) start theirs at that of a small probability: the networks
            then learn what tells examples apart, and not first how rare each node is. Else biases
            start as in torch.nn.Linear, or as a baseline's authors have it (`baselines.start`). The
            L2 penalty draws on them either way.
        objective: what is minimised.

    Examples:
        >>> from pipeline.hml import Objective, Settings
        >>> Settings(members=1, objective=Objective(mode="epistemic"))
        Traceback (most recent call last):
        ValueError: mode 'epistemic' compares members and needs at least 2. Got 1
    """

    members: int = 5
    hidden: int = 256
    layers: int = 2
    dropout: float = 0.5
    batch_size: int = 64
    epochs: int = 20
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    prior_start: bool = False
    objective: Objective = field(default_factory=Objective)

    def __post_init__(self) -> None:
        """Raise ValueError for a value out of range, or one member in a mode that compares them."""
        for name in ("members", "hidden", "layers", "batch_size", "epochs"):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1. Got {value}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1. Got {self.dropout}")
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf):
            raise ValueError(
                "learning_rate must be above 0, weight_decay at least 0, both finite. "
                f"Got {self.learning_rate} and {self.weight_decay}"
            )
        mode = self.objective.mode
        if self.members < 2 and mode in COMPARES_MEMBERS:
            raise ValueError(f"mode {mode!r} compares members and needs at least 2. Got 1")


EpochEnd = Callable[[int, Networks], None]


def train(
    features: Float[np.ndarray, "example feature"],
    labels: sparse.csr_array,
    hierarchy: Hierarchy,
    settings: Settings,
    *,
    seed: int,
    rows: Int[np.ndarray, " row"] | None = None,
    learns: Bool[np.ndarray, "member row"] | None = None,
    preprocessing: Standardizer | None = None,
    scored: np.ndarray | None = None,
    unknown: Any = None,
    weight: Float[np.ndarray, " row"] | None = None,
    on_epoch: EpochEnd | None = None,
    keeper: Keeper | None = None,
    device: torch.device | str = "cpu",
) -> Networks:
    """Train an ensemble; the same arguments on the same machine give the same weights.

    Args:
        features: (example, feature) float32; finite, or NaN where missing. On the CPU they may be
            memory-mapped: each batch reads its own rows.
        labels: (example, node) boolean CSR. Most specific nodes suffice: each batch is closed
            upward, so no dense (example, node) array is ever needed.
        hierarchy: of these nodes.
        settings: see there.
        seed: of initial weights, dropout and the order of the examples.
        rows: (row,) the examples that are learnt from; None is all.
        learns: (member, row) bool, which member learns from which of these examples (see `folds`);
            None is all from all.
        preprocessing: what the features go through, batch by batch; None takes them as they are.
        scored: (node,) bool, the nodes that enter the loss; None is all.
        unknown: sparse (row, node), labels that enter no loss (see `unknown`); None: everything is
            known.
        weight: (row,) what each of these examples counts, above 0; None is 1. An epoch shows each
            once: it is the loss that is weighted, so that as a batch of all of them counts as one
            of as many copies would, and smaller batches do so in expectation.
        on_epoch: called with the number of finished epochs and the networks (in training mode, on
            their device); what it raises ends the training.
        keeper: keeps the state of the training, which goes on from there, to the same bit;
            `on_epoch` is not called again for what was done before.
        device: "cpu", or an accelerator such as "cuda", where layers compute in bfloat16, the loss
            in float32, and sums of a node's gradients may differ in the last bits from run to run.

    Returns:
        The networks, in evaluation mode, on the CPU.

    Raises:
        ValueError: shapes do not fit, unknown labels are at odds with the others, one member in a
            mode that compares members, or a baseline is to learn from weighted examples.
        TrainingError: the loss is not finite any more.

    Examples:
        Networks give logits, which are not coherent yet:

        >>> import numpy as np, torch
        >>> from scipy import sparse
        >>> from pipeline.hml import Hierarchy, Settings, coherent, train
        >>> hierarchy = Hierarchy.from_edges([("cat", "animal"), ("dog", "animal")])
        >>> x = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
        >>> y = sparse.csr_array(x[:, [0, 0, 1]] > [9, 1, 1])  # animal, cat, dog
        >>> networks = train(x, y, hierarchy, Settings(members=3, hidden=8, epochs=1), seed=0)
        >>> p = networks(torch.from_numpy(x)).detach().sigmoid()  # (3, 40, 3)
        >>> for q in (p, coherent(p, hierarchy)):
        ...     print(bool((q[..., :1] >= q).all()))
        False
        True
    """
    training = Training(
        features,
        labels,
        hierarchy,
        settings,
        seed=seed,
        rows=rows,
        learns=learns,
        preprocessing=preprocessing,
        scored=scored,
        unknown=unknown,
        weight=weight,
        device=device,
    )
    networks, done = training.networks, 0
    with training.randomness():
        state = None if keeper is None else keeper.load()
        if state is not None and training.restore(state):
            done = state.epoch
        for epoch in range(done + 1, settings.epochs + 1):
            networks.train()
            total = training.epoch()
            if not math.isfinite(total):
                raise TrainingError(
                    f"expected a finite loss, found {total} in epoch {epoch} with learning rate "
                    f"{settings.learning_rate}, reduction {settings.objective.reduction!r}. "
                    "Lower the learning rate"
                )
            if on_epoch is not None:
                on_epoch(epoch, networks)
            if keeper is not None and keeper.due(epoch):
                keeper.save(training.state(epoch))
    del training  # gradients, the optimiser's moments
    memory.give_back()
    return networks.eval().cpu()


class Training:
    """Networks, their batches and optimiser: what `train` runs, for those who run single steps.

    Args are those of `train`.

    Attributes:
        settings: as given.
        scored: as given.
        device: as given.
        networks: on their device.
        loss: see `objective.Loss`.
    """

    def __init__(
        self,
        features: Float[np.ndarray, "example feature"],
        labels: sparse.csr_array,
        hierarchy: Hierarchy,
        settings: Settings,
        *,
        seed: int,
        rows: Int[np.ndarray, " row"] | None = None,
        learns: Bool[np.ndarray, "member row"] | None = None,
        preprocessing: Standardizer | None = None,
        scored: np.ndarray | None = None,
        unknown: Any = None,
        weight: Float[np.ndarray, " row"] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        _check(features, labels, hierarchy)
        memory.keep_freed()
        self.settings = settings
        self.scored = scored
        self.device = torch.device(device)
        on_host = self.device.type == "cpu"
        self._examples = np.arange(len(features)) if rows is None else np.asarray(rows)
        learnt = sparse.csr_array(labels)[self._examples].astype(np.bool_)
        learnt.sum_duplicates()
        learnt.eliminate_zeros()  # the kernels take every stored entry for a positive
        through = preprocessing or Standardizer.identity(features.shape[1])
        expected = (settings.members, len(self._examples))
        if learns is not None and learns.shape != expected:
            raise ValueError(
                f"learns must have shape (member, row) = {expected}. Got {learns.shape}"
            )
        counts = learns
        if weight is not None:
            every = np.ones(expected, np.bool_) if learns is None else learns
            relative = settings.objective.reduction == "mean"
            counts = example_weights.per_member(weight, every, relative=relative)
        closed = hidden = None
        if unknown is not None or settings.prior_start:
            closed = sparse.csr_array(hierarchy.close(learnt))
            hidden = checked(unknown, closed, hierarchy)
        data = (features, self._examples, learnt, hierarchy, through, counts, hidden)
        self._batches = HostBatches(*data) if on_host else DeviceBatches(*data, device=self.device)
        self._drawn_from = np.arange(len(self._examples))
        if settings.objective.baseline == "oversampling":
            clones = minority_clones(learnt, hierarchy, scored=scored, seed=seed)
            self._drawn_from = np.concatenate([self._drawn_from, clones])
        self._order = np.random.default_rng([seed, 1])
        self._dropout_seed = int(self._order.integers(2**63))
        sizes = (features.shape[1], *[settings.hidden] * (settings.layers - 1), len(hierarchy))
        networks = Networks(settings.members, sizes, dropout=settings.dropout, seed=seed)
        nodes = len(hierarchy)
        if settings.prior_start:
            # Half a positive and half a negative more: there is a logit where there are none.
            assert closed is not None
            everything = known(closed, hidden, weight)
            networks.start_at((example_weights.support(closed, weight) + 0.5) / (everything + 1))
        elif (common := baselines.start(settings.objective.baseline, nodes)) is not None:
            networks.start_at(np.full(nodes, common))
        self.networks = networks.to(self.device)
        objective = settings.objective
        self.loss = loss_of(learnt, hierarchy, objective, scored, self.device, weight, hidden)
        self._optimiser = torch.optim.Adam(
            self.networks.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=True,
        )

    @contextmanager
    def randomness(self) -> Iterator[None]:
        """Dropout masks come from torch's global generators: borrow these, and give them back."""
        on_host = self.device.type == "cpu"
        devices = () if on_host else (self.device,)
        with torch.random.fork_rng(devices, device_type="cuda" if on_host else self.device.type):
            torch.manual_seed(self._dropout_seed)
            yield

    def epoch(self) -> float:
        """A pass over the examples in a new order; returns the sum of the steps' losses."""
        total = torch.zeros((), device=self.device)
        for batch in self.batches():
            total += self.step(batch)
        return float(total)

    def batches(self) -> Iterator[Batch]:
        """The batches of a pass, in a new order.

        With clones of oversampling, a pass is as long as without: as many of them and the examples
        together, drawn without replacement.
        """
        order = self._order.permutation(self._drawn_from)[: len(self._examples)]
        return self._batches.take(order, self.settings.batch_size)

    def step(self, batch: Batch, loss: Loss | None = None) -> Float[torch.Tensor, ""]:
        """One step on a batch; returns its loss, detached, and waits for nothing.

        `loss` stands in for that of the settings' objective.
        """
        half = self.device.type != "cpu"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            logits = self.networks(batch.x)
        value = (loss or self.loss)(logits.float(), batch.y, batch.learns, batch.known)
        for parameter in self.networks.parameters():
            parameter.grad = None  # as zero_grad, without its bookkeeping
        value.backward()
        self._optimiser.step()
        return value.detach()

    def state(self, epoch: int) -> State:
        """What the training is at after an epoch, within `randomness`."""
        return checkpoint.take(epoch, self._optimiser, self._order)

    def restore(self, state: State) -> bool:
        """Be where `state` was taken, within `randomness`; False leaves everything as it is."""
        return checkpoint.put(state, self._optimiser, self._order)


@torch.no_grad()
def member_logits(
    networks: Networks, features: Float[np.ndarray, "example feature"]
) -> Float[torch.Tensor, "member example node"]:
    """Logits without dropout, on the networks' device; they keep the mode they were in."""
    training = networks.training
    x = torch.from_numpy(np.ascontiguousarray(features)).to(networks.weights[0].device)
    try:
        return networks.eval()(x)
    finally:
        networks.train(training)


def _check(features: np.ndarray, labels: sparse.csr_array, hierarchy: Hierarchy) -> None:
    if features.ndim != 2 or features.dtype != np.float32 or not len(features):
        raise ValueError(
            "features must be float32 of shape (example, feature) with an example. "
            f"Got {features.dtype} of shape {features.shape}"
        )
    if labels.shape != (len(features), len(hierarchy)):
        raise ValueError(
            f"labels must have shape (example, node) = {(len(features), len(hierarchy))}. "
            f"Got {labels.shape}"
        )
