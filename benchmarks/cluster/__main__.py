"""`python -m benchmarks.cluster`: measure, and print a table for docs/clusters.md.

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

import psutil

from pipeline.benchmark import results, study
from pipeline.benchmark.study import Study
from pipeline.cluster import connection
from pipeline.cluster.connection import Cluster

STUDY = Path("benchmarks/rare_nodes/study.yaml")
SECONDS = 20.0  # of doing nothing
PREFECT_TASKS = 60


def main() -> None:
    """Measure all parts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("--workers", type=int, default=8, help="processes of four threads each")
    parser.add_argument("--tasks", type=int, default=1000)
    asked = parser.parse_args()
    grid = study.load(STUDY)
    print("| what | measured |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder, _scheduler(Path(folder)) as (address, scheduler):
        alone = _idle(scheduler)
        _row("scheduler: without a worker", f"{1000 * alone:.1f} ms CPU per second")
        with _workers(address, Path(folder), asked.workers):
            _of_tasks(address, scheduler, alone, grid, asked.tasks)
    _of_files(grid)
    _of_prefect()
    _of_processes()


def _row(what: str, value: str) -> None:
    print(f"| {what} | {value} |", flush=True)


@contextmanager
def _scheduler(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    file, started = folder / "scheduler.json", time.perf_counter()
    options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file"]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options, str(file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while not (file.exists() and file.read_text()):
            time.sleep(0.02)
        _row("scheduler: start", f"{time.perf_counter() - started:.1f} s")
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
    address: str, scheduler: psutil.Process, alone: float, grid: Study, tasks: int
) -> None:
    """Tasks that carry and return what a seed does, and do nothing."""
    from pipeline.benchmark import remote

    started = time.perf_counter()
    with connection.reach(address) as cluster:
        _row("reaching it, versions and code compared", f"{time.perf_counter() - started:.1f} s")
        time.sleep(10)  # all have come
        workers = cluster.workers
        each = (_idle(scheduler) - alone) / workers
        _row(
            f"scheduler: each of {workers} workers, for its signs of life",
            f"{1000 * each:.2f} ms CPU per second",
        )

        cell = next(iter(grid.cells.values()))
        job, document = remote.job(grid, cell, 0, 1), _document(grid)
        own, busy, started = time.process_time(), _cpu(scheduler), time.perf_counter()
        futures = [cluster.submit(_echo, job, document) for _ in range(tasks)]
        for future in cluster.completed(futures):
            cluster.result(future)
        took = time.perf_counter() - started
        _row(
            f"a task and its result, {len(json.dumps(document)) // 1000} kB there and back",
            f"{1000 * took / tasks:.1f} ms; coordinator {_ms(time.process_time() - own, tasks)}, "
            f"scheduler {_ms(_cpu(scheduler) - busy, tasks)}",
        )
        _of_data(cluster, workers)


def _of_data(cluster: Cluster, workers: int) -> None:
    from pipeline.benchmark import remote

    size, started = 20_000_000, time.perf_counter()
    raw = cluster.submit(remote.same, {"file": bytes(size)})
    addresses = [*cluster.client.scheduler_info(n_workers=-1)["workers"]]
    copies = [cluster.submit(_length, raw, workers=[address]) for address in addresses]
    for copy in copies:
        cluster.result(copy)
    took = time.perf_counter() - started
    _row(f"raw files of 20 MB to {workers} workers, on loopback", f"{took:.1f} s")


def _of_files(grid: Study) -> None:
    """What the coordinator does with a seed, and with a cell, in a study of a hundred cells."""
    from flows import stages

    stage, cell = next((s, c) for s, c in grid.cells.items() if grid.file(c).exists())
    result = results.read(grid, cell)
    assert result is not None
    before = grid.file(cell).read_bytes()
    started, own, rounds = time.perf_counter(), time.process_time(), 20
    for _ in range(rounds):
        results.add(grid, cell, result, result["runs"][0])
    took = time.perf_counter() - started
    _row("coordinator: a seed's result into its file", _ms(time.process_time() - own, rounds))
    del took
    grid.file(cell).write_bytes(before)
    lock = STUDY.with_name("dvc.lock")
    kept, own, rounds = lock.read_bytes(), time.process_time(), 5
    stages.commit(stage)
    own = time.process_time()
    for _ in range(rounds):
        stages.commit(stage)
    cells = len(grid.cells)
    spent = _ms(time.process_time() - own, rounds)
    _row(f"coordinator: a cell into dvc.lock, of {cells} cells", spent)
    lock.write_bytes(kept)


def _of_prefect() -> None:
    from flows import server, study

    with server.starting():
        pass
    own, started = time.process_time(), time.perf_counter()
    study.benchmark([f"x:{number}" for number in range(PREFECT_TASKS)], PREFECT_TASKS, _Nothing())
    took = time.perf_counter() - started
    _row(
        f"coordinator: a task of Prefect, {PREFECT_TASKS} side by side",
        f"{_ms(time.process_time() - own, PREFECT_TASKS)}, {1000 * took / PREFECT_TASKS:.0f} ms",
    )


def _of_processes() -> None:
    command = [sys.executable, "-c", "import pipeline.benchmark.cell"]
    before = psutil.Process().cpu_times()
    subprocess.run(command, check=True)
    subprocess.run(command, check=True)
    after = psutil.Process().cpu_times()
    spent = sum(after[2:4]) - sum(before[2:4])
    _row("worker: a seed's process until it prepares", f"{spent / 2:.1f} s CPU")


def _document(grid: Study) -> dict[str, object]:
    """A result of one seed."""
    cell = next(cell for cell in grid.cells.values() if grid.file(cell).exists())
    result = results.read(grid, cell)
    assert result is not None
    return result | {"runs": result["runs"][:1]}


def _echo(job: object, document: dict[str, object]) -> dict[str, object]:
    return document


def _length(raw: dict[str, bytes]) -> int:
    return len(raw["file"])


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _ms(seconds: float, count: int) -> str:
    return f"{1000 * seconds / count:.1f} ms CPU"


class _Nothing:
    def allow(self) -> None: ...

    def run(self, stage: str, log: object, on_event: object) -> str:
        return "Completed"

    def stop(self) -> None: ...


if __name__ == "__main__":
    main()
