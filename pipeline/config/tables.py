"""The section `tables` of params.yaml: one's own data, as `rarenode init` understood it.

Paths are relative to the workspace, or absolute. Files are known by their sha256: what a run read
can be told afterwards, and a file that has changed is not read in silence.
"""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.config.section import Section

Name = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Separator = Annotated[str, Field(min_length=1, max_length=1)]
Format = Literal["edges", "paths", "nested", "obo"]
Layout = Literal["long", "delimited", "one_hot"]


class TableFile(Section):
    """A file of one's own."""

    path: Name
    sha256: Sha256


class Features(TableFile):
    """One row per example; each column is named below, for one purpose."""

    id: Name | None = None  # the column of the examples' ids; None numbers the rows from 1
    group: Name | None = None  # what has the same value here never lands in two splits
    split: Name | None = None  # train, valid or test
    time: Name | None = None  # a date or number that grows, for prepare.split_by: time
    numeric: list[Name] | None = None  # None is all that are not named for another purpose
    categorical: list[Name] = []
    boolean: list[Name] = []
    date: list[Name] = []
    text: list[Name] = []
    image: Name | None = None  # the column of the files' names in the folder `tables.images`
    ignored: list[Name] = []  # no feature

    @property
    def special(self) -> list[str]:
        """Columns that say something of an example and are no features."""
        columns = (self.id, self.group, self.split, self.time)
        return [name for name in columns if name is not None]

    @model_validator(mode="after")
    def _name_each_once(self) -> "Features":
        lists = (self.categorical, self.boolean, self.date, self.text, self.ignored)
        lists = (*lists, self.numeric or [])
        named = [name for names in lists for name in names]
        named += self.special
        if self.image is not None and self.image != self.id:  # names of files tell examples apart
            named.append(self.image)
        if twice := sorted(name for name, number in Counter(named).items() if number > 1):
            raise ValueError(f"a column must be named for one purpose, found {twice[:5]} again")
        return self


class Labels(TableFile):
    """Which nodes an example has.

    `long`: a row for each example and node. `delimited`: a row for each example, its nodes in one
    column. `one_hot`: a row for each example, a column of zeros and ones for each node.
    """

    layout: Layout
    id: Name | None = None  # the column of the examples' ids; None: the rows of the features
    node: Name | None = None  # the column of the nodes, of `long` and `delimited`
    delimiter: Separator = ";"  # between the nodes of `delimited`
    state: Name | None = None  # of `long`: the column with positive, negative or unknown
    negative: Name | None = None  # of `delimited`: further columns, of nodes that an example is
    unknown: Name | None = None  # known not to have, and of those that nobody knows of
    # What it means that nothing is said of a node. With `unknown`, only what is stated is negative:
    # by `state` or `negative`, or by the zeros of `one_hot`.
    absent: Literal["negative", "unknown"] = "negative"
    # Where an example has a node without one above it: the labels are closed upward, and counted;
    # or refused, where they are supposed to be closed.
    closure: Literal["close", "refuse"] = "close"

    @model_validator(mode="after")
    def _have_what_the_layout_needs(self) -> "Labels":
        if self.layout == "long" and self.id is None:
            raise ValueError("layout 'long' needs `id`, the column of the examples, found none")
        if self.layout != "one_hot" and self.node is None:
            raise ValueError(f"layout {self.layout!r} needs `node`, the column, found none")
        for name, layout in (
            ("state", "long"),
            ("negative", "delimited"),
            ("unknown", "delimited"),
        ):
            if getattr(self, name) is not None and self.layout != layout:
                raise ValueError(f"`{name}` belongs to layout {layout!r}, found {self.layout!r}")
        states = self.layout == "one_hot" or self.state or self.negative
        if self.absent == "unknown" and not states:
            needed = {"long": "`state`", "delimited": "`negative`"}[self.layout]
            raise ValueError(f"absent 'unknown' needs {needed}, a column of negatives, found none")
        columns = [self.id, self.node, self.state, self.negative, self.unknown]
        named = [name for name in columns if name is not None]
        if twice := sorted(name for name, number in Counter(named).items() if number > 1):
            raise ValueError(f"a column must be named for one purpose, found {twice} again")
        return self


class HierarchyFile(TableFile):
    """Which nodes there are, and which lies below which.

    `edges`: a table with a row for each edge. `paths`: a text file or table of paths such as
    a/b/c, whose prefixes are the nodes. `nested`: JSON or YAML, objects within objects. `obo`: an
    ontology.
    """

    format: Format
    child: Name | None = None  # columns of `edges`
    parent: Name | None = None
    name: Name | None = None  # of the child, for people
    column: Name | None = None  # of `paths` in a table; None: a path in each line
    separator: Separator = "/"  # of `paths`
    relations: list[Name] = ["is_a"]  # of `obo` that are edges

    @model_validator(mode="after")
    def _have_what_the_format_needs(self) -> "HierarchyFile":
        if self.format == "edges" and (self.child is None or self.parent is None):
            raise ValueError("format 'edges' needs the columns `child` and `parent`, found none")
        return self


class ImageFolder(Section):
    """The folder that names of images are relative to.

    Its sha256 is that of all names and the sha256 of their files (`pipeline.images`).
    """

    path: Name
    sha256: Sha256


class Tables(Section):
    """One's own data. Without a hierarchy, labels are paths such as a/b/c and make it."""

    name: Name  # that `dataset` calls it by
    features: Features
    labels: Labels
    hierarchy: HierarchyFile | None = None
    images: ImageFolder | None = None
    separator: Separator = "/"  # of labels that are paths

    @model_validator(mode="after")
    def _know_where_images_are(self) -> "Tables":
        if (self.images is None) != (self.features.image is None):
            there, missing = "images", "features.image"
            if self.images is None:
                there, missing = missing, there
            raise ValueError(f"`{there}` needs `{missing}`, found none")
        return self
