"""`python -m benchmarks.speed PART…`: measure, print, write down; 1 if a bound is not met."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.speed import (
    bounds,
    breakdown,
    feeding,
    machine,
    problems,
    report,
    rows,
    scale,
    startup,
    table,
)
from benchmarks.speed.bounds import Bound
from benchmarks.speed.rows import Row

RESULTS = Path("benchmarks/speed/results.json")
PAGE = Path("docs/performance.md")


def main(arguments: list[str] | None = None) -> int:
    """Measure some parts; the others stay in the results as they were."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed")
    parser.add_argument("part", nargs="+", choices=PARTS)
    wanted = parser.parse_args(arguments).part
    console = Console() if sys.stdout.isatty() else Console(width=200)  # a log has no edge
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    measured: dict[str, Any] = {}
    for part in wanted:
        console.print(f"{part} …", style="dim")
        # Each part has the machine of its own minutes beside it.
        measured[part] = {"machine": machine.describe(machine.measure()), **PARTS[part]()}
        results |= measured
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    table.write(table.tables(results), PAGE)
    table.show(table.tables(measured), console)
    if not os.environ.get(problems.HMC_DIR):
        console.print(f"{problems.HMC_DIR} is not set: the benchmarks' shapes, synthetic data")
    missed = [
        bound["name"]
        for part in measured.values()
        for bound in part.get("bounds", [])
        if not bound["met"]
    ]
    for name in missed:
        console.print(f"NOT MET: {name}", style="bold red", highlight=False)
    return 1 if missed else 0


def _verdicts(found: Iterable[Bound]) -> dict[str, Any]:
    return {"bounds": [{**asdict(bound), "met": bound.met} for bound in found]}


def _rows() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "pytest", "benchmarks/speed", f"--benchmark-json={file}"]
        done = subprocess.run([*command, "--benchmark-quiet"], stdout=sys.stderr, check=False)
        if done.returncode:
            raise RuntimeError("a row failed; pytest says above which one and why")
        entries = json.loads(file.read_text(encoding="utf-8"))["benchmarks"]
    found = {
        Row(**{field: entry["extra_info"][field] for field in Row._fields}): {
            **entry["extra_info"],
            "seconds": entry["stats"]["median"],
        }
        for entry in entries
    }
    left_out = {row: {**row._asdict(), "skipped": rows.skipped(row)} for row in rows.grid()}
    return {"rows": [found.get(row, left_out[row]) for row in rows.grid()]}


def _profile() -> dict[str, Any]:
    return {
        "steps": [
            breakdown.of_step(problems.benchmark(name), problems.settings(name, weighted=weighted))
            for name in ("cellcycle_FUN", "cellcycle_GO")
            for weighted in (False, True)
        ]
    }


PARTS: dict[str, Callable[[], dict[str, Any]]] = {
    "bounds": lambda: _verdicts(bounds.measure()),
    "start": lambda: _verdicts(startup.measure()),
    "images": lambda: _verdicts(feeding.measure()),
    "report": lambda: _verdicts(report.measure()),
    "scale": lambda: _verdicts(scale.measure()),
    "rows": _rows,
    "profile": _profile,
}

if __name__ == "__main__":
    sys.exit(main())
