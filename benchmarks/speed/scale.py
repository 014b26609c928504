"""The scale test: one epoch on a hierarchy of a hundred thousand nodes, in a process of its own."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed import memory
from benchmarks.speed.bounds import Bound

DATASET = "icd10cm"
_HIDDEN, _MEMBERS = 256, 2
_GIGABYTES = 6


def measure(dataset: str = DATASET) -> Iterator[Bound]:
    """Peak memory of the whole process that fetches, prepares and trains; prints as it goes."""
    command = [sys.executable, "-m", "benchmarks.speed.scale", dataset]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    yield Bound(
        f"peak memory of preparing {dataset} and one epoch, {found['nodes']} nodes, "
        f"{found['examples']} examples, hidden {_HIDDEN}, {_MEMBERS} members",
        found["peak_bytes"] / 1e9,
        _GIGABYTES,
        "below",
        unit="GB",
        detail=f"epoch {found['seconds']:.0f} s, "
        f"{found['examples'] / found['seconds']:.0f} examples/s; "
        f"before training {found['prepared_bytes'] / 1e9:.1f} GB",
    )


def epoch(dataset: str) -> dict[str, Any]:
    """Prepare a data set and train on all of train+valid once."""
    from pipeline.config import parse
    from pipeline.datasets import registry
    from pipeline.hml import Objective, Settings, fit_members
    from pipeline.stages import learning, prepare

    config = parse({"dataset": dataset, "prepare": {"min_support": 0}}, "the scale test")
    source = registry.get(dataset)
    with tempfile.TemporaryDirectory() as folder:
        source.fetch(Path(folder))
        problem = learning.problem(prepare.prepare(source.read(Path(folder)), source, config))
    prepared = memory.peak()
    objective = Objective(variant="released", mode="predictive")
    settings = Settings(members=_MEMBERS, hidden=_HIDDEN, epochs=1, objective=objective)
    rows = problem.data.rows("train", "valid")
    ended: list[float] = []
    started = time.perf_counter()
    fit_members(
        problem.data.features,
        problem.data.labels,
        problem.hierarchy,
        settings,
        cross_fit=False,
        rows=rows,
        seed=0,
        scored=problem.scored,
        on_epoch=lambda *_: ended.append(time.perf_counter()),
    )
    return {
        "nodes": len(problem.hierarchy),
        "examples": len(rows),
        "seconds": ended[0] - started,
        "prepared_bytes": prepared,
        "peak_bytes": memory.peak(),
    }


if __name__ == "__main__":
    print(json.dumps(epoch(sys.argv[1])))
