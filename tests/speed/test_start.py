"""What a start does not wait for. Times are `make bench`'s business, causes are ours."""

import subprocess
import sys

import pytest

import pipeline.hml as hml


def test_importing_the_core_brings_neither_scikit_learn_nor_pandas_nor_onnx():
    script = (
        "import sys, pipeline.hml; "
        "heavy = {'sklearn', 'pandas', 'pyarrow', 'networkx', 'scipy.stats', 'scipy.linalg',"
        " 'onnx', 'google.protobuf'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"


def test_classifier_is_there_when_it_is_asked_for():
    from pipeline.hml import RareNodeClassifier
    from pipeline.hml.classifier import RareNodeClassifier as Direct

    assert RareNodeClassifier is Direct
    assert "RareNodeClassifier" in hml.__all__


def test_name_that_the_core_does_not_have_is_refused():
    with pytest.raises(AttributeError, match=r"'pipeline\.hml' has no attribute 'Classifier'"):
        hml.Classifier  # noqa: B018
