"""A process that nobody waits for any more ends, with its children where they are its alone."""

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pipeline import parent

ROOT = Path(__file__).parents[1]
CODE = """
import subprocess, sys, time
from pipeline import parent
parent.end_with_parent({})
child = subprocess.Popen(["sleep", "60"], stdin=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(60)
"""


def gone(process: psutil.Process) -> bool:
    psutil.wait_procs([process], 10)
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(("asked", "leads"), [(True, True), (False, True), (False, False)])
def test_a_process_ends_with_its_parent(asked: bool, leads: bool):
    variables = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [sys.executable, "-c", CODE.format("" if asked else "unasked=True")],
        env=variables | ({parent.VARIABLE: "1"} if asked else {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=leads,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.stdin.write(b"a word is no end\n")
        process.stdin.close()
        process.wait(30)
        if not leads:
            assert child.is_running()  # nor is it ours to end, in a group of others
            child.kill()
        assert gone(child)


def test_a_process_that_is_not_asked_reads_on():
    code = "import sys\nfrom pipeline import parent\nparent.end_with_parent()\nsys.exit(7)\n"
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, input=b"", check=False)
    assert done.returncode == 7
