"""`rarenode benchmark`: run the cells of a study that are missing, then write its page."""

import difflib
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from pipeline.artifacts import paths
from pipeline.benchmark import results, study
from pipeline.benchmark.study import Cell, Study
from pipeline.datasets import registry
from pipeline.errors import ConfigError, DatasetError

_REFUSED = 2  # exit code of a cell that was stopped by what the user can mend


def run(
    path: Path,
    *,
    datasets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    members: Sequence[int] | None = None,
    seeds: Sequence[int] | None = None,
    workers: int | None = None,
    again: bool = False,
) -> int:
    """Run what is missing of a study, a process per cell, and write the study's page.

    Args:
        path: of the study.
        datasets: only these; as do `methods`, `members` and `seeds`, it narrows the study.
        methods: see `datasets`.
        members: see `datasets`.
        seeds: see `datasets`.
        workers: cells at a time; they share the cores. None is one per core.
        again: run cells that have a result, too.

    Returns:
        0, or 1 if a cell failed that should not have.

    Raises:
        ConfigError: the study is malformed, or nothing of it is asked for.
        DatasetError: a data set is unknown or cannot be had.
    """
    grid = study.load(path)
    narrowed = {"dataset": datasets, "method": methods, "members": members, "seed": seeds}
    for what, values in narrowed.items():
        _check(what, values or (), {getattr(cell, what) for cell in grid.all_cells()}, path)
    asked = [
        cell
        for cell in grid.all_cells()
        if all(v is None or getattr(cell, what) in v for what, v in narrowed.items())
    ]
    if not asked:
        raise ConfigError(f"expected a cell of {path}, found none that is asked for")
    missing = [cell for cell in asked if again or results.current(cell, grid) is None]
    for name in dict.fromkeys(cell.dataset for cell in missing):
        registry.get(name).fetch(paths.raw(name))  # here: cells side by side would do it twice
    workers = min(workers or os.cpu_count() or 1, len(missing) or 1)
    rest = f"{len(missing)} to run, {workers} at a time" if missing else "nothing to run"
    done = len(asked) - len(missing)
    print(f"{len(asked)} cells, {done} with a result, {rest}.", flush=True)
    failed = _run_all(missing, grid, path, workers)
    results.write(grid, path)
    print(f"Page: {grid.page}")
    said = "\n".join(message for _, message in failed)
    if any(code != _REFUSED for code, _ in failed):
        print(said, file=sys.stderr)
        return 1
    if failed:
        raise DatasetError(said)
    return 0


def _check(what: str, values: Iterable[Any], known: Iterable[Any], path: Path) -> None:
    """Refuse what no cell of the study has."""
    for value in values:
        if value not in known:
            names = sorted(known)
            close = difflib.get_close_matches(str(value), map(str, names), n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise ConfigError(
                f"expected a {what} out of {', '.join(map(str, names))} ({path}), found {value!r}."
                f"{hint}"
            )


def _run_all(cells: Sequence[Cell], grid: Study, path: Path, workers: int) -> list[tuple[int, str]]:
    """Run cells side by side; return exit code and message of those that failed."""
    running: set[subprocess.Popen[str]] = set()
    lock, stopped = threading.Lock(), threading.Event()
    environment = os.environ | {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // workers)),
        "RARENODE_PROGRESS": "events",  # lines for a flow; here they are not wanted
    }

    def one(cell: Cell) -> tuple[int, str]:
        command = [sys.executable, "-m", "pipeline.benchmark", str(path), cell.model_dump_json()]
        with lock:
            if stopped.is_set():
                return 0, ""
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            running.add(process)
        _, said = process.communicate()
        with lock:
            running.discard(process)
        return process.returncode, said

    failed: list[tuple[int, str]] = []
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(one, cell): cell for cell in cells}
        try:
            for done in as_completed(futures):
                cell = futures[done]
                code, said = done.result()
                if code:
                    if code < 0:
                        said += f"ended by signal {-code}; 9 may mean that memory ran out"
                    failed.append((code, f"{cell.name}: {said.strip()}"))
                    print(f"{cell.name}: failed", flush=True)
                else:
                    print(f"{cell.name}: {results.line(cell, grid)}", flush=True)
        except BaseException:
            with lock:
                stopped.set()
                for process in running:
                    process.terminate()
            raise
    return failed
