"""Loss curves that must not change by accident: every variant and mode on one small problem.

A change that is meant to move them is regenerated and gets a line in CHANGELOG.md:

    python -m tests.hml.golden
"""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch

from pipeline.hml import Objective, Settings, imbalance_weights, train, weighted_loss
from pipeline.hml.imbalance import Variant
from pipeline.hml.network import Networks
from pipeline.hml.training import member_logits
from pipeline.hml.uncertainty import Mode
from tests.hml.toy import HIERARCHY, problem

PATH = Path(__file__).parent / "loss_curves.json"
PRECISE = Path(__file__).parent / "loss_curves_float64.json"
OBJECTIVES: dict[str, Objective] = {
    f"{variant or 'none'}/{mode or 'none'}": Objective(variant=variant, mode=mode)
    for variant in (None, *get_args(Variant))
    for mode in (None, *get_args(Mode))
}
# No dropout: its masks depend on how torch was built.
SETTINGS: dict[str, Any] = {
    "members": 3,
    "hidden": 8,
    "dropout": 0.0,
    "batch_size": 16,
    "epochs": 6,
    "learning_rate": 1e-2,
    "weight_decay": 1e-5,
}


def read(path: Path = PATH) -> dict[str, list[float]]:
    """The stored curves by name of the objective."""
    return json.loads(path.read_text(encoding="utf-8"))


def curve(objective: Objective) -> list[float]:
    """The loss of all examples after each epoch, under the objective that is trained."""
    x, labels = problem(48)
    y = torch.from_numpy(HIERARCHY.close(labels).toarray())
    weights = _weights(objective)
    losses: list[float] = []

    def after_epoch(epoch: int, networks: Networks) -> None:
        logits = member_logits(networks, x)
        loss = weighted_loss(logits, y, HIERARCHY, mode=objective.mode, **weights)
        losses.append(float(np.float32(loss.item())))

    train(
        x,
        labels,
        HIERARCHY,
        Settings(**SETTINGS, objective=objective),
        seed=0,
        on_epoch=after_epoch,
    )
    return losses


def precise_curve(objective: Objective) -> list[float]:
    """The loss before each of 20 steps on all examples in float64: gradients are in it, too.

    By the public functions alone, so that implementations can be compared.
    """
    x, labels = problem(48)
    y = torch.from_numpy(HIERARCHY.close(labels).toarray())
    networks = Networks(3, (x.shape[1], 8, len(HIERARCHY)), dropout=0.0, seed=0).double()
    optimiser = torch.optim.Adam(networks.parameters(), lr=1e-2, weight_decay=1e-5)
    losses: list[float] = []
    for _ in range(20):
        loss = weighted_loss(
            networks(torch.from_numpy(x).double()),
            y,
            HIERARCHY,
            scored=np.arange(len(HIERARCHY)) > 0,
            mode=objective.mode,
            reduction="sum",
            **_weights(objective),
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def _weights(objective: Objective) -> dict[str, Any]:
    if objective.variant is None:
        return {}
    _, labels = problem(48)
    positive, negative = imbalance_weights(
        HIERARCHY.support(labels),
        labels.shape[0],
        HIERARCHY,
        variant=objective.variant,
        floor=objective.floor,
    )
    return {"positive_weight": positive, "negative_weight": negative}
