"""What a cluster costs, and how many workers follow from it, as docs/clusters.md has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS, PAGE = ROOT / "benchmarks" / "cluster" / "results.json", ROOT / "docs" / "clusters.md"
BEGIN, END = "<!-- begin: written by `python -m benchmarks.cluster` -->", "<!-- end -->"
SEEDS = 3  # of a cell
DURATIONS = (("10 s", 10.0), ("1 minute", 60.0), ("5 minutes", 300.0), ("20 minutes", 1200.0))


def read() -> dict[str, Any]:
    """What was measured last; seconds of the processor, if nothing else is said."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def seed(found: dict[str, Any]) -> float:
    """Seconds that a seed costs the coordinator, its share of the cell included."""
    return cell(found) / SEEDS


def cell(found: dict[str, Any]) -> float:
    """Seconds that a cell of `SEEDS` seeds costs the coordinator."""
    once = found["prefect_task"] + found["cell_lock"]
    return once + SEEDS * (found["coordinator_task"] + found["seed_file"])


def sign_of_life(found: dict[str, Any]) -> float:
    """Seconds a second that each worker costs the scheduler while it computes."""
    return (found["scheduler_with_workers"] - found["scheduler_alone"]) / found["workers"]


def workers(found: dict[str, Any], seconds: float) -> tuple[float, float]:
    """How many workers coordinator and scheduler keep up with, where a seed takes so long."""
    each = found["scheduler_task"] / seconds + sign_of_life(found)
    return seconds / seed(found), 1 / each


def two_digits(number: float) -> str:
    """A number to two significant digits, as text."""
    return f"{float(f'{number:.2g}'):,.0f}"


def markdown(found: dict[str, Any]) -> str:
    """The table of what was measured."""
    return "\n".join(["| what | CPU |", "|---|---|", *(f"| {a} | {b} |" for a, b in _rows(found))])


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    def milliseconds(name: str, digits: int = 1) -> str:
        return f"{1000 * found[name]:.{digits}f} ms"

    size = found["result_bytes"] / 1000
    yield f"scheduler: a task and its result, {size:.0f} kB", milliseconds("scheduler_task")
    yield "coordinator: the same", milliseconds("coordinator_task")
    yield "coordinator: a task of Prefect, for each cell", milliseconds("prefect_task")
    yield "coordinator: a seed's result into the cell's file", milliseconds("seed_file", 0)
    lock = milliseconds("cell_lock", 0)
    yield f"coordinator: a cell into dvc.lock of a study of {found['cells']} cells", lock
    idle = [f"{milliseconds(f'scheduler_{name}')} a second" for name in ("alone", "with_workers")]
    yield f"scheduler without work: without workers; with {found['workers']}", "; ".join(idle)
    yield "worker: a seed's process before it prepares (imports)", f"{found['process']:.1f} s"


def write(found: dict[str, Any]) -> None:
    """Replace what lies between the page's markers.

    Raises:
        ValueError: the page has no markers.
    """
    head, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"expected the lines {BEGIN} and {END} in {PAGE}, found none")
    PAGE.write_text(f"{head}{BEGIN}\n\n{markdown(found)}\n\n{END}{tail}", encoding="utf-8")
