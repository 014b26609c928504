"""The whole pipeline as one flow: a Prefect task per DVC stage."""

from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed

from flows import headline, history, stages, watch
from pipeline import config, progress
from pipeline.artifacts import manifest


@task(cache_policy=NO_CACHE, persist_result=False)  # what is up to date is DVC's business
def run_stage(stage: str) -> State:
    """Run a stage unless it is up to date.

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
            state = stages.reproduce(stage, log=log.info, on_event=on_event)
    except stages.StageStopped:
        state = "interrupted"
        return Cancelled(message=f"{stage}: the run was stopped")
    finally:
        watcher.ended(stage, state)
    return Completed(name=state, message=f"{stage}: {state}")


@flow(name="train", persist_result=False)
def train() -> list[State]:
    """Bring every stage up to date, in the order of DVC's own graph.

    Stages that do not depend on each other may run side by side; after a failure the stages that
    wait for it do not run, and the flow ends Failed. The workspace has to be held
    (`workspace.exclusive`).
    """
    stages.allow()
    history.reconcile()
    plan = stages.plan()
    watch.current().planned(list(plan))
    futures: dict[str, PrefectFuture[Any]] = {}
    try:
        for stage, upstream in plan.items():
            named: Any = run_stage.with_options(name=stage, task_run_name=stage)
            futures[stage] = named.submit(stage, wait_for=[futures[name] for name in upstream])
        wait(list(futures.values()))
    except BaseException:  # Ctrl-C and termination as well: no stage may outlive its flow
        stages.stop_all()
        raise
    states = [future.state for future in futures.values()]
    if all(state.is_completed() for state in states):
        manifest.write(config.load())  # also of a run that found everything up to date
        _publish_headline()
    return states


def _publish_headline() -> None:
    metrics = headline.read()
    if metrics is not None:
        create_markdown_artifact(
            headline.markdown(metrics), key="headline", description="Test metrics and differences"
        )


def _figures(event: progress.Event) -> tuple[str, int, int, str, str]:
    return event.label, event.done, event.total, event.unit, event.note
