"""`rarenode benchmark`: the cells of a study as a flow, a Prefect task per cell, then its page."""

import contextlib
import difflib
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows import cluster, server, signals, watch
from flows.heard import Heard
from pipeline.artifacts import paths
from pipeline.benchmark import pages, results, study
from pipeline.benchmark.__main__ import AGAIN
from pipeline.benchmark.study import Cell, Study
from pipeline.cluster import connection
from pipeline.datasets import registry
from pipeline.errors import ConfigError, DatasetError, RarenodeError, WorkspaceError
from pipeline.progress import Event

_DONE = ("Completed", "Cached", "Restored")


def run(
    path: Path,
    *,
    datasets: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] | None = None,
    workers: int | None = None,
    again: bool = False,
    on: str | None = None,
    told: dict[str, Any] | None = None,
) -> int:
    """Run what is missing of a study, a process per cell, and write the study's page.

    Args:
        path: of the study.
        datasets: only these; as do `methods` and `settings`, it narrows the study.
        methods: see `datasets`.
        settings: see `datasets`.
        workers: cells at a time; they share the cores. None is one per core.
        again: run cells that have a result, too.
        on: the cluster that seeds run on, see `flows.cluster.address`; None is this machine.
        told: gets `cells`, each with its `state` and the file of its `result`, and the `page`.

    Returns:
        0, or 1 if a cell failed that should not have.

    Raises:
        ConfigError: the study is malformed, or nothing of it is asked for.
        DatasetError: a data set is unknown or cannot be had, or a cell stopped at something that
            the user can mend.
        WorkspaceError: the cluster cannot be reached, is lost or would give other results.
    """
    if on is not None and workers is not None:
        raise ConfigError("expected --workers or --cluster, found both: a cluster has its own")
    grid = study.load(path)
    asked = _asked(grid, datasets, methods, settings)
    wanted = {s: c for s, c in asked.items() if again or not _complete(grid, c)}
    heard = Heard(_Lines(grid, wanted))
    told = {} if told is None else told
    for name in dict.fromkeys(cell.dataset for cell in wanted.values()):
        registry.get(name).fetch(paths.raw(name))  # here: cells side by side would do it twice
    with _place(on if wanted else None, workers, len(wanted)) as place:
        rest = f"{len(wanted)} to run, {place}" if wanted else "nothing to run"
        print(f"{len(asked)} cells, {len(asked) - len(wanted)} with a result, {rest}.", flush=True)
        try:
            failed = _run_all(grid, wanted, place, again, heard) if wanted else []
        except BaseException:  # Ctrl-C as well: the page has what was done
            with contextlib.suppress(Exception):  # it must not hide why the study ended
                pages.write(grid)
            raise
        finally:
            told["cells"] = _told(grid, asked, wanted, heard)
    fault = any(not refused for refused, _ in failed)
    said = "\n".join(message for _, message in failed)
    if fault:
        print(said, file=sys.stderr)
        told["error"] = said
    pages.write(grid)
    told["page"] = grid.page
    print(f"Page: {grid.page}")
    if failed and not fault:
        raise DatasetError(said)
    return 1 if fault else 0


@dataclass(frozen=True)
class _Place:
    """Where cells run.

    Attributes:
        workers: cells at a time.
        threads: of each.
        cluster: None is this machine.
    """

    workers: int
    threads: int
    cluster: connection.Cluster | None = None

    def __str__(self) -> str:
        if self.cluster is None:
            return f"{self.workers} at a time"
        count = self.cluster.workers
        return f"on {count} {'worker' if count == 1 else 'workers'}"


@contextlib.contextmanager
def _place(on: str | None, workers: int | None, cells: int) -> Iterator[_Place]:
    if on is None:
        cores = os.cpu_count() or 1
        workers = min(workers or cores, cells or 1)
        yield _Place(workers, max(1, cores // workers))
        return
    with cluster.address(on) as address, connection.reach(address) as reached:
        # As many as a cell has that shares this machine with others, unless one asks for more.
        threads = os.environ.get("OMP_NUM_THREADS", "1")
        yield _Place(cells, int(threads) if threads.isdecimal() else 1, reached)


def _asked(
    grid: Study,
    datasets: Sequence[str] | None,
    methods: Sequence[str] | None,
    settings: Sequence[str] | None,
) -> dict[str, Cell]:
    """The cells that are asked for.

    Raises:
        ConfigError: no cell has such a data set, method or setting, or none has all of them.
    """
    cells = grid.cells.values()
    _check("data set", datasets or (), {cell.dataset for cell in cells}, grid)
    _check("method", methods or (), {cell.method for cell in cells}, grid)
    _check("setting", settings or (), {cell.setting for cell in cells} - {""}, grid)
    asked = {
        stage: cell
        for stage, cell in grid.cells.items()
        if (datasets is None or cell.dataset in datasets)
        and (methods is None or cell.method in methods)
        and (settings is None or cell.setting in settings)
    }
    if not asked:
        raise ConfigError(f"expected a cell of {grid.path}, found none that is asked for")
    return asked


def _check(what: str, values: Iterable[str], known: Iterable[str], grid: Study) -> None:
    for value in values:
        if value not in known:
            names = sorted(known)
            close = difflib.get_close_matches(value, names, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            if value.startswith("weighted-") and "ours" in names:
                hint = " The networks of 'ours' alone, a row of their own, come with 'ours'."
            raise ConfigError(
                f"expected a {what} out of {', '.join(names) or 'none'} ({grid.path}), found "
                f"{value!r}.{hint}"
            )


def _complete(grid: Study, cell: Cell) -> bool:
    return len(results.runs_of(grid, cell)) == len(cell.seeds)


def _told(
    grid: Study, asked: dict[str, Cell], wanted: dict[str, Cell], heard: Heard
) -> list[dict[str, Any]]:
    """What programs are told of each cell: Cached where it had its result before."""
    ran = {entry["stage"]: entry for entry in heard.stages()}
    cells: list[dict[str, Any]] = []
    for stage, cell in asked.items():
        otherwise = {"state": "not run" if stage in wanted else "Cached", "seconds": None}
        entry = ran.get(stage, otherwise)
        about = {"dataset": cell.dataset, "setting": cell.setting or None, "method": cell.method}
        about |= {"seeds": cell.seeds, "state": entry["state"], "seconds": entry["seconds"]}
        done = entry["state"] in _DONE
        cells.append(about | {"result": str(grid.file(cell)) if done else None})
    return cells


def _run_all(
    grid: Study, cells: dict[str, Cell], place: _Place, again: bool, heard: Heard
) -> list[tuple[bool, str]]:
    """Run cells; of those that failed, whether the user can mend it, and what to say."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    with signals.ending_like_ctrl_c(), watch.watching(heard):
        with server.starting():
            from flows import stages
            from flows.cells import Here, OnCluster
            from flows.study import benchmark
        if place.cluster is None:
            environment = {"OMP_NUM_THREADS": str(place.threads)}
            where = Here(environment | ({AGAIN: "1"} if again else {}))
        else:
            where = OnCluster(grid, place.cluster, threads=place.threads, again=again)
        found = benchmark(list(cells), place.workers, where)
        if isinstance(found, Exception):
            raise found
    failed: list[tuple[bool, str]] = []
    for cell, state in zip(cells.values(), found, strict=True):
        if not state.is_completed():
            failure = state.result(raise_on_failure=False)
            refusal = failure.refusal if isinstance(failure, stages.StageFailed) else None
            if isinstance(failure, RarenodeError):
                refusal = str(failure)
            failed.append((refusal is not None, f"{cell.name}: {refusal or failure}"))
    if place.cluster is not None and place.cluster.lost is not None:
        raise WorkspaceError(place.cluster.lost)  # once, not for each cell
    return failed


class _Lines(watch.Watcher):
    """A line for each cell that ends, with its figures."""

    def __init__(self, grid: Study, cells: dict[str, Cell]) -> None:
        self._grid, self._cells = grid, cells
        self._done = 0
        self._lock = threading.Lock()

    def planned(self, stages: list[str]) -> None: ...

    def started(self, stage: str) -> None: ...

    def progressed(self, stage: str, event: Event) -> None: ...

    def ended(self, stage: str, state: str) -> None:
        cell = self._cells[stage]
        done = state in _DONE
        with self._lock:
            self._done += 1
            what = pages.line(self._grid, cell) if done else state.lower()
            print(f"[{self._done}/{len(self._cells)}] {cell.name}: {what}", flush=True)
