"""The benchmarks of hierarchical multi-label classification: yeast genes, e-mails and images.

An example is a gene, an e-mail or an image; a node is a gene function (FunCat, a forest; Gene
Ontology, a DAG) or a category. The files are those that the literature trains and tests on, splits
included.
"""

import hashlib
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets import arff, hmc_files
from pipeline.datasets.arff import ArffFile
from pipeline.datasets.source import Features, RawDataset, Source
from pipeline.datasets.verified import RawFile
from pipeline.errors import DatasetError

if TYPE_CHECKING:  # imported where they compute: the command line asks for names only
    import numpy as np
    import pandas as pd

ROOT = "root"
NAMESPACES = ("GO0003674", "GO0005575", "GO0008150")  # function, component, process
NOTICE = (
    "Benchmark data of the DTAI group, KU Leuven, as published in {repository} at commit {commit}. "
    "No licence is stated. {reference}"
)
NOTES = (
    "Training and test examples are those of the publication.",
    "A missing nominal value is none of the declared values: all of its columns are 0.",
)
GO_NOTES = (
    "An absent annotation is 'not known' rather than 'no'.",
    "The root and the three namespaces are true of (nearly) every gene and are not scored.",
)


class HmcBenchmark(Source):
    """One benchmark; its name is the literature's, `cellcycle_FUN` for example."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._edges = name.endswith("_GO")  # else entries of the hierarchy are paths

    def files(self) -> tuple[RawFile, ...]:
        """The split files."""
        return tuple(hmc_files.files(self.name).values())

    def origin(self) -> str:
        """The public repository, at its pinned commit."""
        return hmc_files.ORIGIN

    def about(self) -> str:
        """What the examples and the nodes are."""
        return hmc_files.ABOUT[self.name].title

    def unavailable(self) -> str | None:
        """Two of the benchmarks were published without their training file."""
        if "train" in hmc_files.files(self.name):
            return None
        return f"{self.name} was published without its training file"

    def flaw(self, path: Path) -> str | None:
        """The file and line where it stops making sense."""
        try:
            file = arff.read(path)
            _check_labels(file, self._hierarchy(file)[0])
        except DatasetError as error:
            return str(error)
        return None

    def read(self, folder: Path) -> RawDataset:
        """Read all splits.

        Raises:
            DatasetError: a file is missing or malformed (file and line are named), the files do not
                fit together, or a file is not the published one.
        """
        if (reason := self.unavailable()) is not None:
            raise DatasetError(reason)
        wanted = hmc_files.files(self.name)
        read = {split: arff.read(folder / file.name) for split, file in wanted.items()}
        first, *others = read.values()
        nodes, edges = self._hierarchy(first)  # before it is what others are compared with
        for other in others:
            _check_same_header(first, other)
        for file in read.values():
            _check_labels(file, nodes)
        for split, file in wanted.items():  # last, because the messages above say where
            if (found := read[split].sha256) != file.sha256:
                raise DatasetError(
                    f"expected the published {split} file (sha256 {file.sha256}) in "
                    f"{folder / file.name}, found sha256 {found}. `rarenode data get {self.name}` "
                    "replaces it"
                )

        attributes = _table(list(read.values()))
        splits = tuple(split for split, file in read.items() for _ in file.labels)
        digests = _digests(attributes)
        known = {d for d, s in zip(digests, splits, strict=True) if s != "test"}
        repeated = sum(d in known for d, s in zip(digests, splits, strict=True) if s == "test")
        about = hmc_files.ABOUT[self.name]
        return RawDataset(
            ids=tuple(f"{s}-{row}" for s, f in read.items() for row in range(1, len(f.labels) + 1)),
            # Equal rows of one file belong together. Across files the publication has its way.
            groups=tuple(f"{s}-{d}" for s, d in zip(splits, digests, strict=True)),
            labels=tuple(labels for file in read.values() for labels in file.labels),
            nodes={node: node for node in nodes},
            edges=edges,
            attributes=attributes,
            info={
                "source": about.title,
                "version": f"HMC_data at commit {hmc_files.COMMIT[:7]}",
                "notice": NOTICE.format(
                    repository=hmc_files.REPOSITORY,
                    commit=hmc_files.COMMIT[:7],
                    reference=about.reference,
                ),
                "notes": [
                    *NOTES,
                    *(GO_NOTES if self._edges else ()),
                    f"{repeated} of {splits.count('test')} test examples have the very features of "
                    "a training or validation example.",
                ],
            },
            unscored=frozenset({ROOT, *NAMESPACES}) if self._edges else frozenset(),
            splits=splits,
        )

    def features(self, raw: RawDataset, fit_rows: "np.ndarray", max_features: int) -> Features:
        """Numeric attributes as they are, nominal ones as 0 and 1 per declared value.

        Features that say nothing (constant or missing in all of `fit_rows`) are left out. There is
        no choice of features, so `max_features` is not asked.
        """
        import numpy as np
        import pandas as pd

        blocks: list[np.ndarray] = []
        names: list[str] = []
        for name, column in raw.attributes.items():
            if isinstance(column.dtype, pd.CategoricalDtype):
                codes = column.cat.codes.to_numpy()
                blocks += [codes == code for code in range(len(column.cat.categories))]
                names += [f"{name}={value}" for value in column.cat.categories]
            else:
                blocks.append(column.to_numpy())
                names.append(str(name))
        values = np.stack(blocks, axis=1).astype(np.float32)
        fitted = values[fit_rows]
        low = np.fmin.reduce(fitted, axis=0, initial=np.inf)
        high = np.fmax.reduce(fitted, axis=0, initial=-np.inf)
        kept = np.flatnonzero(low < high)
        return Features(
            np.ascontiguousarray(values[:, kept]), tuple(names[column] for column in kept)
        )

    def _hierarchy(self, file: ArffFile) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
        """Nodes and (child, parent) edges, each once, in the order of their first appearance."""
        entries = tuple(dict.fromkeys(file.hierarchy))
        if not self._edges:
            known = set(entries)
            edges = [(path, path.rpartition("/")[0]) for path in entries if "/" in path]
            if orphan := next((edge for edge in edges if edge[1] not in known), None):
                wanted = f"the parent {orphan[1]!r} of {orphan[0]!r} in the hierarchy"
                file.refuse(file.class_line, wanted, "none")
            return entries, tuple(edges)
        pairs = [tuple(entry.split("/")) for entry in entries]
        if wrong := next((p for p in pairs if len(p) != 2 or not all(p)), None):
            file.refuse(file.class_line, "edges parent/child", repr("/".join(wrong)))
        edges = tuple((child, parent) for parent, child in pairs)
        nodes = tuple(dict.fromkeys(node for edge in pairs for node in edge))
        order: TopologicalSorter[str] = TopologicalSorter()
        for child, parent in edges:
            order.add(child, parent)
        try:
            order.prepare()
        except CycleError as error:
            cycle = " -> ".join(error.args[1])
            file.refuse(file.class_line, "a hierarchy without cycles", cycle)
        return nodes, edges


def _check_same_header(first: ArffFile, other: ArffFile) -> None:
    def columns(file: ArffFile) -> list[str]:
        kinds = ((a.name, "numeric" if a.values is None else "nominal") for a in file.attributes)
        return [f"{name!r} ({kind})" for name, kind in kinds]

    for wanted, found in zip_longest(columns(first), columns(other), fillvalue="no attribute"):
        if wanted != found:
            other.refuse(
                other.class_line,
                f"the attributes of {first.path}",
                f"{found} where {wanted} should be",
            )
    if difference := set(first.hierarchy) ^ set(other.hierarchy):
        wanted = f"the hierarchy of {first.path}"
        other.refuse(other.class_line, wanted, f"a difference in {sorted(difference)[:3]}")


def _check_labels(file: ArffFile, nodes: Iterable[str]) -> None:
    known = set(nodes)
    for line, labels in zip(file.lines, file.labels, strict=True):
        if not known.issuperset(labels):
            unknown = [repr(label[:40]) for label in labels if label not in known]
            file.refuse(line, "labels of the hierarchy", ", ".join(unknown[:5]))


def _table(files: list[ArffFile]) -> "pd.DataFrame":
    """One column per attribute: float32, or categorical with the values that any file declares."""
    import numpy as np
    import pandas as pd

    columns: dict[str, np.ndarray | pd.Categorical] = {}
    for position, attribute in enumerate(files[0].attributes):
        name = attribute.name
        while name in columns:
            name = f"{name} ({position})"
        values = [value for file in files for value in file.columns[position]]
        if attribute.values is None:
            columns[name] = np.array(values, dtype=np.float32)
        else:
            declared = (value for file in files for value in file.attributes[position].values or ())
            columns[name] = pd.Categorical(values, categories=[*dict.fromkeys(declared)])
    return pd.DataFrame(columns)


def _digests(attributes: "pd.DataFrame") -> list[str]:
    """A short digest of each row's features: equal rows have equal ones."""
    import numpy as np

    nominal = attributes.select_dtypes("category")
    numbers = attributes.drop(columns=nominal.columns).to_numpy(dtype="<f4")
    numbers = np.where(np.isnan(numbers), np.float32(np.nan), numbers + 0)  # one NaN, no -0
    codes = nominal.apply(lambda column: column.cat.codes).to_numpy(dtype="<i2")
    return [
        hashlib.sha256(number.tobytes() + code.tobytes()).hexdigest()[:16]
        for number, code in zip(numbers, codes, strict=True)
    ]
