"""The passes as tensor operations, which accelerators run, against the compiled ones."""

import numpy as np
import pytest
import torch
from hypothesis import given

from pipeline.hml import Hierarchy, constraint, kernels, levels

from .strategies import Case, cases

# Few values, the extremes among them: ties are the rule, and NaN must not crash a device.
EXTREMES = torch.tensor([-torch.inf, -1.0, 0.0, 1.0, torch.inf, torch.nan])


def both(scores: torch.Tensor, labels: torch.Tensor | None, hierarchy: Hierarchy):
    ours = levels.maximum(scores, labels, hierarchy)
    theirs = constraint.maximum(scores, labels, hierarchy)
    return ours, theirs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(case=cases())
def test_maxima_and_arg_maxima_are_those_of_the_kernels(dtype: torch.dtype, case: Case):
    scores, labels = torch.from_numpy(case.logits).to(dtype), torch.from_numpy(case.y)
    for given_labels in (None, labels):
        ours, theirs = both(scores, given_labels, case.hierarchy)
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1].long())


@given(cases())
def test_infinities_and_nan_are_carried_as_the_kernels_carry_them(case: Case):
    draw = torch.from_numpy(np.abs(case.logits * 7)).long() % len(EXTREMES)
    labels = torch.from_numpy(case.y)
    for given_labels in (None, labels):
        ours, theirs = both(EXTREMES[draw], given_labels, case.hierarchy)
        assert torch.equal(ours[0].nan_to_num(99), theirs[0].nan_to_num(99))
        assert torch.equal(ours[1], theirs[1].long())


@given(cases())
def test_labels_are_closed_as_the_kernel_closes_them(case: Case):
    labels = np.array(case.logits[0] > 0, dtype=np.uint8)
    ours = torch.from_numpy(labels.copy())
    levels.close_upward(ours, case.hierarchy)
    kernels.close_upward(labels, case.hierarchy.start, case.hierarchy.parent)
    assert np.array_equal(ours.numpy(), labels)


def test_there_are_as_many_steps_as_levels_with_children_and_they_are_made_once():
    hierarchy = Hierarchy.from_edges([("b", "a"), ("c", "b"), ("c", "a"), ("d", "a")])
    steps = levels.levels(hierarchy, torch.device("cpu"))
    assert [step.parents.tolist() for step in steps] == [[1], [0]]  # b, then a
    assert levels.levels(hierarchy, torch.device("cpu")) is steps
