"""The step ratio: how it is measured, never how long anything takes."""

import itertools

import pytest
import torch

from pipeline.hml import Objective, Settings, timing
from pipeline.hml.training import Training

from .toy import HIERARCHY, problem


def test_the_ratio_is_of_medians_of_steps_taken_in_turn(monkeypatch: pytest.MonkeyPatch):
    constrained: list[bool] = []
    step = Training.step

    def noted(self: Training, batch, loss):
        constrained.append(loss is self.loss)
        return step(self, batch, loss)

    # A clock that says that steps of the first kind take 3 seconds and of the second 2.
    clock = itertools.accumulate(itertools.cycle([0.0, 3.0, 0.0, 2.0]))
    monkeypatch.setattr(timing, "_clock", lambda: next(clock))
    monkeypatch.setattr(Training, "step", noted)
    x, y = problem(20)
    settings = Settings(members=2, hidden=4, batch_size=8, objective=Objective(variant="paper"))
    found = timing.step_ratio(Training(x, y, HIERARCHY, settings, seed=0), seconds=0.0)
    assert constrained == [True, False] * (len(constrained) // 2)
    assert len(constrained) >= 2 * 6  # one of each to warm up, five that count
    assert found == (3.0, 2.0, 1.5)


def test_it_leaves_the_global_randomness_alone():
    x, y = problem(20)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    training = Training(x, y, HIERARCHY, Settings(members=1, hidden=4), seed=0)
    timing.step_ratio(training, seconds=0.0)
    assert torch.equal(torch.rand(3), expected)


def test_a_training_on_an_accelerator_is_refused():
    x, y = problem(20)
    training = Training(x, y, HIERARCHY, Settings(members=1, hidden=4), seed=0)
    training.device = torch.device("meta")
    with pytest.raises(ValueError, match=r"must be on the CPU\. Got meta"):
        timing.step_ratio(training, seconds=0.0)
