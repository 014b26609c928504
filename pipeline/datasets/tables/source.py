"""One's own tables as a data set."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.config.images import Images as ImageOptions
from pipeline.config.tables import Features as FeatureOptions
from pipeline.config.tables import TableFile, Tables
from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.tables import columns, frames, hierarchies, labels, offenders, pictures
from pipeline.datasets.tables import states as states_
from pipeline.datasets.tables.closure import Closure
from pipeline.datasets.tables.columns import Column, Plan
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.frames import refuse
from pipeline.datasets.tables.graph import Graph
from pipeline.datasets.tables.problems import AT_ONCE, Problems
from pipeline.datasets.tables.remembered import Last
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError, HierarchyError

if TYPE_CHECKING:
    import numpy as np

# Where relative paths begin, for who runs the pipeline elsewhere than in the workspace.
ROOT = "RARENODE_TABLES"
# What people call splits.
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("valid", "validation", "val", "dev"), "valid"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}


class OwnTables(Source):
    """The tables that `rarenode init` wrote into params.yaml.

    Args:
        name: of the data set.
        tables: what the files are.
        images: how images become pixels, where a column names files of them.
    """

    def __init__(self, name: str, tables: Tables, images: ImageOptions | None = None) -> None:
        self.name = name
        self._tables = tables
        self._images = images or ImageOptions()

    def files(self) -> tuple[RawFile, ...]:
        """A file for each role; one that has two of them is there once."""
        found: dict[str, RawFile] = {}
        for role, file in self._roles().items():
            name = role + Path(file.path).suffix.lower()
            found.setdefault(file.path, RawFile(name, file.path, file.sha256))
        return tuple(found.values())

    def origin(self) -> Path:
        """Paths are relative to the workspace, or absolute."""
        return Path(os.environ.get(ROOT, ""))

    def about(self) -> str:
        """Which table it is."""
        return f"Own tables: {Path(self._tables.features.path).name}"[:60]

    def flaw(self, path: Path) -> str | None:
        """A file of one's own may change."""
        return "it has changed. `rarenode run` takes it as it is now"

    def keep(self, folder: Path) -> None:
        """Nothing to do: they are where they came from."""

    def fetch(self, folder: Path, origin: str | Path | None = None) -> None:
        """See `Source`; of images the pixels are kept, not the files."""
        super().fetch(folder, origin)
        if self._tables.images is not None:
            table = folder / self.files()[0].name
            pictures.fetch(table, self._tables, self._images, self.origin(), folder)

    def read(self, folder: Path) -> RawDataset:
        """Read the copies in a folder; see `read_from`."""
        raw = self._read(folder)
        if self._tables.images is None:
            return raw
        assert self._tables.features.image is not None
        names = raw.attributes[self._tables.features.image].tolist()
        return replace(raw, images=pictures.read(folder, names))

    def _read(self, folder: Path) -> RawDataset:
        copies = {file.path: folder / file.name for file in self.files()}
        try:
            return self.read_from({role: copies[file.path] for role, file in self._roles().items()})
        except (DatasetError, HierarchyError) as error:
            # People look for what is wrong where they keep the file.
            text = str(error)
            for path, copy in copies.items():
                text = text.replace(str(copy), f"{path} ({copy})")
            kind = HierarchyError if isinstance(error, HierarchyError) else DatasetError
            raise kind(text) from None

    def read_from(self, paths: Mapping[str, Path], problems: Problems = AT_ONCE) -> RawDataset:
        """Read features, labels and hierarchy.

        Args:
            paths: of `features`, `labels` and, where there is a file of it, `hierarchy`.
            problems: take what is wrong; all of it is raised at the end.

        Raises:
            DatasetError, HierarchyError: a file is missing, malformed or at odds with another one;
                file, row or line, and value are named.
        """
        path, above, graph, found = paths["features"], self._tables.hierarchy, None, None
        examples = problems.tried(path, lambda: self.examples(path, problems))
        if above is not None:
            file = paths["hierarchy"]
            graph = problems.tried(file, lambda: hierarchies.read(file, above, problems))
        if examples is not None and (graph is None) == (above is None):
            path = paths["labels"]
            found = problems.tried(
                path, lambda: self._labelled(path, examples.ids, graph, problems)
            )
        problems.raise_if_any()
        assert examples is not None  # else there was a problem
        assert found is not None
        given, graph, missing, states = found
        roots = graph.nodes.keys() - {child for child, _ in graph.edges}
        files = {file.sha256: Path(file.path).name for file in self._roles().values()}
        return RawDataset(
            ids=examples.ids,
            groups=examples.groups,
            labels=given.labels,
            nodes=graph.nodes,
            edges=graph.edges,
            attributes=examples.frame,
            info={
                "source": f"own tables: {', '.join(files.values())}",
                "version": " ".join(sha256[:12] for sha256 in files),
                "notice": "",
                "notes": [*graph.notes, *given.notes, *missing, *states.notes],
            },
            # What lies above all nodes is true of every example that has any.
            unscored=frozenset(roots if len(roots) == 1 else ()),
            splits=examples.splits,
            moments=examples.moments,
            unknown=states.unknown,
        )

    def examples(self, path: Path, problems: Problems = AT_ONCE) -> "Examples":
        """Read the features, and what else their table says of the examples.

        Raises:
            DatasetError: see `read_from`.
        """
        options = self._tables.features
        frame, groups, splits, moments = None, None, None, None
        with problems.part() as mine:
            with mine.collecting(path):
                plan = self._plan(path, problems)
                frame = None if plan is None else columns.read(path, plan, mine)
            ids = self.ids(path, 0 if frame is None else len(frame), mine)
            if options.group is not None:
                groups = text(path, options.group, "a group", mine)
            with mine.collecting(path):
                splits = None if options.split is None else _splits(path, options.split, mine)
            with mine.collecting(path):
                moments = None if options.time is None else _moments(path, options.time, mine)
        if frame is None and options.id is None:
            problems.raise_if_any()  # nobody knows how many there are
        return Examples(frame, ids, groups or ids, splits, moments)

    def _plan(self, path: Path, problems: Problems) -> Plan | None:
        """None where no column is left but for those that something is wrong with."""
        try:
            return Plan.of(frames.names(path), self._tables.features, path)
        except DatasetError:
            if problems.concern(path):
                return None
            raise

    def _labelled(
        self, path: Path, ids: tuple[str, ...], graph: Graph | None, problems: Problems
    ) -> tuple[labels.Found, Graph, list[str], states_.States]:
        """Labels, their hierarchy, a note where they are not closed upward, and what is unknown."""
        options = self._tables.labels
        before = problems.count
        given = labels.read(path, options, ids, None if graph is None else graph.nodes, problems)
        if graph is None:
            graph = hierarchies.descend(
                (
                    (row, label)
                    for stated in (given.labels, given.negative, given.unknown)
                    for row, mine in enumerate(stated)
                    for label in mine
                ),
                self._tables.separator,
                path=path,
                place=lambda row: f"example {shown(ids[row])}",
                problems=problems,
            )
        # What is wrong with labels is perhaps why others lack something.
        refuse = options.closure == "refuse" and problems.count == before
        closure = Closure(graph.edges)
        missing = closure.missing(given.labels, ids, path, refuse=refuse, problems=problems)
        states = states_.resolve(given, graph, options, ids, path, problems)
        return given, graph, missing, states

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Columns as numbers: see `Encoder`."""
        from pipeline.datasets.tables.encoder import Encoder

        plan = _plan_of(raw.attributes.columns.tolist(), self._tables.features)
        encoder = Encoder.fit(raw.attributes, plan, fit_rows, max_features)
        return Features(encoder.transform(raw.attributes), encoder.names, encoder.files())

    def ids(self, path: Path, rows: int, problems: Problems = AT_ONCE) -> tuple[str, ...]:
        """Of the examples, each once; `problems` take others.

        Raises:
            DatasetError: one is missing or there again.
        """
        if self._tables.features.id is None:
            return tuple(str(number) for number in range(1, rows + 1))
        with problems.part() as mine:
            found = text(path, self._tables.features.id, "an id", mine)
            again: list[int] = []
            if len(set(found)) < len(found):
                seen: set[str] = set()
                for row, one in enumerate(found):
                    if one and one in seen:
                        again.append(row)
                    seen.add(one)
            mine.each(
                path,
                "each id once",
                again,
                lambda row: refuse(path, "each id once", f"{shown(found[row])} again", row + 1),
            )
        return found

    def _roles(self) -> dict[str, TableFile]:
        tables = self._tables
        roles: dict[str, TableFile] = {"features": tables.features, "labels": tables.labels}
        return roles | ({"hierarchy": tables.hierarchy} if tables.hierarchy is not None else {})


class Examples(NamedTuple):
    """What the table of the features says of each example; see `RawDataset`."""

    frame: Any
    ids: tuple[str, ...]
    groups: tuple[str, ...]
    splits: tuple[str, ...] | None
    moments: tuple[float, ...] | None


def text(path: Path, name: str, what: str, problems: Problems = AT_ONCE) -> tuple[str, ...]:
    """A column as text, whatever it is in the file; "" where `problems` took an empty cell.

    Raises:
        DatasetError: a row has none, be it empty, null or NaN.
    """
    try:
        return _text(path, name, what)
    except DatasetError:
        if problems is AT_ONCE:
            raise
    return _read_text(path, name, what, problems)


def _read_text(path: Path, name: str, what: str, problems: Problems = AT_ONCE) -> tuple[str, ...]:
    import pyarrow as pa

    pc = frames.compute()
    found: list[str] = []
    wanted = f"{what} in column {shown(name)}"
    for block in frames.blocks(path, [name]):
        values = block.table.column(name)
        texts = frames.as_text(values, name, path)
        if pa.types.is_floating(values.type):  # NaN would be a text like any other
            texts = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.string()), texts)
        cells = [cell.strip() for cell in pc.fill_null(texts, "").to_pylist()]
        if "" in cells:
            empty = [row for row, cell in enumerate(cells, start=block.first) if not cell]
            problems.each(
                path, wanted, empty, lambda row: refuse(path, wanted, "an empty cell", row)
            )
        found += cells
    return tuple(found)


# The ids are asked for several times.
_text = Last(_read_text, lambda texts: 100 * len(texts))


def _plan_of(made: Sequence[str], options: FeatureOptions) -> Plan:
    """The plan behind the columns of a frame."""
    dates = [Column(name, "date") for name in options.date]
    first = {date.made[0]: date.name for date in dates}
    further = {name for date in dates for name in date.made[1:]}
    names = [first.get(name, name) for name in made if name not in further]
    every = dict.fromkeys([*names, *options.special, *options.ignored])
    return Plan.of([*every], options, Path(options.path))


def _splits(path: Path, name: str, problems: Problems) -> tuple[str, ...]:
    before = problems.count
    found = text(path, name, "a split", problems)
    other = [row for row, value in enumerate(found) if value and value.casefold() not in SPLITS]
    wanted = f"train, valid or test in column {shown(name)}"
    problems.each(path, wanted, other, lambda row: refuse(path, wanted, shown(found[row]), row + 1))
    if problems.count > before:
        return ()
    splits = tuple(SPLITS[value.casefold()] for value in found)
    if absent := {"train", "test"} - set(splits):
        refuse(path, f"rows of both train and test in column {shown(name)}", f"no {min(absent)}")
    return splits


def _moments(path: Path, name: str, problems: Problems) -> tuple[float, ...]:
    """Days of dates, numbers as they are, exact enough that what differs stays apart.

    Raises:
        DatasetError: a row has none, or an infinite one, or one of another kind than the others.
    """
    import numpy as np

    blocks = [(block.first, block.table.column(name)) for block in frames.blocks(path, [name])]
    column = Column(name, columns.temporal(values for _, values in blocks))
    found: list[float] = []
    for start, values in blocks:
        before = problems.count
        moments = columns.moments(values, column, start, path, problems)
        if problems.count == before:  # else a value that is none looks like an empty cell
            wanted = f"a date or a finite number in column {shown(name)}"
            offenders.take(
                problems, path, wanted, ~np.isfinite(moments), partial(_moment, moments), start
            )
        found += moments.tolist()
    return tuple(found)


def _moment(moments: "np.ndarray", place: int) -> str:
    value = float(moments[place])
    return "an empty cell" if value != value else str(value)
