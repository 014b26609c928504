"""What a workspace is configured to reach: a DVC remote, Prefect, PostgreSQL, Dask.

What is not configured is not asked for, and each is asked for `PATIENCE` seconds at most.
"""

import base64
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.doctor.finding import Finding, several, without_secrets
from pipeline.errors import WorkspaceError, install

PATIENCE = 2.0  # seconds
REMOTE_PATIENCE = 20.0  # seconds; storage far away may take a while to let somebody in
_TAG = "rarenode"  # of our deployments, see flows/deploy.py, which takes seconds to import
_START = "prefect server start"


def dvc_config() -> Any:
    """DVC's configuration, from all its files; reading it writes nothing.

    Raises:
        WorkspaceError: DVC refuses it.
    """
    from dvc.config import Config
    from dvc.exceptions import DvcException

    try:
        return Config(str(Path(".dvc").absolute()))
    except DvcException as error:
        raise WorkspaceError(
            f"expected a configuration that DVC can read, found: {error}"
        ) from None


def caches() -> list[Path]:
    """DVC's cache, where it is not in the workspace."""
    folder = dvc_config()["cache"].get("dir")
    return [Path(folder)] if folder and not Path(folder).is_relative_to(Path.cwd()) else []


def dvc_remote(ask: bool) -> Iterator[Finding]:
    """Where `dvc push` goes; it is asked only if `ask` is true."""
    config = dvc_config()
    name, known = config["core"].get("remote"), config["remote"]
    add = "dvc remote add -d NAME URL"
    if name is None:
        if known:
            found = f"none by default, out of {several(sorted(known))}"
            yield Finding("dvc remote", "warning", found, f"dvc remote default {sorted(known)[0]}")
        else:
            found = "none: what is built stays on this machine"
            yield Finding("dvc remote", "ok", found, f"To share it: {add}")
        return
    if name not in known:
        there = several(sorted(known)) or "no remote"
        found = f"expected the default remote {name!r}, found {there}"
        yield Finding("dvc remote", "problem", found, add)
        return
    url = without_secrets(str(known[name].get("url", "")))
    said = f"{name}: {url}"
    if not ask:
        yield Finding(
            "dvc remote", "ok", f"{said}; not asked", "`--remote` asks whether it answers"
        )
        return
    found = _ask_remote(config, name)
    if isinstance(found, Exception):
        # Some libraries name the whole address, secrets included.
        reason = str(found).replace(str(known[name].get("url", "")), url) or type(found).__name__
        remedy = "docs/teams.md says what a remote needs; credentials belong to --local."
        yield Finding("dvc remote", "problem", f"{said}: {reason}", remedy)
    else:
        there = "reached" if found else "reached; there is nothing in it yet"
        yield Finding("dvc remote", "ok", f"{said}: {there}")


def prefect() -> Iterator[Finding]:
    """The server that runs are told to, if any, and whether our schedules have a worker."""
    url, headers = _prefect_api()
    if url is None:
        yield Finding("prefect", "ok", "no server configured: each run starts one of its own")
        yield Finding(
            "deploy",
            "ok",
            "`rarenode deploy` needs a server that stays; none is configured",
            f"{_START}, and prefect config set PREFECT_API_URL=http://127.0.0.1:4200/api",
        )
        return
    import httpx

    shown = without_secrets(url)
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client:
            asked = {"deployments": {"tags": {"all_": [_TAG]}}, "limit": 200}
            answer = client.post("/deployments/filter", json=asked)  # also whether we are let in
            if answer.status_code in (401, 403):
                yield Finding(
                    "prefect",
                    "problem",
                    f"{shown} (PREFECT_API_URL) does not let us in: {answer.status_code}",
                    "Set PREFECT_API_AUTH_STRING to the server's.",
                )
                return
            answer.raise_for_status()
            deployments = answer.json()
            yield Finding("prefect", "ok", f"the server at {shown} answers")
            yield from _deployments(client, deployments)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, LookupError, TypeError) as error:
        yield Finding(
            "prefect",
            "problem",
            f"expected a Prefect server at {shown} (PREFECT_API_URL), found: "
            f"{str(error) or type(error).__name__}",
            f"Start it with `{_START}`, or `prefect config unset PREFECT_API_URL` (and unset the "
            "variable of that name) to run without one.",
        )


def postgresql() -> Iterator[Finding]:
    """The database of studies, where RARENODE_STORAGE names one."""
    if not os.environ.get("RARENODE_STORAGE", "").strip():
        return
    from pipeline.study import places

    place = places.place(None, "study")
    if place.file is not None:
        yield Finding("storage", "ok", f"studies are kept in {place.file.parent}")
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    shown = without_secrets(place.url)
    try:
        settings = {"connect_timeout": int(PATIENCE)}
        create_engine(place.url, poolclass=NullPool, connect_args=settings).connect().close()
    except ImportError:
        remedy = install("teams")
        yield Finding("storage", "problem", "expected psycopg for PostgreSQL, found none", remedy)
    except SQLAlchemyError as error:
        yield Finding(
            "storage",
            "problem",
            f"expected a PostgreSQL database at {shown} (RARENODE_STORAGE), found: "
            f"{places.reason(error)}",
            "Start it, or correct RARENODE_STORAGE; docs/studies.md.",
        )
    else:
        yield Finding("storage", "ok", f"PostgreSQL at {shown} answers")


def dask() -> Iterator[Finding]:
    """The scheduler, where RARENODE_CLUSTER names one."""
    from pipeline.cluster import connection

    address = os.environ.get(connection.VARIABLE, "").strip()
    if not address:
        return
    connection.check_address(address)
    host, _, port = re.sub(r"^\w+://", "", address).rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except (OSError, OverflowError) as error:
        yield Finding(
            "dask",
            "problem",
            f"expected a Dask scheduler at {address} ({connection.VARIABLE}), found: {error}",
            "Start it with `dask scheduler`, and workers with `dask worker`.",
        )
    else:
        yield Finding("dask", "ok", f"something answers at {address}")


def _deployments(client: Any, deployments: list[dict[str, Any]]) -> Iterator[Finding]:
    """The schedules of this workspace, and who would run them."""
    here = str(Path.cwd())
    ours = [
        one for one in deployments if (one.get("job_variables") or {}).get("working_dir") == here
    ]
    if not ours:
        remedy = 'rarenode deploy --cron "0 3 * * 1"'
        yield Finding("deploy", "ok", "no schedule of this workspace", f"To make one: {remedy}")
        return
    idle: list[str] = []
    for pool in sorted({str(one.get("work_pool_name")) for one in ours}):
        answer = client.post(f"/work_pools/{pool}/workers/filter", json={})
        workers = answer.json() if answer.status_code == 200 else []
        if not any(worker.get("status") == "ONLINE" for worker in workers):
            idle.append(pool)
    said = f"{len(ours)} schedule{'s' if len(ours) > 1 else ''} of this workspace"
    if idle:
        yield Finding(
            "deploy",
            "warning",
            f"{said}, and no worker of the pool {several(idle)} is there: nothing runs",
            f"prefect worker start --pool {idle[0]}",
        )
    else:
        yield Finding("deploy", "ok", f"{said}, with workers")


def _prefect_api() -> tuple[str | None, dict[str, str]]:
    """The configured address and what lets us in.

    Prefect takes a second to import and makes its folder: it is asked only where some file may
    configure it.
    """
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", home / "profiles.toml")).expanduser()
    project = Path("pyproject.toml")
    if (
        profiles.is_file()
        or any(Path(name).is_file() for name in (".env", "prefect.toml"))
        or (project.is_file() and "[tool.prefect" in project.read_text("utf-8", "replace"))
    ):
        from prefect.settings import get_current_settings

        api = get_current_settings().api
        url = api.url
        auth = api.auth_string.get_secret_value() if api.auth_string is not None else None
        key = api.key.get_secret_value() if api.key is not None else None
    else:
        url = os.environ.get("PREFECT_API_URL") or None
        auth = os.environ.get("PREFECT_API_AUTH_STRING")
        key = os.environ.get("PREFECT_API_KEY")
    headers: dict[str, str] = {}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if auth:
        headers["Authorization"] = "Basic " + base64.b64encode(auth.encode()).decode()
    return url, headers


def _ask_remote(config: Any, name: str) -> bool | Exception:
    """Whether there is anything in a remote, or why that cannot be told."""
    answers: list[bool | Exception] = []

    def ask() -> None:
        try:
            from dvc.fs import get_cloud_fs

            kind: Any
            kind, settings, path = get_cloud_fs(config, name=name)
            kind(**settings).info(path)  # not `exists`, which of HTTP hides that nobody answers
            answers.append(True)
        except FileNotFoundError as error:
            why = error.__cause__
            if isinstance(why, Exception) and not isinstance(why, FileNotFoundError):
                answers.append(why)
            else:
                answers.append(False)
        except Exception as error:  # of whatever library speaks with it
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(REMOTE_PATIENCE)
    return answers[0] if answers else TimeoutError(f"no answer within {REMOTE_PATIENCE:.0f} s")
