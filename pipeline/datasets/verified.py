"""Raw files, verified by sha256: fetched from a folder or a URL, all or none of them."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import quote

from pipeline.artifacts import files as artifacts
from pipeline.artifacts import paths
from pipeline.errors import DatasetError, TransientError, WorkspaceError

Origin = str | Path
State = Literal["absent", "incomplete", "damaged", "verified"]


class RawFile(NamedTuple):
    """A raw file of a data set.

    Attributes:
        name: its name in data/raw/<dataset>.
        path: where it is, relative to the origin: a folder or a URL; with `/`.
        sha256: of its content, in hex.
    """

    name: str
    path: str
    sha256: str


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Mismatch(DatasetError):
    """A file in a folder is not the expected one; `path` is where it lies."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path


def state(files: Sequence[RawFile], folder: Path) -> State:
    """What a folder has of these files; `damaged` if any of them is there and not right."""
    found = {_found(folder / file.name, file.sha256) for file in files}
    if found <= {"none"}:
        return "absent"
    if found == {None}:
        return "verified"
    return "incomplete" if found <= {None, "none"} else "damaged"


def wrong(files: Sequence[RawFile], folder: Path) -> dict[str, str]:
    """The names of the files that are not right in a folder, and what is wrong with each."""
    return {
        file.name: f"expected sha256 {file.sha256} of {folder / file.name}, found {found}"
        for file in files
        if (found := _found(folder / file.name, file.sha256)) is not None
    }


def fetch(
    files: Sequence[RawFile],
    origin: Origin | Callable[[], Origin],
    folder: Path,
    *,
    chosen: bool = False,
) -> None:
    """Bring `folder` to hold these files; if all are right already, touch nothing.

    What was downloaded once is kept by its sha256 and not asked for again; if anything fails, the
    next call goes on from there.

    Args:
        files: what is expected.
        origin: a folder, in which a file may lie at its path or directly, or an http(s) URL; or
            what returns it, called only if a file is missing.
        folder: where the files go. It stays as it was if anything fails.
        chosen: the user chose the origin. A folder is then asked for every file, and what comes
            from it is kept as downloads are.

    Raises:
        DatasetError: a file cannot be had or is not the expected one.
        WorkspaceError: the folder, or the one for downloads, cannot be written.
    """
    brought = False
    if chosen and not callable(origin) and not _is_url(origin):
        brought = True
        for file, place in _locate(files, Path(origin)).items():
            _check(place, file.sha256, place)
    asked = [file for file in files if _found(folder / file.name, file.sha256) is not None]
    if not asked:
        return keep(files, folder) if brought else None
    try:
        if folder.exists() and not folder.is_dir():
            raise WorkspaceError(f"expected a folder {folder}, found a file")
        sources: dict[RawFile, Path] = {}
        if not brought:
            sources = {f: _kept(f) for f in asked if _found(_kept(f), f.sha256) is None}
        if missing := [file for file in asked if file not in sources]:
            place = origin() if callable(origin) else origin
            if _is_url(place):
                sources |= _download(missing, str(place), folder)
            else:
                sources |= _locate(missing, Path(place))
        with _in_place_of(folder) as fresh:
            for file in files:
                source = sources.get(file, folder / file.name)
                _copy(source, fresh / file.name, file.sha256, folder)
    except OSError as error:
        raise WorkspaceError(
            f"expected a writable folder {folder}, found: {error.strerror or error}"
        ) from None
    if brought:
        keep(files, folder)


def keep(files: Sequence[RawFile], folder: Path) -> None:
    """Keep the files of `folder` that are right; the next `fetch` finds them whatever happens.

    Raises:
        WorkspaceError: the folder for downloads cannot be written.
    """
    for file in files:
        if _found(_kept(file), file.sha256) is None or _found(folder / file.name, file.sha256):
            continue
        try:
            with artifacts.whole_file(_kept(file)) as temporary:
                shutil.copyfile(folder / file.name, temporary)
        except OSError as error:
            raise WorkspaceError(
                f"expected a writable folder {paths.DOWNLOADS}, found: {error.strerror or error}"
            ) from None


def _kept(file: RawFile) -> Path:
    return paths.DOWNLOADS / file.sha256


def _found(path: Path, sha256: str) -> str | None:
    """None if a path has the expected file, else what it has: another sha256, or words."""
    try:
        if not path.is_file():
            return "no regular file" if path.exists() else "none"
        found = sha256_of(path)
        if found == sha256:
            return None
        return found if path.stat().st_size else "an empty file"
    except FileNotFoundError:
        return "none"
    except OSError as error:
        return f"a file that cannot be read: {error.strerror}"


def _is_url(origin: str | Path) -> bool:
    return isinstance(origin, str) and origin.lower().startswith(("http://", "https://"))


def _locate(files: Sequence[RawFile], origin: Path) -> dict[RawFile, Path]:
    """Where each file is in a folder; refuses unless all are somewhere."""
    origin = origin.absolute()
    if not os.path.isdir(origin):  # Path's own raises where we may not look
        found = "a file" if os.path.lexists(origin) else "none"
        raise DatasetError(
            f"expected a folder or an http(s) URL with the raw files, found {found} at {origin}"
        )
    located: dict[RawFile, Path] = {}
    for file in files:
        places = [origin / file.path, origin / Path(file.path).name, origin / file.name]
        # What is there but is no file is refused when it is copied.
        if there := [*filter(os.path.isfile, places), *filter(_is_there, places)]:
            located[file] = there[0]
    if missing := [file.path for file in files if file not in located]:
        hint = ""
        if any("/" in file.path for file in files):
            hint = ", each at this path or directly in the folder"
        found = "none of them" if len(missing) == len(files) > 1 else "none"
        raise DatasetError(
            f"expected {', '.join(missing)} in {origin}, found {found}. "
            f"The folder has to hold {', '.join(file.path for file in files)}{hint}."
        )
    return located


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass  # there, but not for us
    return True


def _copy(source: Path, target: Path, sha256: str, folder: Path) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise DatasetError(
            f"expected to copy {source} to {folder / target.name}, found: {error.strerror or error}"
        ) from None
    _check(target, sha256, source)


def _check(path: Path, sha256: str, source: Path) -> None:
    if (found := _found(path, sha256)) is not None:
        raise Mismatch(f"expected sha256 {sha256} of {source}, found {found}", source)


@contextlib.contextmanager
def _in_place_of(folder: Path) -> Iterator[Path]:
    """`whole_folder`, but what was there comes back if the new folder cannot take its place.

    `whole_folder` deletes the old one first, file by file, and may have to stop halfway.
    """
    folder = Path(os.path.realpath(folder))  # a link to another disk stays one
    old: Path | None = None
    try:
        with artifacts.whole_folder(folder) as fresh:
            yield fresh
            if folder.exists():
                old = fresh.with_name(f"{fresh.name}.old")
                folder.rename(old)
    except BaseException:
        if old is not None and old.exists() and not folder.exists():
            old.rename(folder)
        raise
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _download(files: Sequence[RawFile], origin: str, folder: Path) -> dict[RawFile, Path]:
    """Download each file into the folder for downloads, unless it is there already."""
    parts: dict[RawFile, Path] = {}
    for file in files:
        try:
            parts[file] = _download_one(file, f"{origin.rstrip('/')}/{quote(file.path)}")
        except DatasetError as error:
            kind = TransientError if isinstance(error, TransientError) else DatasetError
            raise kind(
                f"{error}. `rarenode data get {folder.name} --from DIR` takes the files from a "
                "folder."
            ) from None
    return parts


def _download_one(file: RawFile, url: str) -> Path:
    from pipeline.datasets import download  # httpx takes a moment, and a folder needs none of it

    part = _kept(file).with_suffix(".part")
    resumed = part.exists()
    download.complete(url, part, file.name)
    found = _found(part, file.sha256)
    if found is not None and resumed:  # what was there may have come from somewhere else
        part.unlink()
        download.complete(url, part, file.name)
        found = _found(part, file.sha256)
    if found is not None:
        part.unlink(missing_ok=True)
        raise DatasetError(f"expected sha256 {file.sha256} of {url}, found {found}")
    return part.replace(_kept(file))
