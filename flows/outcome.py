"""What a flow returned or raised, from this process."""

import copy
import functools
from typing import Any

from prefect import Flow


def of(flow: Flow[..., Any], *arguments: Any) -> Any:
    """Run a flow.

    Prefect takes the last state from its server's answer. Where that is too late (60 seconds; a
    busy machine, a locked database) it asks again, and gets the state as stored: without a result,
    and without what was raised. A run that succeeded would end with MissingResult.

    Args:
        flow: it runs in this process.
        arguments: its own.

    Returns:
        What it returned, or the exception that ended it.
    """
    kept: list[Any] = []

    @functools.wraps(flow.fn)
    def body(*given: Any, **named: Any) -> Any:
        try:
            kept.append(flow.fn(*given, **named))
        except Exception as error:
            kept.append(error)
            raise
        return kept[0]

    asked = copy.copy(flow)
    asked.fn = body
    state: Any = asked(*arguments, return_state=True)
    # Nothing is kept if it did not begin; Prefect says why.
    return kept[0] if kept else state.result(raise_on_failure=False)
