"""The formulas, by hand: two members, three nodes in a chain, batches of two of three examples."""

import pytest

from benchmarks.speed import floors
from benchmarks.speed.floors import Machine, Size, Work

SIZE = Size(members=2, nodes=3, edges=2, examples=3, batch=2, features=5, hidden=4)
WEIGHTS = 2 * (5 * 4 + 4 + 4 * 3 + 3)
ENTRIES = 2 * 2 * 3


def test_weights_and_entries_are_counted():
    assert (SIZE.weights, SIZE.entries) == (WEIGHTS, ENTRIES) == (78, 12)


def test_constraint_moves_scores_maxima_arg_maxima_labels_and_edges():
    assert floors.coherent(SIZE) == Work(bytes=12 * 12 + 8 * 2, flops=4 * 2)
    assert floors.constraint(SIZE) == Work(bytes=12 * 12 + 8 * 2 + 6, flops=2 * 4 * 2)
    assert floors.constraint_backward(SIZE) == Work(
        bytes=(12 * 12 + 8 * 2 + 6) + 12 * 12, flops=2 * 4 * 2 + 12
    )


def test_loss_reads_logits_and_labels_and_writes_gradients():
    assert floors.loss(SIZE) == Work(bytes=8 * 12 + 6 + 8 * 3 + 8 * 2, flops=12 * 12 + 2 * 4 * 2)


def test_step_moves_each_weight_forward_backward_and_in_adam():
    loss = floors.loss(SIZE)
    products = 2 * (2 * 78) + 4 * (2 * 78) - 2 * (2 * 2 * 5 * 4)
    assert floors.step(SIZE) == Work(
        bytes=loss.bytes + 40 * 78, flops=loss.flops + products + 12 * 78
    )
    assert floors.epoch(SIZE).bytes == 2 * floors.step(SIZE).bytes  # two batches: 2 + 1


def test_evaluation_predicts_and_judges_each_entry():
    assert floors.evaluation(SIZE) == Work(
        bytes=4 * 78 + 16 * 2 * 9 + 4 * 9, flops=2 * 3 * 78 + 3 * 9
    )


@pytest.mark.parametrize(("work", "seconds"), [(Work(100, 1), 10), (Work(1, 100), 50)])
def test_floor_is_the_longer_of_moving_and_computing(work: Work, seconds: float):
    assert work.seconds(Machine(bytes_per_second=10, flops_per_second=2)) == seconds
