"""The names that users import, how they are called, and what importing them costs."""

import inspect
import subprocess
import sys

import pytest

import pipeline.hml as hml

SIGNATURES = {
    "coherent": ["p", "hierarchy"],
    "constrained_probability": ["p", "y", "hierarchy"],
    "imbalance_weights": [
        "support", "n_examples", "hierarchy", "*variant", "*floor", "*kind", "*scored",
    ],
    "uncertainty": ["p", "*mode"],
    "weighted_loss": [
        "logits", "y", "hierarchy", "*positive_weight", "*negative_weight", "*scored", "*mask",
        "*member_mask", "*mode", "*focal_floor", "*focal_power", "*reduction",
    ],
    "Hierarchy.from_edges": ["edges", "*nodes"],
    "Hierarchy.close": ["self", "y"],
    "Hierarchy.ancestors": ["self", "name"],
    "Hierarchy.descendants": ["self", "name"],
    "RareNodeClassifier.fit": ["self", "X", "y", "groups", "sample_weight"],
    "RareNodeClassifier.score": ["self", "X", "y", "sample_weight"],
    "fit_members": [
        "features", "labels", "hierarchy", "settings", "*kinds", "*cross_fit", "*groups",
        "*sample_weight", "*unknown", "*seed", "*rows", "*judged", "*scored", "*on_epoch",
        "*keeper", "*elsewhere",
    ],
    "Ensemble.predict_proba": ["self", "features"],
    "Ensemble.member_probability": ["self", "features"],
    "Ensemble.decide": ["self", "p", "rule", "*per_example"],
    "RareNodeClassifier.predict_proba": ["self", "X"],
    "RareNodeClassifier.predict": ["self", "X"],
    "metrics.macro_average_precision": ["y", "score", "scored"],
    "metrics.micro_average_precision": ["y", "score", "scored"],
    "metrics.average_precision": ["y", "score", "weight"],
    "metrics.rule_scores": ["y", "decision", "scored"],
    "metrics.brier_skill": ["y", "p", "prior", "scored"],
    "decisions.decide": ["p", "cuts", "hierarchy"],
}  # fmt: skip
DEFAULTS = {
    "fit_members": {
        "kinds": ("network",), "cross_fit": True, "groups": None, "sample_weight": None,
        "unknown": None, "rows": None, "judged": None, "scored": None, "on_epoch": None,
        "keeper": None, "elsewhere": None,
    },
    "imbalance_weights": {"variant": "paper", "floor": 0.25, "kind": "node", "scored": None},
    "weighted_loss": {
        "positive_weight": None, "negative_weight": None, "scored": None, "mask": None,
        "member_mask": None, "mode": None, "focal_floor": 0.25, "focal_power": 1.0,
        "reduction": "mean",
    },
}  # fmt: skip


def named(path: str) -> object:
    value: object = hml
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    "name",
    [
        "Ensemble", "Hierarchy", "RareNodeClassifier", "Settings", "coherent",
        "constrained_probability", "decisions", "fit_members", "imbalance_weights", "load_bundle",
        "metrics", "save_bundle", "slices", "uncertainty", "weighted_loss",
    ],
)  # fmt: skip
def test_name_of_the_contract_is_exported(name: str):
    assert name in hml.__all__
    assert hasattr(hml, name)


def test_everything_exported_exists():
    assert [name for name in hml.__all__ if not hasattr(hml, name)] == []


@pytest.mark.parametrize("path", SIGNATURES)
def test_arguments_are_those_of_the_contract(path: str):
    parameters = inspect.signature(named(path)).parameters.values()
    found = [
        ("*" if parameter.kind is parameter.KEYWORD_ONLY else "") + parameter.name
        for parameter in parameters
    ]
    assert found == SIGNATURES[path]


@pytest.mark.parametrize("path", DEFAULTS)
def test_defaults_are_those_of_the_contract(path: str):
    parameters = inspect.signature(named(path)).parameters
    assert {name: parameters[name].default for name in DEFAULTS[path]} == DEFAULTS[path]


def test_importing_the_library_brings_no_orchestration():
    script = (
        "import sys, pipeline.hml; "
        "heavy = {'dvc', 'prefect', 'optuna', 'pydantic', 'matplotlib', 'flows',"
        " 'great_expectations', 'rich'}; "
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_importing_the_library_brings_no_scikit_learn():
    # It takes seconds, and who only loads or trains networks does without.
    script = (
        "import sys, pipeline.hml; from pipeline.hml import load_bundle, fit_members; "
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("path", SIGNATURES)
def test_what_users_call_is_documented(path: str):
    assert inspect.getdoc(named(path))
