"""One's own tables as a data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.config.tables import Features as FeatureOptions
from pipeline.config.tables import TableFile, Tables
from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.tables import columns, frames, hierarchies, labels
from pipeline.datasets.tables import states as states_
from pipeline.datasets.tables.closure import Closure
from pipeline.datasets.tables.columns import Column, Plan
from pipeline.datasets.tables.files import shown
from pipeline.datasets.tables.frames import refuse
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError, HierarchyError

if TYPE_CHECKING:
    import numpy as np

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
    """

    def __init__(self, name: str, tables: Tables) -> None:
        self.name = name
        self._tables = tables

    def files(self) -> tuple[RawFile, ...]:
        """A file for each role; one that has two of them is there once."""
        found: dict[str, RawFile] = {}
        for role, file in self._roles().items():
            name = role + Path(file.path).suffix.lower()
            found.setdefault(file.path, RawFile(name, file.path, file.sha256))
        return tuple(found.values())

    def origin(self) -> Path:
        """Paths are relative to the workspace, or absolute."""
        return Path()

    def about(self) -> str:
        """Which table it is."""
        return f"Own tables: {Path(self._tables.features.path).name}"[:60]

    def flaw(self, path: Path) -> str | None:
        """A file of one's own may change."""
        return "it has changed. `rarenode run` takes it as it is now"

    def keep(self, folder: Path) -> None:
        """Nothing to do: they are where they came from."""

    def read(self, folder: Path) -> RawDataset:
        """Read the copies in a folder; see `read_from`."""
        copies = {file.path: folder / file.name for file in self.files()}
        try:
            return self.read_from({role: copies[file.path] for role, file in self._roles().items()})
        except (DatasetError, HierarchyError) as error:
            # People look for what is wrong where they keep the file.
            text = str(error)
            for path, copy in copies.items():
                text = text.replace(str(copy), f"{path} ({copy})")
            raise type(error)(text) from None

    def read_from(self, paths: Mapping[str, Path]) -> RawDataset:
        """Read features, labels and hierarchy.

        Args:
            paths: of `features`, `labels` and, where there is a file of it, `hierarchy`.

        Raises:
            DatasetError, HierarchyError: a file is missing, malformed or at odds with another one;
                file, row or line, and value are named.
        """
        options = self._tables.features
        path = paths["features"]
        frame = columns.read(path, Plan.of(frames.names(path), options, path))
        ids = self.ids(path, len(frame))
        graph = None
        if self._tables.hierarchy is not None:
            graph = hierarchies.read(paths["hierarchy"], self._tables.hierarchy)
        nodes = None if graph is None else graph.nodes
        given = labels.read(paths["labels"], self._tables.labels, ids, nodes)
        if graph is None:
            graph = hierarchies.descend(
                (
                    (row, label)
                    for stated in (given.labels, given.negative, given.unknown)
                    for row, mine in enumerate(stated)
                    for label in mine
                ),
                self._tables.separator,
                path=paths["labels"],
                place=lambda row: f"example {shown(ids[row])}",
            )
        roots = graph.nodes.keys() - {child for child, _ in graph.edges}
        missing = Closure(graph.edges).missing(
            given.labels, ids, paths["labels"], refuse=self._tables.labels.closure == "refuse"
        )
        states = states_.resolve(given, graph, self._tables.labels, ids, paths["labels"])
        files = {file.sha256: Path(file.path).name for file in self._roles().values()}
        return RawDataset(
            ids=ids,
            groups=ids if options.group is None else text(path, options.group, "a group"),
            labels=given.labels,
            nodes=graph.nodes,
            edges=graph.edges,
            attributes=frame,
            info={
                "source": f"own tables: {', '.join(files.values())}",
                "version": " ".join(sha256[:12] for sha256 in files),
                "notice": "",
                "notes": [*graph.notes, *given.notes, *missing, *states.notes],
            },
            # What lies above all nodes is true of every example that has any.
            unscored=frozenset(roots if len(roots) == 1 else ()),
            splits=None if options.split is None else _splits(path, options.split),
            moments=None if options.time is None else _moments(path, options.time),
            unknown=states.unknown,
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Columns as numbers: see `Encoder`."""
        from pipeline.datasets.tables.encoder import Encoder

        plan = _plan_of(raw.attributes.columns.tolist(), self._tables.features)
        encoder = Encoder.fit(raw.attributes, plan, fit_rows, max_features)
        return Features(encoder.transform(raw.attributes), encoder.names, encoder.files())

    def ids(self, path: Path, rows: int) -> tuple[str, ...]:
        """Of the examples, each once.

        Raises:
            DatasetError: one is missing or there again.
        """
        if self._tables.features.id is None:
            return tuple(str(number) for number in range(1, rows + 1))
        found = text(path, self._tables.features.id, "an id")
        first: dict[str, int] = {}
        for row, one in enumerate(found, start=1):
            if first.setdefault(one, row) != row:
                refuse(path, "each id once", f"{shown(one)} again", row)
        return found

    def _roles(self) -> dict[str, TableFile]:
        tables = self._tables
        roles: dict[str, TableFile] = {"features": tables.features, "labels": tables.labels}
        return roles | ({"hierarchy": tables.hierarchy} if tables.hierarchy is not None else {})


def text(path: Path, name: str, what: str) -> tuple[str, ...]:
    """A column as text, whatever it is in the file.

    Raises:
        DatasetError: a row has none, be it empty, null or NaN.
    """
    import pyarrow as pa

    pc = frames.compute()
    found: list[str] = []
    for block in frames.blocks(path, [name]):
        values = block.table.column(name)
        texts = frames.as_text(values, name, path)
        if pa.types.is_floating(values.type):  # NaN would be a text like any other
            texts = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.string()), texts)
        for row, value in enumerate(texts.to_pylist(), start=block.first):
            if value is None or not value.strip():
                refuse(path, f"{what} in column {shown(name)}", "an empty cell", row)
            found.append(value.strip())
    return tuple(found)


def _plan_of(made: Sequence[str], options: FeatureOptions) -> Plan:
    """The plan behind the columns of a frame."""
    dates = [Column(name, "date") for name in options.date]
    first = {date.made[0]: date.name for date in dates}
    further = {name for date in dates for name in date.made[1:]}
    names = [first.get(name, name) for name in made if name not in further]
    return Plan.of([*names, *options.special, *options.ignored], options, Path(options.path))


def _splits(path: Path, name: str) -> tuple[str, ...]:
    found = text(path, name, "a split")
    for row, value in enumerate(found, start=1):
        if value.casefold() not in SPLITS:
            wanted = f"train, valid or test in column {shown(name)}"
            refuse(path, wanted, shown(value), row)
    splits = tuple(SPLITS[value.casefold()] for value in found)
    if absent := {"train", "test"} - set(splits):
        refuse(path, f"rows of both train and test in column {shown(name)}", f"no {min(absent)}")
    return splits


def _moments(path: Path, name: str) -> tuple[float, ...]:
    """Days of dates, numbers as they are, exact enough that what differs stays apart.

    Raises:
        DatasetError: a row has none, or an infinite one, or one of another kind than the others.
    """
    import numpy as np

    blocks = [(block.first, block.table.column(name)) for block in frames.blocks(path, [name])]
    column = Column(name, columns.temporal(values for _, values in blocks))
    found: list[float] = []
    for start, values in blocks:
        moments = columns.moments(values, column, start, path)
        unknown = np.flatnonzero(~np.isfinite(moments))
        if len(unknown):
            place = unknown[0]
            what = "an empty cell" if np.isnan(moments[place]) else str(moments[place])
            wanted = f"a date or a finite number in column {shown(name)}"
            refuse(path, wanted, what, start + int(place))
        found += moments.tolist()
    return tuple(found)
