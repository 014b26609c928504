"""Rows of a table, a batch at a time, through a bundle's ensemble into long form."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pipeline import progress
from pipeline.datasets.tables import frames
from pipeline.datasets.tables.files import several, shown
from pipeline.datasets.tables.frames import refuse
from pipeline.datasets.tables.problems import Problems
from pipeline.errors import DatasetError
from pipeline.hml.members.networks import Explained
from pipeline.prediction import images, outputs
from pipeline.prediction import model as models
from pipeline.prediction.batches import side_by_side
from pipeline.prediction.drift import Drift
from pipeline.prediction.ids import Ids
from pipeline.prediction.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

# Rows that are predicted together. Always as many, the last ones filled up: how a matrix product
# rounds depends on its shape, and a prediction is to depend on its own row alone.
BATCH = 1024
_IN_WORK = 2  # times as many entries may be in work at a time
_ENTRIES = 64_000_000  # of the largest array on the way: fewer rows where nodes are many


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        rule: that decides; None takes `tuned` where the bundle has it, else `half`.
        top: nodes of each example that are shown whatever is decided, the most probable ones.
        least: nodes that are at least so probable are shown, too.
        per_example: decides for at most so many nodes of an example.
        id: the column of the examples' ids, instead of the one that the model was trained with.
        ignore_unknown: passes over columns that the model does not know.
        images: the folder that names of images are relative to; None takes that of the table.
    """

    rule: str | None = None
    top: int = 0
    least: float | None = None
    per_example: int | None = None
    id: str | None = None
    ignore_unknown: bool = False
    images: Path | None = None


class Summary(NamedTuple):
    """What was predicted.

    Attributes:
        rows: how many.
        decided: nodes that were decided for, ancestors included.
        without: rows without any.
        rule: that decided.
        notes: on what differs from the data that was learnt from.
        model: that predicted.
    """

    rows: int
    decided: int
    without: int
    rule: str
    notes: tuple[str, ...]
    model: Model


class _Batch(NamedTuple):
    ids: list[str]
    features: np.ndarray


class _Answer(NamedTuple):
    batch: _Batch
    long: "pa.Table"
    decision: np.ndarray


def predict(bundle: Path, given: Path, output: Path, request: Request) -> Summary:
    """Predict every row of a table, or every image in a folder, into a file.

    The file is there only if all goes well.

    Raises:
        ArtifactError: the bundle is missing or damaged.
        DatasetError: the table cannot be read, lacks a column or has one that the model does not
            know, a value is not of its column's kind, an image cannot be read, or the model did
            not learn from images alone.
    """
    folder = _is_folder(given)
    if not folder:
        frames.regular(given)
    outputs.check(output, given)
    found = models.load(bundle)
    if not folder:
        if request.images is not None and found.looker is None:
            raise DatasetError(
                f"expected no --images for a model that did not learn from images, found "
                f"{shown(str(request.images))}"
            )
        return _predict(found, given, output, request)
    if found.plan.image is None or len(found.plan.names) > 1:
        wanted = "images alone" if found.plan.image is not None else "images"
        raise DatasetError(
            f"expected a table as --input, found the folder {given}: a folder is for models that "
            f"learnt from {wanted}"
        )
    if request.id is not None or request.images is not None:
        raise DatasetError("expected neither --id nor --images with a folder as --input, found one")
    with images.listed(given, found.plan.image) as table:
        return _predict(found, table, output, replace(request, images=given, id=found.plan.image))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that nothing can have
        return False


def _predict(found: Model, table: Path, output: Path, request: Request) -> Summary:
    rule = _rule(found, request.rule)
    names = frames.names(table)
    id_column = request.id or (found.plan.id if found.plan.id in names else None)
    if request.id is not None and request.id not in names:
        refuse(table, f"the column {shown(request.id)} (--id)", several(list(names)))
    missing, unknown = found.plan.check(
        [name for name in names if name != id_column or name == found.plan.image],
        table,
        needless=found.needless,
        ignore_unknown=request.ignore_unknown,
    )
    drift, given = Drift(found), Ids()
    rows = decided = without = 0

    def answer(batch: _Batch) -> _Answer:
        filled = _filled_up(batch.features, _size(found))
        explained = _cut(found.ensemble.explain(filled), len(batch.ids))
        decision = found.ensemble.decide(explained.mean, rule, per_example=request.per_example)
        shows = _shown(explained.mean, decision, request)
        return _Answer(batch, _long(found, batch.ids, explained, decision, shows), decision)

    with (
        outputs.writer(output) as write,
        progress.bar("predicting", total=_rows_about(table), unit="row") as bar,
    ):
        for batch, long, decision in side_by_side(
            answer, _batches(found, table, id_column, drift, request.images), most=_at_once(found)
        ):
            drift.see(batch.features)
            if id_column is not None:
                given.see(batch.ids)
            write(long)
            rows += len(batch.ids)
            decided += int(decision.sum())
            without += int((~decision.any(1)).sum())
            bar.advance(len(batch.ids))
    notes = [] if id_column else ["Examples are numbered by their rows: there is no id."]
    if missing:
        notes.append(
            f"Columns that are not there, and were the same in all rows of the training data, so "
            f"that nothing depends on them: {several(missing)}."
        )
    if unknown:
        notes.append(f"Columns that the model does not know are passed over: {several(unknown)}.")
    notes += [*given.notes(), *drift.notes()]
    return Summary(rows, decided, without, rule, tuple(notes), found)


def _rule(found: Model, asked: str | None) -> str:
    rules = found.ensemble.cuts
    if asked is None:
        return "tuned" if "tuned" in rules else "half"
    if asked not in rules:
        raise DatasetError(f"expected a --rule out of {', '.join(sorted(rules))}, found {asked!r}")
    return asked


def _widest(found: Model) -> int:
    """Entries of the largest array that an example makes on its way."""
    widest = max(members.width for members in found.ensemble.members.values())
    nodes = len(found.ensemble.hierarchy) * max(m.count for m in found.ensemble.members.values())
    return max(widest, nodes, len(found.features))


def _size(found: Model) -> int:
    return max(1, min(BATCH, _ENTRIES // _widest(found)))


def _at_once(found: Model) -> int:
    """Batches that may be in work together: each has arrays of its own."""
    return max(1, _IN_WORK * _ENTRIES // (_size(found) * _widest(found)))


def _batches(
    found: Model, table: Path, id_column: str | None, drift: Drift, images: Path | None
) -> Iterator[_Batch]:
    """Batches of one size but for the last."""
    there = set(frames.names(table))
    wanted = [name for name in found.plan.names if name in there and name != id_column]
    wanted += [id_column] if id_column is not None else []
    if (image := found.plan.image) is not None and image not in wanted:
        wanted.append(image)
    root = table.parent if images is None else images
    size = _size(found)
    ids: list[str] = []
    kept: list[np.ndarray] = []
    for block in frames.blocks(table, wanted):
        rows = range(block.first, block.first + block.table.num_rows)
        if id_column is None:
            ids += map(str, rows)
        else:
            given = frames.as_text(block.table.column(id_column), id_column, table).to_pylist()
            for row, one in zip(rows, given, strict=True):
                if one is None or not one.strip():
                    refuse(table, f"an id in column {shown(id_column)}", "an empty cell", row)
                ids.append(one.strip())
        try:
            frame = found.frame(block, table)
        except DatasetError:
            _name_all(found, table, wanted)
            raise
        drift.see_values(frame)
        seen = None
        if found.looker is not None and image is not None:
            seen = found.looker.of_files(frame[image].tolist(), root)
        kept.append(found.encoded(frame, seen))
        features = np.concatenate(kept) if len(kept) > 1 else kept[0]
        done = len(features) // size * size
        for start in range(0, done, size):
            yield _Batch(ids[start : start + size], features[start : start + size])
        ids, kept = ids[done:], [features[done:]]
    if ids:
        yield _Batch(ids, kept[0])


def _name_all(found: Model, table: Path, wanted: list[str]) -> None:
    """Refuse all values of a table that are not of their column's kind, not only the first one."""
    problems = Problems([table])
    with problems.part() as mine:
        for block in frames.blocks(table, wanted):
            found.frame(block, table, mine)
    problems.raise_if_any()


def _filled_up(features: np.ndarray, size: int) -> np.ndarray:
    missing = size - len(features)
    return np.pad(features, ((0, missing), (0, 0))) if missing else features


def _shown(mean: np.ndarray, decision: np.ndarray, request: Request) -> np.ndarray:
    """Which entries the output has."""
    shows = decision.copy()
    if request.least is not None:
        shows |= mean >= request.least
    if request.top:
        most = min(request.top, mean.shape[1])
        # Ties by node order, whatever the partition does with them.
        order = np.argsort(-mean, axis=1, kind="stable")[:, :most]
        np.put_along_axis(shows, order, True, axis=1)
    return shows


def _cut(explained: Explained, rows: int) -> Explained:
    """Without what the batch was filled up with."""
    mean, members, lifted_by = explained
    return Explained(mean[:rows], members[:, :rows], lifted_by[:rows])


def _long(
    found: Model, ids: list[str], explained: Explained, decision: np.ndarray, shows: np.ndarray
) -> "pa.Table":
    """A row for each entry that is shown, by example, within it by node order."""
    import pyarrow as pa

    example, node = np.nonzero(shows)
    nodes: Any = pa.array(found.ensemble.hierarchy.nodes, pa.string())
    by = explained.lifted_by[example, node]
    lifter = nodes.take(pa.array(np.where(by == node, 0, by), mask=by == node))
    columns: list[Any] = [
        pa.array(ids, pa.string()).take(pa.array(example)),
        nodes.take(pa.array(node)),
        pa.array(found.names, pa.string()).take(pa.array(node)),
        pa.array(found.ensemble.hierarchy.depth[node].astype(np.int32)),
        pa.array(explained.mean[example, node].astype(np.float32)),
        pa.array(decision[example, node]),
        pa.array(explained.uncertainty(example, node).astype(np.float32)),
        lifter,
    ]
    return pa.table(columns, schema=outputs.schema())


def _rows_about(table: Path) -> int:
    """How many rows there are, of text at most: an estimate for the progress bar."""
    if table.suffix.lower() in frames.PARQUET:
        from pyarrow import parquet

        return parquet.ParquetFile(table).metadata.num_rows
    if table.suffix.lower() not in frames.TEXT:
        return sum(block.table.num_rows for block in frames.blocks(table, frames.names(table)[:1]))
    with table.open("rb") as stream:
        pieces = iter(lambda: stream.read(1 << 22), b"")
        return max(1, sum(piece.count(b"\n") for piece in pieces) - 1)
