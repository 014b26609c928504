"""`rarenode deploy`: schedules on a Prefect server, and what of them is there."""

import math
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowFilter,
    FlowFilterId,
)
from prefect.client.schemas.objects import (
    ConcurrencyLimitConfig,
    ConcurrencyLimitStrategy,
    WorkPool,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, PREFECT_UI_URL
from prefect.types import BANNED_CHARACTERS
from prefect.types.entrypoint import EntrypointType
from pydantic import ValidationError

from flows import ENVIRONMENT, scheduled, workspace
from flows.scheduled import Overlap
from pipeline.errors import ConfigError, WorkspaceError

TAG = "rarenode"  # of every deployment of ours
FLOWS = {"retrain": scheduled.retrain, "train": scheduled.train}
_COMMANDS = {"retrain": "retrain", "train": "run"}
_STRATEGY = {
    "wait": ConcurrencyLimitStrategy.ENQUEUE,
    "skip": ConcurrencyLimitStrategy.CANCEL_NEW,
}


@dataclass(frozen=True)
class Request:
    """A schedule that is asked for.

    Attributes:
        cron: when to run; None is only when somebody asks.
        timezone: of `cron`.
        flow: a name in `FLOWS`.
        name: of the deployment; None is that of the workspace's folder.
        pool: whose worker runs it.
        overlap: a run that is due while another one is under way waits, or is skipped.
        time_limit: of a run, in minutes.
        paused: nothing is run until it is resumed.
    """

    cron: str | None
    timezone: str = "UTC"
    flow: str = "retrain"
    name: str | None = None
    pool: str = "rarenode"
    overlap: Overlap = "wait"
    time_limit: float | None = None
    paused: bool = False


def deploy(request: Request) -> None:
    """Make the schedule, or change it to what is asked for, and say what to do next.

    Raises:
        ConfigError: of the request: cron, time zone, time limit, or a name, which may be one that
            another workspace has.
        WorkspaceError: no server, or no workspace with a commit.
    """
    here = Path.cwd()
    _check_commit()
    schedule = _schedule(request)
    if request.time_limit is not None and not 0 < request.time_limit < math.inf:
        raise ConfigError(
            "expected a finite number of more than 0 minutes for --time-limit, found "
            f"{request.time_limit:g}"
        )
    _check_name("--name", request.name or here.name)
    _check_name("--pool", request.pool)
    deployment = _deployment(request, schedule, here)
    with _server() as client:
        made_pool = _ensure_pool(client, request.pool)
        earlier = _find(client, deployment.full_name)
        if earlier is not None and (other := _folder(earlier)) != str(here):
            raise ConfigError(
                f"expected a name that no other workspace has, found {deployment.full_name!r} of "
                f"{other}. Choose one with --name."
            )
        deployment.apply()
        now = client.read_deployment_by_name(deployment.full_name)
    if made_pool:
        print(f"Work pool {request.pool}: created")
    _say_difference(deployment.full_name, earlier and _lines(earlier), _lines(now))
    print(f"\nSchedule: {_page(now)}")
    prefect = Path(sys.executable).with_name("prefect")
    print(f"Run now:  {prefect} deployment run {deployment.full_name!r}")
    print(f"Worker:   {prefect} worker start --pool {request.pool}")


def show(told: dict[str, Any]) -> None:
    """Print the schedules of this workspace; `told` gets them as `schedules`.

    Raises:
        WorkspaceError: no server.
    """
    with _server() as client:
        for name, deployment in (found := _ours(client)).items():
            print(name, *(f"  {line}" for line in _lines(deployment)), sep="\n")
    told["schedules"] = [_entry(name, deployment) for name, deployment in found.items()]
    if not found:
        print(f"No schedule of {Path.cwd()}.")


def remove(name: str) -> None:
    """Remove a schedule of this workspace; runs that it has begun go on.

    Args:
        name: its own, or its flow's, a slash, and its own.

    Raises:
        ConfigError: there is none of that name, or one of each flow.
        WorkspaceError: no server.
    """
    with _server() as client:
        ours = _ours(client)
        found = [full for full, deployment in ours.items() if name in (full, deployment.name)]
        if len(found) != 1:
            there = ", ".join(ours) or "no schedule"
            raise ConfigError(f"expected one of {there} in {Path.cwd()}, found {name!r}")
        client.delete_deployment(ours[found[0]].id)
    print(f"{found[0]}: removed")


def _check_name(option: str, name: str) -> None:
    """As the server does; it would say so halfway."""
    if not name.strip("' \"") or {*name} & {*BANNED_CHARACTERS}:
        banned = " ".join(BANNED_CHARACTERS)
        raise ConfigError(f"expected a name without {banned} for {option}, found {name!r}")


def _schedule(request: Request) -> CronSchedule | None:
    if request.cron is None:
        return None
    try:
        return CronSchedule(cron=request.cron, timezone=request.timezone)
    except ValidationError as error:
        wanted = {
            "cron": f"minute, hour, day, month and weekday of --cron, found {request.cron!r}",
            "timezone": f"a time zone such as Europe/Berlin, found {request.timezone!r}",
        }
        raise ConfigError(f"expected {wanted[str(error.errors()[0]['loc'][0])]}") from None


def _deployment(request: Request, schedule: CronSchedule | None, here: Path) -> RunnerDeployment:
    parameters: dict[str, Any] = {"overlap": request.overlap}
    if request.time_limit is not None:
        parameters["time_limit"] = request.time_limit
    return RunnerDeployment.from_flow(
        FLOWS[request.flow],
        name=request.name or here.name,
        schedules=[] if schedule is None else [schedule],
        concurrency_limit=ConcurrencyLimitConfig(
            limit=1, collision_strategy=_STRATEGY[request.overlap]
        ),
        parameters=parameters,
        description=f"`rarenode {_COMMANDS[request.flow]}` in {here}",
        paused=request.paused,
        tags=[TAG],
        work_pool_name=request.pool,
        job_variables={
            "working_dir": str(here),
            "command": shlex.join([sys.executable, "-m", "prefect.engine"]),
            "env": ENVIRONMENT,
        },
        entrypoint_type=EntrypointType.MODULE_PATH,
    )


def _check_commit() -> None:
    workspace.check()
    found = subprocess.run(["git", "rev-parse", "--verify", "--quiet", "HEAD"], capture_output=True)
    if found.returncode != 0:
        raise WorkspaceError(
            f"expected a commit in {Path.cwd()}, found none. What a schedule runs must be "
            "known: `git add --all && git commit`."
        )


@contextmanager
def _server() -> Iterator[SyncPrefectClient]:
    """The configured server.

    Raises:
        WorkspaceError: none is configured or reached, or it does not let us in.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise WorkspaceError(
            "expected a Prefect server in PREFECT_API_URL, found none: a schedule needs one that "
            "stays. Start it with `prefect server start`, and let everybody know it with "
            "`prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api`."
        )
    with get_client(sync_client=True) as client:
        try:
            client.hello()
            client.read_flows(limit=1)  # hello is for everybody
        except httpx.HTTPStatusError as error:
            raise WorkspaceError(
                f"expected to be let in at {url} (PREFECT_API_URL), found: "
                f"{error.response.status_code}. Set PREFECT_API_AUTH_STRING to the server's."
            ) from None
        except httpx.HTTPError as error:
            raise WorkspaceError(
                f"expected a Prefect server at {url} (PREFECT_API_URL), found: {error}. Start it "
                "with `prefect server start`."
            ) from None
        yield client


def _ensure_pool(client: SyncPrefectClient, name: str) -> bool:
    """Whether the pool had to be made."""
    try:
        pool: WorkPool = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        return True
    if pool.type != "process":
        raise ConfigError(f"expected a work pool of type process, found {name!r} of {pool.type}")
    return False


def _find(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _folder(deployment: DeploymentResponse) -> str | None:
    return (deployment.job_variables or {}).get("working_dir")


def _ours(client: SyncPrefectClient) -> dict[str, DeploymentResponse]:
    """The deployments of this workspace by their full names."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    here = str(Path.cwd())
    found = client.read_deployments(deployment_filter=tagged)
    ours = [deployment for deployment in found if _folder(deployment) == here]
    # Asked for all of them, the server gives no more than 200.
    wanted = FlowFilter(id=FlowFilterId(any_=[*{deployment.flow_id for deployment in ours}]))
    flows = {flow.id: flow.name for flow in client.read_flows(flow_filter=wanted)}
    return {f"{flows[deployment.flow_id]}/{deployment.name}": deployment for deployment in ours}


def _page(deployment: DeploymentResponse) -> str:
    return f"{PREFECT_UI_URL.value()}/deployments/deployment/{deployment.id}"


def _crons(deployment: DeploymentResponse) -> list[CronSchedule]:
    schedules = (item.schedule for item in deployment.schedules)
    return [schedule for schedule in schedules if isinstance(schedule, CronSchedule)]


def _entry(name: str, deployment: DeploymentResponse) -> dict[str, Any]:
    """What programs are told of a deployment."""
    parameters, variables = deployment.parameters or {}, deployment.job_variables or {}
    return {
        "name": name,
        "when": [{"cron": one.cron, "timezone": one.timezone} for one in _crons(deployment)],
        "paused": deployment.paused,
        "overlap": parameters.get("overlap"),
        "time_limit": parameters.get("time_limit"),
        "folder": variables.get("working_dir"),
        "command": variables.get("command"),
        "pool": deployment.work_pool_name,
        "page": _page(deployment),
    }


def _lines(deployment: DeploymentResponse) -> list[str]:
    """What a deployment does, in words."""
    parameters, variables = deployment.parameters or {}, deployment.job_variables or {}
    limit = parameters.get("time_limit")
    crons = [f"at {one.cron} ({one.timezone})" for one in _crons(deployment)]
    return [
        *(crons or ["only when asked"]),
        *(["paused"] if deployment.paused else []),
        f"an overlapping run: {parameters.get('overlap')}",
        "no time limit" if limit is None else f"time limit: {limit:g} minutes",
        f"in {variables.get('working_dir')} with {variables.get('command')}",
        f"by a worker of the pool {deployment.work_pool_name}",
    ]


def _say_difference(name: str, before: list[str] | None, now: list[str]) -> None:
    if before is None:
        print(f"{name}: created", *(f"  {line}" for line in now), sep="\n")
    elif before == now:
        print(f"{name}: unchanged")
    else:
        print(f"{name}: changed")
        for sign, ours, theirs in (("-", before, now), ("+", now, before)):
            print(*(f"  {sign} {line}" for line in ours if line not in theirs), sep="\n")
