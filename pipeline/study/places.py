"""Where a study is kept: in a file of this machine (SQLite, a journal), or in PostgreSQL.

A place is named by a URL that never holds a password: libpq takes that from PGPASSWORD or
~/.pgpass, so that it stands in no message, no process list and no file of ours.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from pipeline.artifacts import paths
from pipeline.errors import ArtifactError, ConfigError, WorkspaceError, absent
from pipeline.stages import journals

VARIABLE = "RARENODE_STORAGE"  # a URL, so that none has to stand in the shell's history
HEARTBEAT = 10  # seconds between two signs of life of a trial in PostgreSQL
GRACE = 60  # seconds without one, after which its worker is taken for dead
_POSTGRESQL = "postgresql+psycopg"
_KINDS = ("sqlite", "journal", "postgresql")
_SECRET = ("password", "passwd", "secret")  # of a parameter of libpq's, as in `sslpassword`


@dataclass(frozen=True)
class Place:
    """A place of studies.

    Attributes:
        url: `sqlite:///FILE`, `journal:///FILE` or `postgresql+psycopg://USER@HOST:PORT/DATABASE`.
    """

    url: str

    @property
    def file(self) -> Path | None:
        """Where the study is a file."""
        scheme, _, path = self.url.partition(":///")
        return Path(path) if scheme in ("sqlite", "journal") else None

    def storage(self, *, heartbeat: int = HEARTBEAT, grace: int = GRACE) -> BaseStorage:
        """Open the place, and make it if it is not there.

        Raises:
            ConfigError: there is no such database, or nothing that speaks with one.
            ArtifactError: the file is damaged, or another Optuna's.
            WorkspaceError: its folder cannot be written.
        """
        if self.file is not None:
            return self._of_file(self.file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ExperimentalWarning)  # the heartbeat
                return RDBStorage(
                    self.url,
                    # One that went away is noticed when it is asked for, not by its trial.
                    {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}},
                    heartbeat_interval=heartbeat,
                    grace_period=grace,
                )
        except ImportError:
            message = absent("psycopg", "which talks to PostgreSQL", "teams")
            raise ConfigError(f"--storage: {message}") from None
        except OperationalError as error:
            raise ConfigError(
                f"--storage: expected a PostgreSQL database at {self.url}, found: {reason(error)}"
            ) from None
        except (SQLAlchemyError, RuntimeError, ValueError) as error:
            raise ArtifactError(
                f"--storage: expected a database for studies alone at {self.url}, with tables of "
                f"this Optuna or with none, found: {reason(error)}"
            ) from None

    def _of_file(self, file: Path) -> BaseStorage:
        try:
            if self.url.startswith("journal"):
                return journals.opened(file)
            file.parent.mkdir(parents=True, exist_ok=True)
            # Workers wait for each other's writing.
            return RDBStorage(self.url, {"connect_args": {"timeout": 60}})
        except OSError as error:
            raise WorkspaceError(f"expected a writable file {file}, found: {error}") from None
        except OperationalError as error:
            raise WorkspaceError(
                f"expected a writable file {file}, found: {reason(error)}"
            ) from None
        except (
            SQLAlchemyError,
            RuntimeError,
            ValueError,
            LookupError,
            TypeError,
            AssertionError,
        ) as e:
            raise ArtifactError(
                f"expected a study of this Optuna in {file}, found: {reason(e)}. "
                "Move the file away to begin again."
            ) from None

    @contextmanager
    def claiming(self, storage: BaseStorage) -> Iterator[None]:
        """Let one worker at a time choose its trial: SQLite would give two of them the same."""
        if self.file is not None:
            with FileLock(f"{self.file}.claim.lock"):
                yield
            return
        with _engine(storage).begin() as connection:  # until its end, or that of this process
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("claim")})
            yield

    @contextmanager
    def leading(self, storage: BaseStorage, name: str) -> Iterator[Callable[[], None]]:
        """Be the one that hands out the trials of a study; over when the process ends, however.

        Yields:
            to be called now and then: raises a WorkspaceError if the database has ended the
            session that leads, after which another command may.

        Raises:
            WorkspaceError: somebody else is.
        """
        refusal = WorkspaceError(
            f"expected no other command that leads the study {name}, found one. "
            "--join adds workers to it"
        )
        if self.file is not None:
            try:  # longer than somebody needs for `led`
                held = FileLock(self._lead_lock).acquire(timeout=0.5)
            except Timeout:
                raise refusal from None
            with held:
                yield lambda: None
            return
        engine = _engine(storage).execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            key = {"key": _key(f"lead {name}")}
            if not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
                raise refusal

            def look() -> None:
                try:
                    connection.execute(text("SELECT 1"))
                except SQLAlchemyError as error:
                    raise WorkspaceError(
                        f"expected to lead the study {name} to its end, found that {self.url} has "
                        f"ended the session that does: {reason(error)}. "
                        "The same command goes on where it stopped."
                    ) from None

            try:
                yield look
            finally:
                connection.invalidate()  # with its session goes the lock, and nothing is asked

    def led(self, storage: BaseStorage, name: str) -> bool:
        """Whether some process leads a study."""
        if self.file is not None:
            try:
                FileLock(self._lead_lock).acquire(timeout=0).lock.release()
            except Timeout:
                return True
            return False
        held = text(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
            "AND granted AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND ((classid::bigint << 32) | objid::bigint) = :key"
        )
        with _engine(storage).connect() as connection:
            return bool(connection.execute(held, {"key": _key(f"lead {name}")}).scalar())

    @property
    def _lead_lock(self) -> str:
        return f"{self.file}.lead.lock"

    def dashboard(self) -> list[str]:
        """What optuna-dashboard is given."""
        if self.url.startswith("journal"):
            return [str(self.file), "--storage-class", "JournalFileStorage"]
        return [self.url]


def place(asked: str | None, name: str) -> Place:
    """What `--storage` means.

    Args:
        asked: sqlite, journal, postgresql or a URL; None: what the environment says, else sqlite.
        name: of the study, which is that of the file.

    Raises:
        ConfigError: it is none of these.
    """
    told = os.environ.get(VARIABLE, "").strip()
    asked = asked or told or "sqlite"
    if asked == "postgresql":
        asked = told if told.startswith("postgres") else f"{_POSTGRESQL}://"  # libpq's variables
    if asked in ("sqlite", "journal"):
        suffix = {"sqlite": "db", "journal": "journal"}[asked]
        return Place(f"{asked}:///{paths.STATE / 'studies' / f'{name}.{suffix}'}")
    scheme, separator, rest = asked.partition("://")
    if separator and scheme in ("sqlite", "journal") and rest.strip("/"):
        return Place(f"{scheme}:///{rest.removeprefix('/')}")
    if separator and scheme in ("postgres", "postgresql", _POSTGRESQL):
        return Place(_without_password(f"{_POSTGRESQL}://{rest}"))
    raise ConfigError(  # what was found is not shown: it may hold a password, anywhere
        f"--storage: expected {', '.join(_KINDS)} or postgresql://USER@HOST/DATABASE, found "
        "something else"
    )


def reason(error: BaseException) -> str:
    """What a library says, without the statement and the links that it adds."""
    said = str(getattr(error, "orig", None) or error).strip()
    return " ".join(said.split())[:300] or type(error).__name__


def _without_password(url: str) -> str:
    expected = "--storage: expected postgresql://USER@HOST:PORT/DATABASE, found"
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigError(f"{expected} a URL that is none") from None
    if url.count("@") != (found.username is not None):  # what is behind it may be of a password
        raise ConfigError(f"{expected} an @ where none can be: one of a password is %40 in a URL")
    query = dict(found.query)
    password = query.pop("password", None) or found.password
    secret = [key for key in query if any(word in key.lower() for word in _SECRET)]
    if secret or not isinstance(password, str | None):
        raise ConfigError(
            f"{expected} {', '.join(secret) or 'two passwords'} in it: --storage takes the "
            "database's one password alone, libpq's files take others"
        )
    if password is not None:
        os.environ["PGPASSWORD"] = password  # for this command and its workers
    bare = found._replace(password=None, query=query)  # pyright: ignore[reportArgumentType]
    return bare.render_as_string(hide_password=False)


def _engine(storage: BaseStorage) -> Any:
    assert isinstance(storage, RDBStorage)
    return storage.engine


def _key(what: str) -> int:
    """PostgreSQL names a lock by a number."""
    digest = hashlib.sha256(f"rarenode {what}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
