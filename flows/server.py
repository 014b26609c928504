"""Getting Prefect's server up while everything else is still being imported."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows import guard
from pipeline.errors import WorkspaceError


@contextmanager
def starting() -> Iterator[None]:
    """Reach the configured server while the block runs, or start a temporary one, and wait for it.

    The temporary server is a child of this process. Ctrl-C on a terminal goes to children too, and
    a server that ends first leaves the flow nobody to tell how it ended; so the child inherits a
    blocked SIGINT. It still ends with this process, by SIGTERM; if this process is killed, the
    guard ends it.

    Raises:
        WorkspaceError: the configured server cannot be reached.
        RuntimeError: the temporary server did not come up.
    """
    # Here, not in the thread: while it imports Prefect nobody may import DVC. Both import packages
    # that are circular (pathspec), and two threads in such a circle break an import off.
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    failures: list[Exception] = []
    reached = threading.Event()

    def reach() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            with get_client(sync_client=True) as client:
                client.hello()
        except Exception as error:
            failures.append(error)
        finally:
            reached.set()

    thread = threading.Thread(target=reach, daemon=True)
    if not PREFECT_API_URL.value():
        guard.start()  # before the server, so that at exit the server ends first
        threading.Thread(target=_hand_over, args=(reached,), daemon=True).start()
    thread.start()
    yield
    while thread.is_alive():
        thread.join(0.2)  # a join without limit cannot be interrupted everywhere
    if not failures:
        return
    if url := PREFECT_API_URL.value():
        raise WorkspaceError(
            f"expected a Prefect server at {url} (PREFECT_API_URL), found: {failures[0]}. Start it "
            "with `prefect server start`, or `prefect config unset PREFECT_API_URL` (and unset the "
            "variable of that name) to run without one."
        )
    raise failures[0]


def _hand_over(reached: threading.Event) -> None:
    """Let the guard know the temporary server as soon as there is one: Prefect does not tell."""
    known: int | None = None
    while not reached.wait(0.02):
        # Imported by the other thread; asking for it here, too, could break that import off.
        module: Any = sys.modules.get("prefect.server.api.server")
        if (server := getattr(module, "SubprocessASGIServer", None)) is None:
            continue
        process = server().server_process  # the one of this process
        if process is not None and process.pid != known:
            guard.watch(process.pid)
            if known is not None:  # its port was taken: it has ended, and its number is free
                guard.forget(known)
            known = process.pid
