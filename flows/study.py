"""The cells of a study as one flow: a Prefect task for each, a stage of the study's dvc.yaml."""

from collections.abc import Callable
from typing import Any, Protocol

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import outcome, stages, watch
from pipeline import progress


class Runner(Protocol):
    """Where the cells of a study run; called from several threads."""

    def allow(self) -> None:
        """Let cells start."""
        ...

    def run(
        self, stage: str, log: Callable[[str], None], on_event: Callable[[progress.Event], None]
    ) -> str:
        """Run a cell; see `stages.reproduce` for what it takes, returns and raises."""
        ...

    def stop(self) -> None:
        """End every cell."""
        ...


@task(cache_policy=NO_CACHE, persist_result=False)  # what has a result is not asked for
def run_cell(stage: str, where: Runner) -> State:
    """Run a cell.

    Raises:
        StageFailed: with the cell's traceback, or what the user can mend.
    """
    log, watcher = get_run_logger(), watch.current()
    state = "Failed"
    try:
        watcher.started(stage)
        state = where.run(stage, log.info, lambda event: watcher.progressed(stage, event))
    except stages.StageStopped:
        state = "interrupted"
        return Cancelled(message=f"{stage}: the study was stopped")
    finally:
        watcher.ended(stage, state)
    return Completed(name=state, message=f"{stage}: {state}")


def benchmark(cells: list[str], workers: int, where: Runner) -> list[State] | Exception:
    """Run cells, a few at a time.

    Args:
        cells: addresses of DVC stages.
        workers: how many at a time.
        where: what runs them.

    Returns:
        A state for each, or what ended the flow.
    """
    threads: Any = ThreadPoolTaskRunner(max_workers=workers)

    # In here: Prefect would want to write down what runs them as a parameter.
    @flow(name="benchmark", persist_result=False, task_runner=threads)
    def run_cells(cells: list[str]) -> list[State]:
        where.allow()
        futures: list[PrefectFuture[Any]] = []
        try:
            for cell in cells:
                name = cell.partition(":")[2]
                named: Any = run_cell.with_options(name="cell", task_run_name=name)
                futures.append(named.submit(cell, where))
            wait(futures)
        except BaseException:  # Ctrl-C and termination as well: no cell may outlive its flow
            where.stop()
            raise
        return [future.state for future in futures]

    return outcome.of(run_cells, cells)
