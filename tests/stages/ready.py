"""Prepared data that meet every expectation."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.artifacts.prepared import Prepared
from pipeline.config import parse
from pipeline.stages import prepare
from tests.datasets.toy import Toy, toy


def ready(labels: list[tuple[str, ...]], **changes: Any) -> Prepared:
    """Prepared data of which no two examples are alike."""
    size = pd.DataFrame({"size": np.arange(len(labels)) * 3.57 % 11})
    raw = toy(labels, attributes=size, **changes)
    return prepare.prepare(raw, Toy(), parse({"prepare": {"min_support": 0}}, "test"))
