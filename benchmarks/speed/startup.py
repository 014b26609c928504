"""How long people wait before anything happens: imports, help, a run with nothing to do."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.speed import clock
from benchmarks.speed.bounds import Bound
from benchmarks.speed.workspace import STAGES, Workspace


def measure(*, rounds: int = 5, runs: int = 3) -> Iterator[Bound]:
    """All of them; whole runs are repeated less often than the rest."""
    yield from interpreters(rounds=rounds)
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        yield from nothing_to_run(workspace, rounds=runs)
        yield from nothing_to_reproduce(workspace, rounds=rounds)


def interpreters(*, rounds: int) -> Iterator[Bound]:
    """Fresh interpreters: what the core adds to torch's import, and the help."""
    took = clock.interleaved(
        {
            "torch": _process(sys.executable, "-c", "import torch"),
            "core": _process(sys.executable, "-c", "import torch, pipeline.hml"),
            "help": _process(str(Path(sys.executable).with_name("rarenode")), "--help"),
        },
        rounds=rounds,
    )
    yield Bound(
        "`import pipeline.hml` beyond `import torch`",
        took["core"] - took["torch"],
        0.5,
        unit="s",
        detail=f"{took['core']:.2f} s, of which torch {took['torch']:.2f} s",
    )
    yield Bound("`rarenode --help`", took["help"], 0.5, unit="s")


def nothing_to_run(workspace: Workspace, *, rounds: int) -> Iterator[Bound]:
    """`rarenode run` where every stage is cached, and what of it is not Prefect's."""
    output = workspace.run()
    if f"{STAGES} Cached in" not in output:
        raise AssertionError(f"expected nothing but cached stages, found:\n{output}")
    took = clock.interleaved(
        {"run": workspace.run, "prefect": workspace.prefect_alone}, rounds=rounds
    )
    yield Bound("`rarenode run`, everything cached", took["run"], 15, unit="s")
    yield Bound(
        "of which beyond an empty Prefect flow of as many tasks",
        took["run"] - took["prefect"],
        3,
        unit="s",
        detail=f"Prefect alone {took['prefect']:.2f} s",
    )


def nothing_to_reproduce(workspace: Workspace, *, rounds: int) -> Iterator[Bound]:
    """`dvc repro` with nothing to do beside DVC on as many stages that are nothing."""
    took = clock.interleaved({"ours": workspace.repro, "bare": workspace.repro_bare}, rounds=rounds)
    yield Bound(
        "`dvc repro` with nothing to do over DVC on empty stages",
        took["ours"] / took["bare"],
        1.5,
        detail=f"{took['ours']:.2f} s over {took['bare']:.2f} s",
    )


def _process(*command: str) -> Callable[[], object]:
    return partial(subprocess.run, command, check=True, capture_output=True)
