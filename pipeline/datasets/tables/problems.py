"""What is wrong with one's own files, all of it in one message."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pipeline.errors import ConfigError, DatasetError, HierarchyError, RarenodeError

_OF_A_SORT = 5  # problems of one sort that are named; of the others it is said how many there are
_NAMED = 40  # problems in all: who has more looks at the file

_KEPT = (ConfigError, DatasetError, HierarchyError)

_Place = TypeVar("_Place")
_Result = TypeVar("_Result")


@dataclass
class _Sort:
    """Problems that differ in their place and value alone."""

    path: Path | None
    errors: list[RarenodeError] = field(default_factory=list[RarenodeError])
    more: int = 0
    counted: bool = True


class Problems:
    """Problems while one goes on with what does not depend on them.

    Args:
        paths: files in the order in which people think of them; others come behind.
    """

    def __init__(self, paths: Sequence[Path] = ()) -> None:
        self._paths = paths
        self._sorts: dict[Hashable, _Sort] = {}
        self._named = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return self._named + sum(sort.more for sort in self._sorts.values())

    def concern(self, path: Path) -> bool:
        """Whether there is one in a file."""
        return any(sort.path == path for sort in self._sorts.values())

    @contextmanager
    def collecting(self, path: Path | None) -> Iterator[None]:
        """Keep what the block refuses, and go on behind it.

        Args:
            path: the file that is to blame; None for what is said of the files.
        """
        try:
            yield
        except Several as error:
            self._take(error.problems)
        except _KEPT as error:
            path = None if isinstance(error, ConfigError) else path
            kept = self._sorts.setdefault((path, str(error)), _Sort(path))
            if not kept.errors and self._named < _NAMED:
                self._name(kept, error)
            kept.more = 1 - len(kept.errors)

    def tried(self, path: Path, work: Callable[[], _Result]) -> _Result | None:
        """What `work` makes; None where it refuses to, which is kept."""
        with self.collecting(path):
            return work()
        return None

    def each(
        self,
        path: Path,
        sort: Hashable,
        places: Sequence[_Place],
        refuse: Callable[[_Place], object],
    ) -> None:
        """Keep what `refuse` raises for the first of several places, and how many more there are.

        Args:
            path: the file.
            sort: of all of them.
            places: where something is wrong.
            refuse: raises the error for one.
        """
        for number, place in enumerate(places):
            kept = self._sorts.setdefault((path, sort), _Sort(path))
            if len(kept.errors) >= _OF_A_SORT or self._named >= _NAMED:
                kept.more += len(places) - number
                return
            try:
                refuse(place)
            except _KEPT as error:
                self._name(kept, error)

    def uncounted(self, path: Path, sort: Hashable) -> None:
        """Say that there may be more of a sort than was looked for."""
        if (kept := self._sorts.get((path, sort))) is not None:
            kept.counted = False

    @contextmanager
    def part(self) -> Iterator["Problems"]:
        """For a part of the work that may be done twice: what is known already is not counted."""
        mine = Problems()
        try:
            yield mine
        finally:
            self._take(mine)

    def raise_if_any(self) -> None:
        """Raise what there is: one problem as it is, several as one message with a line for each.

        Raises:
            RarenodeError: there is one.
        """
        if not self._sorts:
            return
        if self.count == 1:
            (sort,) = self._sorts.values()
            raise sort.errors[0] from None
        raise Several(self)

    def described(self) -> Iterator[str]:
        """How many there are in which files, and a line for each, by file."""
        sorts = list(self._sorts.values())
        blamed = {sort.path for sort in sorts}
        many = len(blamed - {None})
        where = [f"{many} file{'s' if many > 1 else ''}"] if many else []
        where += ["what you say of them"] if None in blamed else []
        least = "" if all(sort.counted for sort in sorts) else "at least "
        yield f"{least}{self.count:,} problems in {' and '.join(where)}:"
        paths = list(dict.fromkeys([*self._paths, *(sort.path for sort in sorts)]))
        for sort in sorted(sorts, key=lambda sort: paths.index(sort.path)):
            for error in sort.errors:
                yield from f"  {error}".split("\n")
            if sort.more and sort.errors:
                least = "" if sort.counted else "at least "
                yield f"  … and {least}{sort.more:,} more of this kind"
        if unnamed := sum(sort.more for sort in sorts if not sort.errors):
            yield f"  … and {unnamed:,} more"

    def _take(self, part: "Problems") -> None:
        for key, sort in part._sorts.items():
            if key not in self._sorts:
                self._sorts[key] = sort
                self._named += len(sort.errors)

    def _name(self, sort: _Sort, error: RarenodeError) -> None:
        sort.errors.append(_alone(error))
        self._named += 1


class _AtOnce(Problems):
    """Nobody goes on: the first problem is raised where it is found."""

    @contextmanager
    def collecting(self, path: Path | None) -> Iterator[None]:
        yield

    def each(
        self,
        path: Path,
        sort: Hashable,
        places: Sequence[_Place],
        refuse: Callable[[_Place], object],
    ) -> None:
        for place in places:
            refuse(place)

    @contextmanager
    def part(self) -> Iterator[Problems]:
        yield self


AT_ONCE: Problems = _AtOnce()


def _alone(error: RarenodeError) -> RarenodeError:
    """Without the frames that it came through: else what is open there stays open."""
    error.__traceback__ = error.__context__ = None
    return error


class Several(DatasetError):
    """More than one problem.

    Attributes:
        problems: which ones.
    """

    def __init__(self, problems: Problems) -> None:
        super().__init__("\n".join(problems.described()))
        self.problems = problems
