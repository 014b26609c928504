"""What a result depends on, as a name for it: a file of that name is only taken where it fits."""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipeline.hml
from pipeline.stages import learning
from pipeline.stages.learning import Problem


def key(problem: Problem, values: dict[str, Any], *code: Path, packages: Sequence[str] = ()) -> str:
    """16 hexadecimal digits that differ where the data, values, code or versions do.

    Args:
        problem: the data.
        values: parameters and whatever else the result depends on, as JSON has it.
        code: files beside the core and `learning`.
        packages: whose versions count beside those of numba, numpy, scipy and torch.
    """
    core = Path(pipeline.hml.__file__).parent
    sources = [*sorted(core.rglob("*.py")), *code, Path(learning.__file__)]
    identity = {
        "data": problem.data.info["sha256"],
        "values": values,
        "versions": [version(name) for name in ("numba", "numpy", "scipy", "torch", *packages)],
        "code": [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
