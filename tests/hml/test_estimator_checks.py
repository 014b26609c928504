"""scikit-learn's own checks of what an estimator has to do."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from pipeline.hml import RareNodeClassifier
from pipeline.hml.members import ForestMembers

# The checks also pass what makes no sense, to see what the library says.
pytestmark = pytest.mark.usefixtures("as_users_call_it")

QUICK = {"members": 4, "hidden": 16, "epochs": 5, "batch_size": 16, "learning_rate": 1e-2}


@pytest.fixture(autouse=True, scope="module")
def few_trees() -> Iterator[None]:
    grow = ForestMembers.grow
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ForestMembers, "grow", lambda *a, **k: grow(*a, **k | {"trees": 8}))
        yield


def expected_failures(classifier: RareNodeClassifier) -> dict[str, str]:
    copies = (
        "copies of an example count as one that weighs as much where they are one group, and the "
        "check names no groups; besides, networks draw batches at random"
    )
    failing = {"check_sample_weight_equivalence_on_dense_data": copies}
    if classifier.rule != "half":
        cuts = "the check wants the most probable class; cuts of held-out scores are not at 1/2"
        failing |= {"check_classifiers_train": cuts, "check_classifier_multioutput": cuts}
    return failing


@parametrize_with_checks(
    [RareNodeClassifier(**QUICK), RareNodeClassifier(**QUICK, rule="half")],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_s_checks(estimator: RareNodeClassifier, check: Callable[[Any], None]):
    check(estimator)
