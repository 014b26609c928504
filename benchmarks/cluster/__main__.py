"""`python -m benchmarks.cluster`: measure, write results.json and the table of docs/clusters.md.

All runs on this machine, so wall clocks say little where it is busy: what bounds a cluster is the
processor time of its scheduler and of the coordinator, each of which has a core of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.cluster import table
from benchmarks.speed import machine
from pipeline.benchmark import results, study
from pipeline.benchmark.study import Study
from pipeline.cluster import connection

STUDY = Path("benchmarks/rare_nodes/study.yaml")
SECONDS = 20.0  # of doing nothing
PREFECT_TASKS = 60


def main() -> None:
    """Measure all parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("--workers", type=int, default=3, help="processes of four threads each")
    parser.add_argument("--tasks", type=int, default=600)
    asked = parser.parse_args()
    grid = study.load(STUDY)
    measured: dict[str, Any] = {"machine": machine.where(), **vars(asked)}
    with tempfile.TemporaryDirectory() as folder, _scheduler(Path(folder)) as (address, scheduler):
        alone = _idle(scheduler)
        measured["scheduler_alone"] = round(alone, 4)
        with _workers(address, Path(folder), asked.workers):
            measured |= _of_tasks(address, scheduler, grid, asked.tasks)
    measured |= {**_of_files(grid), "prefect_task": _of_prefect(), "process": _of_processes()}
    table.RESULTS.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    table.write(measured)
    print(table.markdown(measured))


@contextmanager
def _scheduler(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    file = folder / "scheduler.json"
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file"]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options, str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (file.exists() and file.read_text()):
            time.sleep(0.02)
        try:
            yield json.loads(file.read_text())["address"], psutil.Process(process.pid)
        finally:
            process.kill()


@contextmanager
def _workers(address: str, folder: Path, count: int) -> Iterator[None]:
    options = ["--no-nanny", "--nthreads", "4", "--no-dashboard", "--local-directory", str(folder)]
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options]
    processes = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _idle(scheduler: psutil.Process) -> float:
    """CPU seconds a second."""
    busy = _cpu(scheduler)
    time.sleep(SECONDS)
    return (_cpu(scheduler) - busy) / SECONDS


def _of_tasks(
    address: str, scheduler: psutil.Process, grid: Study, tasks: int
) -> dict[str, float | int]:
    """Tasks that carry and return what a seed does, and do nothing."""
    from pipeline.benchmark import remote

    with connection.reach(address) as cluster:
        time.sleep(10)  # all have come
        idle = _idle(scheduler)
        cell = next(iter(grid.cells.values()))
        job, document = remote.job(grid, cell, 0, 1), _document(grid)
        own, busy = time.process_time(), _cpu(scheduler)
        futures = [cluster.submit(_echo, job, document) for _ in range(tasks)]
        for future in cluster.completed(futures):
            cluster.result(future)
        return {
            "scheduler_with_workers": round(idle, 4),
            "result_bytes": len(json.dumps(document)),
            "scheduler_task": round((_cpu(scheduler) - busy) / tasks, 5),
            "coordinator_task": round((time.process_time() - own) / tasks, 5),
        }


def _of_files(grid: Study) -> dict[str, float | int]:
    """What the coordinator does with a seed, and with a cell, in a study of a hundred cells."""
    from flows import stages

    stage, cell = next((s, c) for s, c in grid.cells.items() if grid.file(c).exists())
    result = results.read(grid, cell)
    assert result is not None
    before = grid.file(cell).read_bytes()
    own, rounds = time.process_time(), 20
    for _ in range(rounds):
        results.add(grid, cell, result, result["runs"][0])
    seed = (time.process_time() - own) / rounds
    grid.file(cell).write_bytes(before)
    lock = STUDY.with_name("dvc.lock")
    kept, rounds = lock.read_bytes(), 5
    stages.commit(stage)
    own = time.process_time()
    for _ in range(rounds):
        stages.commit(stage)
    spent = (time.process_time() - own) / rounds
    lock.write_bytes(kept)
    return {"cells": len(grid.cells), "seed_file": round(seed, 4), "cell_lock": round(spent, 3)}


def _of_prefect() -> float:
    from flows import server, study

    with server.starting():
        pass
    own = time.process_time()
    study.benchmark([f"x:{number}" for number in range(PREFECT_TASKS)], PREFECT_TASKS, _Nothing())
    return round((time.process_time() - own) / PREFECT_TASKS, 4)


def _of_processes() -> float:
    command = [sys.executable, "-c", "import pipeline.benchmark.cell"]
    before = psutil.Process().cpu_times()
    subprocess.run(command, check=True)
    subprocess.run(command, check=True)
    after = psutil.Process().cpu_times()
    return round((sum(after[2:4]) - sum(before[2:4])) / 2, 2)


def _document(grid: Study) -> dict[str, object]:
    """A result of one seed."""
    cell = next(cell for cell in grid.cells.values() if grid.file(cell).exists())
    result = results.read(grid, cell)
    assert result is not None
    return result | {"runs": result["runs"][:1]}


def _echo(job: object, document: dict[str, object]) -> dict[str, object]:
    return document


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


class _Nothing:
    def allow(self) -> None: ...

    def run(self, stage: str, log: object, on_event: object) -> str:
        return "Completed"

    def stop(self) -> None: ...


if __name__ == "__main__":
    main()
