"""A PostgreSQL cluster of its own, on loopback, gone after the tests."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "secret-of-the-tests"


def binaries() -> Path:
    """The newest of Debian's versions; tests/services/install brings one."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[4])
    )
    assert found, "expected PostgreSQL's server, found none: run tests/services/install"
    return found[-1].parent


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@contextmanager
def cluster() -> Iterator[str]:
    """The URL of an empty database, with the password in it."""
    folder = Path(tempfile.mkdtemp(prefix="rarenode-postgresql-"))
    try:
        if os.getuid() == 0:  # which the server refuses to be
            shutil.chown(folder, "postgres", "postgres")
        data, port = folder / "data", free_port()
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        arguments = ["--username=study", "--auth=scram-sha-256", f"--pwfile={secret}"]
        _run("initdb", f"--pgdata={data}", *arguments, "--no-sync", "--encoding=UTF8")
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        started = ["-D", str(data), "-l", str(folder / "log"), "-w", "-o", options]
        _run("pg_ctl", *started, "start")
        try:
            yield f"postgresql://study:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def _run(program: str, *arguments: str) -> None:
    user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    done = subprocess.run(
        [*user, str(binaries() / program), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        cwd="/",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{program}: {(done.stdout or b'').decode()}"
