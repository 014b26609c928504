"""What this machine can do at best: the two rates that floors are made of, and its name."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.speed import clock
from benchmarks.speed.floors import Machine

_COPIED = 64 * 2**20  # numbers: 256 MB, beyond every cache
_SIDE = 2048


def measure(*, copied: int = _COPIED, side: int = _SIDE, rounds: int = 9) -> Machine:
    """The bandwidth of a large copy, read and write, and the rate of a large matrix product."""
    source, target = torch.ones(copied), torch.empty(copied)
    left, right, product = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
    seconds = clock.interleaved(
        {
            "copy": lambda: target.copy_(source),
            "product": lambda: torch.mm(left, right, out=product),
        },
        rounds=rounds,
    )
    return Machine(8 * copied / seconds["copy"], 2 * side**3 / seconds["product"])


def describe(machine: Machine) -> dict[str, Any]:
    """Where and when something was measured, and what is possible there."""
    return where() | {
        "gigabytes_per_second": round(machine.bytes_per_second / 1e9, 2),
        "gigaflops_per_second": round(machine.flops_per_second / 1e9, 1),
    }


def where() -> dict[str, Any]:
    """Where and when: date, processor, cores and versions."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "numpy", "numba", "prefect", "dvc")},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
