"""A seed of a cell on a worker, which need not share any file with whoever asks for it.

The study, narrowed to the seed, and the raw files travel there; the result comes back as the cell's
file would have it. The process is that of a cell that runs here.
"""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import progress
from pipeline.artifacts import paths
from pipeline.benchmark.study import Cell, Study
from pipeline.cluster import fingerprint, packing, processes
from pipeline.cluster.packing import Packed
from pipeline.cluster.packing import same as same
from pipeline.datasets import registry, verified
from pipeline.errors import DatasetError

TAIL = 60  # lines of a failed seed's output that are told


@dataclass(frozen=True)
class Job:
    """A seed of a cell.

    Attributes:
        study: JSON of a study of nothing else.
        cell: with this one seed.
        file: name of its result.
        threads: of its process.
        expected: the fingerprint that a worker must have.
    """

    study: str
    cell: Cell
    file: str
    threads: int
    expected: Mapping[str, str]


def job(study: Study, cell: Cell, seed: int, threads: int) -> Job:
    """One seed of a cell of a study."""
    narrow = study.only(cell, seed)
    [one] = narrow.cells.values()
    text = narrow.model_dump_json(exclude={"path"})
    return Job(text, one, narrow.file(one).name, threads, fingerprint.own())


def pack(dataset: str) -> Packed:
    """The raw files of a data set, which are here."""
    folder, source = paths.raw(dataset), registry.get(dataset)
    return packing.pack({file.name: folder / file.name for file in source.files()})


def run(job: Job, packed: Packed) -> dict[str, Any]:
    """Run a seed on a worker; a task of Dask.

    Returns:
        What the cell's file has of it.

    Raises:
        WorkspaceError: the worker would give another result.
        DatasetError: what the user can mend.
        RuntimeError: a fault, with the last lines of its output.
    """
    from distributed import get_worker

    fingerprint.check(job.expected, fingerprint.own(), get_worker().address)
    workspace, cell = processes.folder(), job.cell
    _unpack(cell.dataset, packed, workspace)
    with tempfile.TemporaryDirectory(dir=workspace) as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(job.study, encoding="utf-8")  # JSON is YAML
        arguments = [str(path), *cell.address]
        variables = {progress.VARIABLE: "events"}
        status, output = processes.run(
            "pipeline.benchmark", arguments, workspace, job.threads, variables
        )
        if status == 0:
            found = path.parent / "results" / job.file
            return json.loads(found.read_text(encoding="utf-8"))
    events = [progress.parse(line) for line in output.splitlines()]
    if refusals := [event.note for event in events if event and event.refused]:
        raise DatasetError(refusals[-1])
    said = [line for line in output.splitlines() if progress.parse(line) is None]
    raise RuntimeError("\n".join([f"exit status {status}", *said[-TAIL:]]))


def _unpack(dataset: str, packed: Packed, workspace: Path) -> None:
    """Put raw files where a cell reads them, verified by their sha256; once on each worker."""
    source, folder = registry.get(dataset), workspace / paths.raw(dataset)
    with packing.unpacking:
        if verified.state(source.files(), folder) == "verified":
            return
        workspace.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=workspace) as incoming:
            packing.write(packed, Path(incoming))
            verified.fetch(source.files(), Path(incoming), folder)
