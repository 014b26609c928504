"""A tiny prepared data set that can be learnt, and parameters that take a second."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import sparse

from pipeline.artifacts.prepared import SPLITS, Prepared
from pipeline.config import Config, parse
from pipeline.hml import Hierarchy

torch.set_num_threads(1)  # threads that wait for each other are ten times slower on busy cores

EDGES = [("l", "t"), ("r", "t"), ("d", "l"), ("d", "r"), ("e", "d"), ("m", "s")]
HIERARCHY = Hierarchy.from_edges(EDGES, nodes=["alone", "never"])
FEATURES = 5


def prepared_problem(examples: int = 180, *, seed: int = 0) -> Prepared:
    """About 60/20/20 in groups of two; the root `t` is unscored, `never` has no positive."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(examples, FEATURES)).astype(np.float32)
    directions = rng.normal(size=(FEATURES, len(HIERARCHY)))
    limits = np.linspace(1.0, 3.0, len(HIERARCHY))
    limits[HIERARCHY.index["never"]] = np.inf
    y = x @ directions + 0.3 * rng.normal(size=(examples, len(HIERARCHY))) > limits
    x[rng.random(x.shape) < 0.02] = np.nan
    groups = np.arange(examples) // 2
    splits = np.repeat(np.array(SPLITS), [6, 2, 2])[groups % 10]
    names = list(HIERARCHY.nodes)
    return Prepared(
        features=x,
        feature_names=tuple(f"x{column}" for column in range(FEATURES)),
        labels=sparse.csr_array(y),
        examples=pd.DataFrame(
            {
                "id": [f"example {row}" for row in range(examples)],
                "split": splits,
                "group": [f"group {group}" for group in groups],
            }
        ),
        nodes=pd.DataFrame(
            {
                "id": names,
                "name": [f"node {name}" for name in names],
                "depth": HIERARCHY.depth,
                "scored": [name != "t" for name in names],
            }
        ),
        edges=pd.DataFrame(EDGES, columns=["child", "parent"]),
        info={
            "name": "toy",
            "source": "made up",
            "version": "1",
            "notice": "free of rights",
            "caution": "Made up: quote nothing.",
            "notes": ["a note"],
        },
    )


def with_spoilt_test_rows(data: Prepared) -> Prepared:
    """Infinite and missing features and turned labels, in the test split only."""
    test = data.rows("test")
    x, y = np.array(data.features), data.labels.toarray()
    x[test[::2]], x[test[1::2]] = np.nan, np.inf
    y[test] = ~y[test]
    return dataclasses.replace(data, features=x, labels=sparse.csr_array(y))


def small_config(**sections: Any) -> Config:
    """`small_config(tune={"trials": 0})`: a section's values are laid over the small ones."""
    small: dict[str, Any] = {
        "dataset": "toy",
        "profile": "custom",
        "tune": {"trials": 3, "members": 2},
        "train": {
            "members": 4,
            "hidden": 8,
            "epochs": 3,
            "batch_size": 16,
            "learning_rate": 0.005,
        },
        "evaluate": {"bootstrap": 20},
    }
    for name, values in sections.items():
        small[name] = small.get(name, {}) | values if isinstance(values, dict) else values
    return parse(small, "the test")
