"""A workspace with tiny prepared data and its params.yaml, and a worker in this very process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.artifacts import prepared
from pipeline.hml import train
from pipeline.study import command, ours, worker
from pipeline.study.results import FOLDER
from pipeline.study.slots import Opened
from tests.stages.problem import prepared_problem

PARAMS = """\
# which data
dataset: toy
profile: quick
seed: 0
tune:
  trials: 6 # per method
  members: 2
train:
  members: 4
  hidden: 8
  epochs: 4 # at most
  batch_size: 16
  learning_rate: 0.005 # where the study starts
  weighting:
    variant: paper
    floor: 1.0
evaluate:
  bootstrap: 20
"""
OUTPUTS = ("index.html", "params.patch", "trials.csv", "trials.json")


def fresh(folder: Path, params: str = PARAMS) -> None:
    """A folder with prepared data, which the caller makes the current one."""
    folder.mkdir(exist_ok=True)
    prepared.write(prepared_problem(), folder / "data" / "prepared")
    (folder / "params.yaml").write_text(params, encoding="utf-8")


class InProcess:
    """A crew of one, which is this process."""

    def __init__(self, opened: Opened, *, alone: bool = True) -> None:
        self.alone = alone
        self._opened = opened

    def tend(self, finished: int) -> None:
        worker.work(self._opened.place.url, self._opened.name, alone=self.alone)

    def end(self) -> None: ...


def study(**asked: Any) -> int:
    """What the command does, without processes."""
    asked = {"storage": "journal"} | asked  # the quickest
    return command.run(command.Asked(**asked), InProcess)


def outputs() -> dict[str, bytes]:
    return {name: (FOLDER / name).read_bytes() for name in OUTPUTS}


class CutOff(BaseException):
    """Like a kill: nothing but the operating system is told."""


def counting(patch: Any, *, stop_at: int = 0) -> Callable[[], int]:
    """Count the trainings; the `stop_at`-th is cut off after its first epoch."""
    calls: list[int] = []

    def counted(*arguments: Any, on_epoch: Any, **options: Any) -> Any:
        calls.append(1)
        number = len(calls)

        def after_epoch(epoch: int, networks: Any) -> None:
            try:
                on_epoch(epoch, networks)
            finally:  # even where the trial was about to be pruned
                if number == stop_at:
                    raise CutOff

        return train(*arguments, on_epoch=after_epoch, **options)

    patch.setattr(ours, "train", counted)
    return lambda: len(calls)
