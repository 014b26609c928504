"""The Brier skill against scikit-learn's Brier score, also under example weights.

Average precision and F1 are compared with scikit-learn's in test_metrics.py, and under example
weights in test_evaluation.py.
"""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import brier_score_loss

from pipeline.hml import metrics
from pipeline.hml.evaluation import evaluate, row_weights
from pipeline.hml.predictions import Predictions

EXAMPLES, NODES = 50, 6
RNG = np.random.default_rng(11)
Y = RNG.random((EXAMPLES, NODES)) < np.array([0.7, 0.4, 0.2, 0.1, 0.05, 0.0])
P = np.clip(0.5 * Y + 0.5 * RNG.random(Y.shape), 0, 1).astype(np.float32)
PRIOR = np.array([0.6, 0.4, 0.25, 0.1, 0.03, 0.01])
SCORED = np.array([False, True, True, True, True, True])
WEIGHTS = row_weights(np.array([f"g{number // 2}" for number in range(EXAMPLES)]), 20, seed=1)


def skill(weight: np.ndarray, scored: np.ndarray) -> float:
    def loss(p: np.ndarray) -> float:
        flat = np.repeat(weight, scored.sum())
        return brier_score_loss(Y[:, scored].ravel(), p[:, scored].ravel(), sample_weight=flat)

    return 1 - loss(P.astype(np.float64)) / loss(np.broadcast_to(PRIOR, Y.shape))


@pytest.mark.parametrize("scored", [SCORED, np.ones(NODES, dtype=bool)])
def test_brier_skill_is_that_of_scikit_learn_s_brier_score(scored: np.ndarray):
    found = metrics.brier_skill(Y, P, PRIOR, scored)
    assert found == pytest.approx(skill(np.ones(EXAMPLES), scored), abs=1e-12)


@pytest.mark.parametrize("scored", [SCORED, np.ones(NODES, dtype=bool)])
def test_brier_skill_of_each_row_is_that_of_scikit_learn_under_its_weights(scored: np.ndarray):
    predictions = Predictions(sparse.csr_array(Y), lambda rows: P[rows], scored)
    result = evaluate(predictions, {}, PRIOR, WEIGHTS, {})
    expected = [skill(weight, scored) for weight in WEIGHTS]
    np.testing.assert_allclose(result.figures["brier_skill"], expected, rtol=0, atol=1e-9)
