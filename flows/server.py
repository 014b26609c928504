"""Getting Prefect's server up while everything else is still being imported."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def starting() -> Iterator[None]:
    """Reach the configured server while the block runs, or start a temporary one, and wait for it.

    The temporary server is a child of this process. Ctrl-C on a terminal goes to children too, and
    a server that ends first leaves the flow nobody to tell how it ended; so the child inherits a
    blocked SIGINT. It still ends with this process, by SIGTERM.

    Raises:
        RuntimeError: the server did not come up.
    """
    failures: list[Exception] = []

    def reach() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
        try:
            from prefect.client.orchestration import get_client

            with get_client(sync_client=True) as client:
                client.hello()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=reach, daemon=True)
    thread.start()
    yield
    while thread.is_alive():
        thread.join(0.2)  # a join without limit cannot be interrupted everywhere
    if failures:
        raise failures[0]
