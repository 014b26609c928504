"""The cells of a study as one flow: a Prefect task for each, a stage of the study's dvc.yaml."""

from collections.abc import Mapping
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import stages, watch


@task(cache_policy=NO_CACHE, persist_result=False)  # what has a result is not asked for
def run_cell(stage: str, environment: Mapping[str, str]) -> State:
    """Run a cell.

    Raises:
        StageFailed: with the cell's traceback, or what the user can mend.
    """
    log, watcher = get_run_logger(), watch.current()
    state = "Failed"
    try:
        watcher.started(stage)
        state = stages.reproduce(
            stage,
            log=log.info,
            on_event=lambda event: watcher.progressed(stage, event),
            force=True,
            environment=environment,
        )
    except stages.StageStopped:
        state = "interrupted"
        return Cancelled(message=f"{stage}: the study was stopped")
    finally:
        watcher.ended(stage, state)
    return Completed(name=state, message=f"{stage}: {state}")


def benchmark(
    cells: list[str], workers: int, environment: Mapping[str, str], **options: Any
) -> Any:
    """Run cells, a few at a time.

    Args:
        cells: addresses of DVC stages.
        workers: how many at a time.
        environment: variables for each.
        options: of the flow's call.
    """
    runner: Any = ThreadPoolTaskRunner(max_workers=workers)
    return _benchmark.with_options(task_runner=runner)(cells, dict(environment), **options)


@flow(name="benchmark", persist_result=False)
def _benchmark(cells: list[str], environment: dict[str, str]) -> list[State]:
    stages.allow()
    futures: list[PrefectFuture[Any]] = []
    try:
        for cell in cells:
            name = cell.partition(":")[2]
            named: Any = run_cell.with_options(name="cell", task_run_name=name)
            futures.append(named.submit(cell, environment))
        wait(futures)
    except BaseException:  # Ctrl-C and termination as well: no cell may outlive its flow
        stages.stop_all()
        raise
    return [future.state for future in futures]
