"""The cluster that a run asks for: one that is there, or one that prefect-dask starts here."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.cluster import connection
from pipeline.errors import ConfigError

LOCAL = "local"


@contextmanager
def address(asked: str) -> Iterator[str]:
    """The address of a scheduler while the block runs.

    Args:
        asked: an address, or `local`: a worker of one thread for each core of this machine.

    Raises:
        ConfigError: it is no address, or there is no Dask.
    """
    if asked != LOCAL:
        connection.check_address(asked)
        yield asked
        return
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError:
        raise ConfigError(connection.NO_DASK) from None
    options = {
        "n_workers": os.cpu_count(),
        "threads_per_worker": 1,
        # No dashboard, and a free port for what else the scheduler serves: with no address it
        # would ask for 8787, and warn where another cluster of this machine has it.
        "dashboard_address": "127.0.0.1:0",
        "scheduler_kwargs": {"dashboard": False},
    }
    with DaskTaskRunner(cluster_kwargs=options) as runner:
        yield str(runner.client.scheduler_info(n_workers=0)["address"])


@contextmanager
def for_stages(asked: str | None) -> Iterator[None]:
    """Let the stages of a run find the cluster while the block runs; None: they use none.

    Raises:
        RarenodeError: it cannot be used; said here, before anything runs.
    """
    if asked is None:
        yield
        return
    with address(asked) as found:
        with connection.reach(found):
            pass
        os.environ[connection.VARIABLE] = found
        try:
            yield
        finally:
            del os.environ[connection.VARIABLE]
