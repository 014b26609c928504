"""Reaching a Dask scheduler, and noticing that there is nobody left to work."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from pipeline.cluster import fingerprint
from pipeline.errors import ConfigError, WorkspaceError, absent

VARIABLE = "RARENODE_CLUSTER"  # the scheduler's address, for the stages of a run
REACH = 10.0  # seconds to reach the scheduler
PATIENCE = 60.0  # seconds to wait for a worker where there is none
NO_DASK = absent("prefect-dask", "which --cluster needs", "teams")
_PAUSE = 2.0  # seconds between two looks
_STOPPED = "the run was stopped"


def check_address(address: str) -> None:
    """Refuse what is no address of a scheduler, and a cluster without Dask.

    Raises:
        ConfigError: see above.
    """
    if re.fullmatch(r"(tcp|tls)://\S+:\d+", address) is None:
        raise ConfigError(
            f"expected a scheduler's address such as tcp://host:8786 or tls://host:8786, or local, "
            f"found {address!r}"
        )
    if find_spec("distributed") is None:
        raise ConfigError(NO_DASK) from None


class WorkersLost(WorkspaceError):
    """Every worker that had the same piece of work was lost; others may be there."""


class Cluster:
    """A scheduler whose workers give the results of this workspace.

    Attributes:
        client: of Dask.
        lost: why nothing more is to be had from it; None as long as there is.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.client = client
        self.lost: str | None = None
        self._address = address
        self._handed_out: set[Any] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @property
    def workers(self) -> int:
        """How many there are now; 0 without a scheduler."""
        return len(self._workers())

    @property
    def threads(self) -> int:
        """Of all workers together: how much runs at a time."""
        return sum(int(worker["nthreads"]) for worker in self._workers().values())

    def _workers(self) -> dict[str, Any]:
        try:
            return self.client.scheduler_info(n_workers=-1).get("workers", {})
        except Exception:  # a lost scheduler has none; `result` says that it is lost
            return {}

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Hand out a call; the future of its result. It runs again if its worker is lost.

        Raises:
            WorkspaceError: the cluster is lost, or the run was stopped.
        """
        with self._lock:
            if self._stopped:
                raise WorkspaceError(self.lost or _STOPPED)
            future = self.client.submit(function, *arguments, pure=False, **options)
            self._handed_out.add(future)
        return future

    def result(self, future: Any) -> Any:
        """What a call returned, or raised.

        Raises:
            WorkersLost: those that had it, as many as the scheduler allows.
            WorkspaceError: the scheduler or the last worker is lost, or a worker is not like us.
        """
        from distributed import CancelledError, KilledWorker

        try:
            return future.result()
        except CancelledError:
            if self.lost is None and not self._stopped:  # sooner than `_watch` sees it
                self.lost = self._gone()
            raise WorkspaceError(self.lost or _STOPPED) from None
        except KilledWorker as error:
            raise WorkersLost(
                f"expected workers that stay, found {error.allowed_failures + 1} lost ones with "
                f"the same work, the last one {error.last_worker.address}. The same command tries "
                "it again; DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES of the scheduler allows "
                "more."
            ) from None
        finally:
            with self._lock:
                self._handed_out.discard(future)

    def completed(self, futures: Iterable[Any]) -> Iterator[Any]:
        """Futures as they end, in whatever way; each is then to be asked for its `result`."""
        from distributed import as_completed

        yield from as_completed(futures, loop=self.client.loop)

    def stop(self) -> None:
        """Take back what was handed out; workers end it within seconds."""
        with self._lock:
            futures, self._stopped = list(self._handed_out), True
        if futures and self.client.status == "running":
            self.client.cancel(futures, reason="stopped", msg=_STOPPED)

    def _gone(self) -> str:
        return (
            f"expected the Dask scheduler at {self._address} to stay, found the connection lost. "
            "What is finished is kept; the same command goes on from there."
        )

    def _watch(self) -> None:
        seen = time.monotonic()
        while not self._ended.wait(_PAUSE):
            if self.client.status != "running":
                self.lost = self._gone()
                return  # Dask itself cancels what was handed out
            if self.workers:
                seen = time.monotonic()
            elif time.monotonic() - seen > PATIENCE:
                self.lost = (
                    f"expected a worker at {self._address}, found none for {PATIENCE:.0f} s. "
                    "What is finished is kept; the same command goes on from there."
                )
                self.stop()
                return

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notice while the block runs if nobody is left; take back the rest at its end."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            self.stop()
            thread.join()


@contextmanager
def reach(address: str) -> Iterator[Cluster]:
    """Work with a cluster while the block runs; what is unfinished at its end is taken back.

    Args:
        address: of the scheduler. TLS takes certificates from Dask's own configuration.

    Raises:
        ConfigError: see `check_address`.
        WorkspaceError: it cannot be reached, has no worker, or one that would give other results.
    """
    check_address(address)
    from dask import config
    from distributed import Client

    if address.startswith("tls://"):
        _check_certificates(address)
    for name in ("distributed", "distributed.client"):  # what matters, we say ourselves
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Raw files travel as a task, which Dask can run again: what is scattered dies with its worker.
    with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        try:
            client = Client(address, timeout=REACH, set_as_default=False, name="rarenode")
        except Exception as error:  # TLS raises whatever it likes
            raise WorkspaceError(
                f"expected a Dask scheduler at {address}, found: {error}. Start it with "
                "`dask scheduler`, and workers with `dask worker`."
            ) from None
        try:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise WorkspaceError(
                    f"expected a worker at {address}, found none for {PATIENCE:.0f} s. Start one "
                    f"with `dask worker {address}`."
                ) from None
            _check_workers(client)
            cluster = Cluster(client, address)
            with cluster.watched():
                yield cluster
        finally:
            with suppress(Exception):  # of a lost scheduler, which has been said
                client.close()


def _check_certificates(address: str) -> None:
    """Dask would say so too, and then fail to put away a client that is half made."""
    from distributed.security import Security

    found = "none"
    try:
        if Security().get_connection_args("client").get("ssl_context") is not None:
            return
    except Exception as error:
        found = str(error)
    raise WorkspaceError(
        f"expected certificates for {address} in Dask's configuration "
        f"(DASK_DISTRIBUTED__COMM__TLS__CA_FILE and others, see docs/clusters.md), found: {found}"
    )


def _check_workers(client: Any) -> None:
    """Those that come later are asked with their first piece of work."""
    expected = fingerprint.own()
    for worker, found in client.run(fingerprint.own, on_error="return").items():
        if isinstance(found, BaseException):
            raise WorkspaceError(
                f"worker {worker}: expected rarenode as in this workspace, found: {found}. "
                "Install the same commit and constraints.txt there, and start it again."
            )
        fingerprint.check(expected, found, worker)
