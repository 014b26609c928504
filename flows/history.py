"""Which runs in Prefect's history are of this workspace, and those that a kill has left `Running`.

A process that is killed tells nobody, and Prefect's server goes on to believe that it runs. Every
flow run of a workspace carries a tag of that workspace; as one run at a time uses it, whatever else
has the tag and is `Running` has ended.
"""

import uuid
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.context import FlowRunContext
from prefect.states import Crashed

from pipeline.artifacts import files, paths

_ID = paths.STATE / "workspace"
_OPEN = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def tag(lock: str = "workspace") -> str:
    """Of the runs of this workspace that hold the same lock; made when it is asked for first."""
    try:
        name = _ID.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        name = ""
    if not name:
        name = uuid.uuid4().hex[:12]
        with files.whole_file(_ID) as temporary:
            temporary.write_text(f"{name}\n", encoding="utf-8")
    return f"{lock}:{name}"


def reconcile(lock: str = "workspace") -> int:
    """Call what was killed `Crashed`, and give the current flow run, if there is one, the tag.

    The lock has to be held (`workspace.exclusive`, or for `retrain` `workspace.retraining`).

    Args:
        lock: what the runs in question hold, one at a time.

    Returns:
        How many flow runs were left.
    """
    context = FlowRunContext.get()
    with get_client(sync_client=True) as client:
        own: set[uuid.UUID] = set()
        if context is not None and context.flow_run is not None:
            own = _chain(client, context.flow_run.id)
        left = [run for run in _open_runs(client, tag(lock)) if run.id not in own]
        for run in left:
            _crash(client, run)
        if context is not None and context.flow_run is not None:
            tags = {*context.flow_run.tags, tag(lock)}
            client.update_flow_run(context.flow_run.id, tags=tags)
    return len(left)


def untag() -> None:
    """Take the tags from the current flow run, which waits: whoever goes on would end its story."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    ours = {tag(), tag("retrain")}
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(context.flow_run.id)
        if ours & {*run.tags}:  # retried from the pages
            client.update_flow_run(run.id, tags={*run.tags} - ours)


def _open_runs(client: SyncPrefectClient, tag: str) -> list[FlowRun]:
    open_states = FlowRunFilterState(type=FlowRunFilterStateType(any_=_OPEN))
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[tag]), state=open_states)
    )
    # A scheduled run that is about to start waits for whoever holds the workspace.
    return [run for run in runs if not (run.deployment_id and run.state_type == StateType.PENDING)]


def _crash(client: SyncPrefectClient, run: FlowRun) -> None:
    state: Any = Crashed(message="Its process had been killed; found by the next run.")
    open_states = TaskRunFilterState(type=TaskRunFilterStateType(any_=_OPEN))
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])),
        task_run_filter=TaskRunFilter(state=open_states),
    )
    for task in tasks:
        client.set_task_run_state(task.id, state, force=True)
    client.set_flow_run_state(run.id, state, force=True)


def _chain(client: SyncPrefectClient, run: uuid.UUID) -> set[uuid.UUID]:
    """A flow run and those that it is a part of."""
    found = {run}
    while (parent := client.read_flow_run(run).parent_task_run_id) is not None:
        upper = client.read_task_run(parent).flow_run_id
        if upper is None:
            break
        found.add(run := upper)
    return found
