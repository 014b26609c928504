"""What a deployment runs: a flow of ours in its workspace, once it has got hold of it."""

import time
from collections.abc import Callable
from typing import Any, Literal

from prefect import flow, get_run_logger
from prefect.states import Cancelled
from prefect.utilities.timeout import timeout

from flows import history, ready, workspace
from flows.retrain import retrain as challenge
from flows.train import train as whole

Overlap = Literal["wait", "skip"]


_AGAIN = 5.0  # seconds until a run that waits looks again


# Of the other flows only the bodies: tasks and artifacts belong to the run that fired.
@flow(name="train", persist_result=False)
def train(overlap: Overlap = "wait", time_limit: float | None = None) -> Any:
    """Bring every stage up to date, as `rarenode run` does.

    Args:
        overlap: while somebody runs the pipeline by hand, `wait`, or `skip` this run.
        time_limit: in minutes, from when the workspace is held; None is none.
    """

    def run() -> Any:
        log = get_run_logger()
        with workspace.exclusive():
            ready.make_ready(say=log.info, warn=log.warning)
            return whole.fn()

    return _alone(run, overlap, time_limit)


@flow(
    name="retrain",
    persist_result=False,
    on_completion=challenge.on_completion_hooks,
    on_failure=challenge.on_failure_hooks,
    on_crashed=challenge.on_crashed_hooks,
)
def retrain(overlap: Overlap = "wait", time_limit: float | None = None) -> Any:
    """Train a challenger if something has changed, and promote it if it may be.

    Args:
        overlap: while somebody retrains by hand, `wait`, or `skip` this run.
        time_limit: in minutes; None is none.
    """
    return _alone(challenge.fn, overlap, time_limit)


def _alone(run: Callable[[], Any], overlap: Overlap, time_limit: float | None) -> Any:
    """Run, once nobody else does, or give a cancelled state where that is to be skipped.

    Raises:
        TimeoutError: the run took longer than it may; what it had started has ended.
    """
    workspace.check()
    while True:
        try:
            with timeout(None if time_limit is None else 60 * time_limit):
                return run()
        except workspace.WorkspaceBusyError as busy:  # before anything was done
            if overlap == "skip":
                return Cancelled(message=str(busy))
        history.untag()
        time.sleep(_AGAIN)
