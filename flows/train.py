"""The whole pipeline as one flow: a Prefect task per DVC stage."""

import platform
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed

from flows import headline, history, stages, watch
from pipeline import config, progress
from pipeline.artifacts import manifest, paths

PAUSES = (10.0, 20.0, 40.0)  # seconds before a stage is tried again


def _may_pass(task: Any, run: Any, state: State) -> bool:
    """Whether Prefect tries a task again: a network that was down, not bad data, nor a fault."""
    error: Any = state.result(raise_on_failure=False)
    return isinstance(error, stages.StageFailed) and error.transient


@task(
    cache_policy=NO_CACHE,  # what is up to date is DVC's business
    persist_result=False,
    retries=len(PAUSES),
    retry_condition_fn=_may_pass,
)
def run_stage(stage: str, time_limit: float | None = None) -> State:
    """Run a stage unless it is up to date.

    Args:
        stage: its name.
        time_limit: seconds after which it is ended; None is no limit.

    Returns:
        Completed, or a completed state named Cached or Restored.

    Raises:
        StageFailed: with the stage's traceback.
    """
    log = get_run_logger()
    watcher = watch.current()

    def on_event(event: progress.Event) -> None:
        watcher.progressed(stage, event)
        if event.bar == 0:
            log.info(event.note)
        elif event.ended and not event.nested:
            log.info("%s: %d/%d %ss %s", *_figures(event))

    state = "Failed"
    try:
        if stages.is_up_to_date(stage):
            state = "Cached"
        else:
            watcher.started(stage)
            state = stages.reproduce(stage, log=log.info, on_event=on_event, time_limit=time_limit)
    except stages.StageStopped:
        state = "interrupted"
        return Cancelled(message=f"{stage}: the run was stopped")
    except stages.StageFailed as error:
        pause = _pause() if error.transient else None
        if pause is None:
            raise
        on_event(progress.Event(0, note=f"{error.refusal}; again in {pause:g} s"))
        # Here, not by Prefect: its own pause cannot be ended by Ctrl-C.
        state = "running" if stages.pause(pause) else "interrupted"
        raise
    finally:
        if state != "running":
            watcher.ended(stage, state)
    return Completed(name=state, message=f"{stage}: {state}")


def _pause() -> float | None:
    """How long to wait before the next attempt; None after the last."""
    context = TaskRunContext.get()
    attempt = 1 if context is None else context.task_run.run_count
    return PAUSES[attempt - 1] if context is not None and attempt <= len(PAUSES) else None


@flow(name="train", persist_result=False)
def train(time_limit: float | None = None, stage_time_limit: float | None = None) -> list[State]:
    """Bring every stage up to date, in the order of DVC's own graph.

    Stages that do not depend on each other may run side by side; after a failure the stages that
    wait for it do not run, and the flow ends Failed. The workspace has to be held
    (`workspace.exclusive`).

    Args:
        time_limit: seconds after which the run is ended, with the stage at work.
        stage_time_limit: seconds after which a stage is ended, and what waits for it does not run.

    Raises:
        OutOfTime: names the stages that were not done.
    """
    stages.allow()
    history.reconcile()
    plan = stages.plan()
    watch.current().planned(list(plan))
    futures: dict[str, PrefectFuture[Any]] = {}
    try:
        for stage, upstream in plan.items():
            named: Any = run_stage.with_options(name=stage, task_run_name=stage)
            before = [futures[name] for name in upstream]
            futures[stage] = named.submit(stage, stage_time_limit, wait_for=before)
        if missing := wait(list(futures.values()), timeout=time_limit).not_done:
            names = ", ".join(stage for stage, future in futures.items() if future in missing)
            raise stages.OutOfTime(
                f"expected the run to end within {time_limit:g} seconds, found {names} not done: "
                "it was ended. Allow more; the next run goes on where it stopped."
            )
    except BaseException:  # Ctrl-C and termination as well: no stage may outlive its flow
        stages.stop_all()
        raise
    states = [future.state for future in futures.values()]
    if all(state.is_completed() for state in states):
        manifest.write(config.load())  # also of a run that found everything up to date
        _publish_headline()
    return states


def _publish_headline() -> None:
    """The headline as artifacts: for people, and as numbers with all their digits."""
    metrics = headline.read()
    if metrics is None:
        return
    text = headline.markdown(metrics)
    if paths.REPORT.is_file():  # as text: no browser follows a link from a server's page to a file
        place = headline.escape(str(paths.REPORT.resolve()))
        text += f"\n\nReport: {place} on {headline.escape(platform.node())}"
    try:
        create_markdown_artifact(text, key="headline", description="Test metrics and differences")
        create_table_artifact(
            headline.records(metrics), key="headline-figures", description="As in metrics.json"
        )
    except Exception as error:  # what is built is built, whether the server is told or not
        get_run_logger().warning("The headline could not be published: %s", error)


def _figures(event: progress.Event) -> tuple[str, int, int, str, str]:
    return event.label, event.done, event.total, event.unit, event.note
