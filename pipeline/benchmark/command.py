"""`rarenode benchmark`: run the cells of a study that are missing, then write its page."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pipeline.artifacts import files, paths
from pipeline.benchmark import results, study
from pipeline.benchmark.study import Cell, Study
from pipeline.datasets import registry
from pipeline.errors import ConfigError, DatasetError


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
    asked = [
        cell
        for cell in grid.all_cells()
        if (datasets is None or cell.dataset in datasets)
        and (methods is None or cell.method in methods)
        and (members is None or cell.members in members)
        and (seeds is None or cell.seed in seeds)
    ]
    if not asked:
        known = "; ".join(dict.fromkeys(cell.name for cell in grid.all_cells()))
        raise ConfigError(f"expected a cell of {path} ({known}), found none that is asked for")
    missing = [cell for cell in asked if again or not _is_current(cell, grid)]
    for name in dict.fromkeys(cell.dataset for cell in missing):
        registry.get(name).fetch(paths.raw(name))  # here: cells side by side would do it twice
    workers = min(workers or os.cpu_count() or 1, len(missing) or 1)
    rest = f"{len(missing)} to run, {workers} at a time" if missing else "nothing to run"
    print(f"{len(asked)} cells, {len(asked) - len(missing)} have a result, {rest}.", flush=True)
    failed = _run_all(missing, grid, path, workers)
    results.write(grid, path)
    print(f"Page: {grid.page}")
    if failed:
        raise DatasetError("\n".join(failed))
    return 0


def _is_current(cell: Cell, grid: Study) -> bool:
    """Whether there is a result with the very settings that the study asks for."""
    file = Path(grid.results) / cell.file_name
    if not file.exists():
        return False
    found = files.read_json(file, schema=results.SCHEMA)
    return found["settings"] == results.settings_of(cell, grid.profile)


def _run_all(cells: Sequence[Cell], grid: Study, path: Path, workers: int) -> list[str]:
    """Run cells side by side; return what the failed ones said."""
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
        running.discard(process)
        return process.returncode, said

    failed: list[str] = []
    with ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(one, cell): cell for cell in cells}
        try:
            for done in as_completed(futures):
                cell = futures[done]
                code, said = done.result()
                if code:
                    failed.append(f"{cell.name}: {said.strip()}")
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
