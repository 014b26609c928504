"""A worker's processes: each piece of work has one, as it has where there is no cluster.

A process of its own has the threads that the work is to have, whatever the worker has, and takes
the worker along neither with a fault nor with too much memory.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from pipeline import parent

_PAUSE = 1.0  # seconds between two looks whether the work is still wanted
_ROOT = Path(__file__).parents[2]  # of the code, which need not be installed


class NotWanted(Exception):
    """The work was taken back."""


def folder() -> Path:
    """The workspace of this worker, in the folder that Dask removes with it."""
    from distributed import get_worker

    return Path(get_worker().local_directory) / "rarenode"


def run(
    module: str, arguments: list[str], folder: Path, threads: int, variables: Mapping[str, str]
) -> tuple[int, str]:
    """Run a module as a process and wait for its end, or end it if nobody wants it any more.

    Args:
        module: as after `python -m`.
        arguments: of the module.
        folder: that it runs in.
        threads: of its own; results depend on them in the last bits.
        variables: of the environment.

    Returns:
        exit status, and everything it wrote.

    Raises:
        NotWanted: the task was cancelled.
    """
    count = str(threads)
    places = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(places),
        "PYTHONIOENCODING": "utf-8",
        # Dask's nanny sets all of them, to 1.
        **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), count),
        parent.VARIABLE: "1",
        **variables,
    }
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its whole group can be ended
        )
        with process:
            status = _waited(process)
        return status, _text(output)


def _waited(process: "subprocess.Popen[bytes]") -> int:
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    while True:
        try:
            return process.wait(_PAUSE)
        except subprocess.TimeoutExpired:
            task = worker.state.tasks.get(key)
            if task is None or task.state != "executing":
                os.killpg(process.pid, signal.SIGKILL)
                raise NotWanted(key) from None


def _text(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", errors="replace")
