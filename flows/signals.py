"""Being told to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_like_ctrl_c() -> Iterator[None]:
    """Let a closed terminal or a `kill` end the run as Ctrl-C does: no stage is left behind."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    # What is ignored stays so: of `nohup rarenode …` a closed terminal ends nothing.
    heard = [number for number in _ENDINGS if signal.getsignal(number) != signal.SIG_IGN]
    earlier = {number: signal.signal(number, interrupt) for number in heard}
    try:
        yield
    except BaseException as error:
        # While the flow runs, Prefect turns SIGTERM into an exception of its own.
        if type(error).__name__ == "TerminationSignal":
            raise KeyboardInterrupt from None
        raise
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
