"""Real servers that the tests start themselves, on free ports: Prefect and a worker, PostgreSQL."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.flows.conftest import ROOT, workspace  # noqa: F401  a fixture
from tests.services import postgresql

PREFECT = Path(sys.executable).with_name("prefect")
QUICK = {  # else a test would wait for the server's loops
    "PREFECT_SERVER_SERVICES_SCHEDULER_RECENT_DEPLOYMENTS_LOOP_SECONDS": "1",
    "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True)
class Server:
    """A Prefect server and how to talk to it."""

    url: str
    environment: dict[str, str]
    login: tuple[str, str] | None = None

    def post(self, path: str, **body: Any) -> Any:
        return self._ask("POST", path, json=body)

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """The runs of a deployment that are no longer only scheduled, the oldest first."""
        found = self.post(
            "flow_runs/filter",
            deployments={"name": {"any_": [deployment]}},
            sort="EXPECTED_START_TIME_ASC",
        )
        return [run for run in found if run["state_name"] != "Scheduled"]

    def tasks(self, run: dict[str, Any]) -> dict[str, str]:
        """The state names of a run's tasks."""
        found = self.post("task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
        return {task["name"]: task["state_name"] for task in found}

    def rarenode(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command in the current folder."""
        code = "import sys; from pipeline.cli import main; sys.exit(main())"
        return self._do(sys.executable, "-c", code, *arguments)

    def prefect(self, *arguments: str) -> str:
        done = self._do(str(PREFECT), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def deployment(self, name: str) -> dict[str, Any]:
        """What the server knows of a deployment; `name` is the flow's, a slash, and its own."""
        return self._ask("GET", f"deployments/name/{name}")

    def start(self, deployment: str) -> None:
        """Ask for a run now."""
        number = self.deployment(deployment)["id"]
        self.post(f"deployments/{number}/create_flow_run", idempotency_key=uuid.uuid4().hex)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}/{path}"
        for _ in range(10):  # under load it may be long, or SQLite locked: Prefect asks again, too
            with contextlib.suppress(httpx.TimeoutException):
                response = httpx.request(method, url, timeout=60, auth=self.login, **options)
                if response.status_code != 503:
                    response.raise_for_status()
                    return response.json()
            time.sleep(1)
        raise AssertionError(f"{url} does not answer")

    def _do(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            env=self.environment | {"PWD": os.getcwd()},  # as a shell does; prefect.yaml reads it
            capture_output=True,
            text=True,
            timeout=200,
        )


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests."""
    home = tmp_path_factory.mktemp("prefect")
    with running_server(home) as server:
        yield server


@pytest.fixture(scope="session")
def worker(prefect: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A worker of the pool `rarenode`, for all tests."""
    with running_worker(prefect, tmp_path_factory.mktemp("worker")):
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """The URL of a PostgreSQL database, with the password in it."""
    with postgresql.cluster() as url:
        yield url


@contextmanager
def running_worker(server: Server, folder: Path) -> Iterator[None]:
    """A worker of the pool `rarenode`; a run that it has begun ends with it."""
    command = [str(PREFECT), "worker", "start", "--pool", "rarenode", "--type", "process"]
    with _process(command, folder, server.environment):
        yield


@pytest.fixture
def database(cluster: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a PostgreSQL database, with the password in it; PGPASSWORD is forgotten after."""
    monkeypatch.setenv("PGPASSWORD", "to be forgotten")
    monkeypatch.delenv("PGPASSWORD")
    return cluster


@contextmanager
def running_server(home: Path, **settings: str) -> Iterator[Server]:
    """A server whose state is in `home`, with settings of Prefect's on top."""
    port = postgresql.free_port()
    url = f"http://127.0.0.1:{port}/api"
    named = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment = (
        named
        | QUICK
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": url,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            **settings,
        }
    )
    command = [str(PREFECT), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with _process(command, home, environment) as (_, log):
        until(lambda: _healthy(url), 120, log.read_text)
        yield Server(url, environment)


@contextmanager
def _process(
    command: list[str], folder: Path, environment: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = folder / "output.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        children = []
        try:
            yield process, log
        finally:
            children = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for child in children:
                if child.is_running():
                    child.kill()


def _healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.HTTPError:
        return False


def until(
    happens: Callable[[], Any], seconds: float, explain: Callable[[], str] = lambda: ""
) -> Any:
    """What `happens` returns once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := happens():
            return found
        time.sleep(0.5)
    raise AssertionError(f"did not happen within {seconds} s\n{explain()}")
