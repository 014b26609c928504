"""A training that was interrupted goes on to the same bit."""

import copy
import dataclasses
import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from pipeline.hml import Objective, fit_members, train
from pipeline.hml.checkpoint import Keeper, State
from pipeline.hml.network import Networks

from .test_training import HIERARCHY, LABELS, SMALL, WITH_DROPOUT, X, same_bits, weights_of

EPOCHS = 4


class Interrupted(Exception):
    pass


class Memory(Keeper):
    """Keeps states as they would come back from a file, and interrupts after an epoch."""

    def __init__(self, stop: int | None = None) -> None:
        self.stop = stop
        self.kept: State | None = None
        self.saved: list[int] = []

    def load(self) -> State | None:
        return self.kept

    def due(self, epoch: int) -> bool:
        return True

    def save(self, state: State) -> None:
        order = json.loads(json.dumps(state.order))
        self.kept = State(state.epoch, copy.deepcopy(state.arrays), order)
        self.saved.append(state.epoch)
        if state.epoch == self.stop:
            raise Interrupted


def unknown() -> sparse.csr_array:
    """Labels of nodes without children, where they are negative."""
    hidden = np.zeros(LABELS.shape, np.bool_)
    column = HIERARCHY.index["never"]
    hidden[::3, column] = True
    return sparse.csr_array(hidden)


LEARNS = np.arange(len(X)) % SMALL.members != np.arange(SMALL.members)[:, None]
CASES: dict[str, dict[str, Any]] = {
    "plain": {"settings": SMALL},
    "dropout": {"settings": WITH_DROPOUT},
    "oversampling": {
        "settings": dataclasses.replace(WITH_DROPOUT, objective=Objective(baseline="oversampling"))
    },
    "everything": {
        "settings": dataclasses.replace(WITH_DROPOUT, prior_start=True),
        "learns": LEARNS,
        "weight": np.linspace(0.5, 2, len(X)),
        "unknown": unknown(),
    },
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("stop", range(1, EPOCHS + 1))
def test_training_goes_on_to_the_same_bit_after_any_epoch(case: str, stop: int):
    options = dict(CASES[case])
    settings = dataclasses.replace(options.pop("settings"), epochs=EPOCHS)
    whole = weights_of(train(X, LABELS, HIERARCHY, settings, seed=1, **options))
    keeper, seen = Memory(stop), list[int]()
    with pytest.raises(Interrupted):
        train(X, LABELS, HIERARCHY, settings, seed=1, keeper=keeper, **options)
    keeper.stop = None
    torch.rand(7)  # whatever happens to the generators of another process

    def on_epoch(epoch: int, networks: Networks) -> None:
        seen.append(epoch)

    options |= {"keeper": keeper, "on_epoch": on_epoch}
    resumed = train(X, LABELS, HIERARCHY, settings, seed=1, **options)
    assert same_bits(weights_of(resumed), whole)
    assert seen == [*range(stop + 1, EPOCHS + 1)]
    assert keeper.saved == [*range(1, EPOCHS + 1)]


def test_state_of_another_training_starts_from_the_beginning():
    keeper = Memory()
    train(X, LABELS, HIERARCHY, dataclasses.replace(SMALL, hidden=9), seed=0, keeper=keeper)
    other = weights_of(train(X, LABELS, HIERARCHY, SMALL, seed=0, keeper=keeper))
    assert same_bits(other, weights_of(train(X, LABELS, HIERARCHY, SMALL, seed=0)))
    assert keeper.kept is not None
    broken = dataclasses.replace(keeper.kept, epoch=1, order={"bit_generator": "MT19937"})
    keeper.kept = broken
    again = train(X, LABELS, HIERARCHY, SMALL, seed=0, keeper=keeper)
    assert same_bits(weights_of(again), other)


def test_members_of_all_kinds_come_out_the_same():
    options: dict[str, Any] = {"kinds": ["network", "forest"], "seed": 3}
    settings = dataclasses.replace(WITH_DROPOUT, members=4)
    whole = fit_members(X, LABELS, HIERARCHY, settings, **options)
    keeper = Memory(2)
    with pytest.raises(Interrupted):
        fit_members(X, LABELS, HIERARCHY, settings, keeper=keeper, **options)
    keeper.stop = None
    resumed = fit_members(X, LABELS, HIERARCHY, settings, keeper=keeper, **options)
    one, other = (fitted.ensemble().predict_proba(X) for fitted in (whole, resumed))
    assert one.tobytes() == other.tobytes()
