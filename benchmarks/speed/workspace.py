"""A workspace in a temporary folder: the pipeline built once with a tiny budget, then left."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import flows  # noqa: F401  sets what Prefect and DVC read from the environment
from pipeline.config import edit

ROOT = Path(__file__).parents[2]
STAGES = 8  # as many as dvc.yaml has; a test compares

# What runs does not matter here, that nothing has to run again does.
TINY = {
    "prepare.max_features": 64,
    "tune.trials": 0,
    "train.members": 1,
    "train.kinds": ["network"],
    "train.cross_fit": False,
    "train.hidden": 8,
    "train.epochs": 1,
    "train.baselines": [],
    "evaluate.bootstrap": 20,
}
_PREFECT_ALONE = f"""
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import wait

@task(cache_policy=NO_CACHE, persist_result=False)
def nothing():
    pass

@flow(persist_result=False)
def empty():
    wait([nothing.submit() for _ in range({STAGES})])

empty()
"""
_BARE = "  s{0}:\n    cmd: echo {0} > s{0}\n    deps: [s{1}]\n    outs: [s{0}]\n"


class Workspace:
    """A copy of this working tree, built; and beside it a pipeline of stages that do nothing."""

    def __init__(self, folder: Path) -> None:
        """Build both; takes about a minute, and makes Prefect's database."""
        self.folder, self.bare = folder / "workspace", folder / "bare"
        self._environment = os.environ | {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(self.folder),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        }
        self._copy()
        self.run()
        self.bare.mkdir()
        (self.bare / "s0").write_text("", encoding="utf-8")
        stages = "".join(_BARE.format(number, number - 1) for number in range(1, STAGES + 1))
        (self.bare / "dvc.yaml").write_text(f"stages:\n{stages}", encoding="utf-8")
        self._git(self.bare)
        self._call(self.bare, sys.executable, "-m", "dvc", "init", "--quiet")
        self.repro_bare()

    def run(self) -> str:
        """`rarenode run`; what it printed."""
        return self._call(self.folder, str(Path(sys.executable).with_name("rarenode")), "run")

    def prefect_alone(self) -> str:
        """An empty flow with as many tasks, over the same database."""
        return self._call(self.folder, sys.executable, "-c", _PREFECT_ALONE)

    def repro(self) -> str:
        """`dvc repro`; what it printed."""
        return self._call(self.folder, sys.executable, "-m", "dvc", "repro")

    def repro_bare(self) -> str:
        """`dvc repro` of as many stages that do nothing, each after the other."""
        return self._call(self.bare, sys.executable, "-m", "dvc", "repro")

    def _copy(self) -> None:
        """What git tracks and what it would track, without what earlier runs made."""
        listed = self._call(ROOT, "git", "ls-files", "-z", "-co", "--exclude-standard")
        for name in filter(None, listed.split("\0")):
            if (ROOT / name).is_file() and name != "dvc.lock":
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.folder / name)
        edit.plan(TINY.items(), self.folder / "params.yaml").write()
        self._git(self.folder)

    def _git(self, folder: Path) -> None:
        identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
        for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "-mall")):
            self._call(folder, "git", *identity, *command)

    def _call(self, folder: Path, *command: str) -> str:
        done = subprocess.run(
            command, cwd=folder, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} in {folder}:\n{done.stdout}{done.stderr}")
        return done.stdout
