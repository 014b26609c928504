"""The trials of a study as numbered slots: each is finished once, whoever dies on the way.

The one that leads the study enqueues a trial for each slot; workers only ever claim such a trial,
so that nobody makes one too many. A trial whose worker died is told FAIL, which nothing that this
worker may still write can change, and its slot gets another trial.
"""

import os
import socket
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import optuna
import psutil
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from pipeline.stages.journals import DIVERGED
from pipeline.study.places import Place

SLOT = "slot"
WORKER = "worker"  # HOST:PID:START:PIDS, the last being the namespace of process numbers
TRIALS = "trials"  # of the study: how many are asked for
JOINED = "joined"  # of the study: workers of others are there, or were
THREADS = "threads"  # of the study: those of its worker, where it has one alone


@dataclass(frozen=True)
class Opened:
    """A study and where it is kept."""

    study: optuna.Study
    place: Place
    storage: BaseStorage

    @property
    def name(self) -> str:
        """The study's."""
        return self.study.study_name

    def close(self) -> None:
        """Let go of the database."""
        if isinstance(self.storage, RDBStorage):
            self.storage.remove_session()
            self.storage.engine.dispose()

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """All trials, or those in these states, by number."""
        return self.study.get_trials(deepcopy=False, states=states or None)


def this_worker() -> str:
    """This process, unlike any other at any time."""
    started = round(psutil.Process().create_time())
    return f"{socket.gethostname()}:{os.getpid()}:{started}:{_process_numbers()}"


def _process_numbers() -> str:
    """Which processes have numbers of their own here: containers may share a name of their host."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:  # there are no such namespaces
        return "-"


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is finished, and its slot with it."""
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or DIVERGED in trial.user_attrs


def lost(trial: FrozenTrial) -> bool:
    """Whether a trial ended with its worker."""
    return trial.state == TrialState.FAIL and DIVERGED not in trial.user_attrs


def finished(trials: Iterable[FrozenTrial], total: int | None = None) -> dict[int, FrozenTrial]:
    """Slot -> its finished trial, by slot; with `total` the first so many slots."""
    found = {trial.user_attrs[SLOT]: trial for trial in trials if counts(trial)}
    return {slot: found[slot] for slot in sorted(found) if total is None or slot < total}


def fill(opened: Opened, total: int, start: dict[str, Any], *, ahead: int | None = None) -> None:
    """Enqueue a trial for each slot that has none; only whoever leads the study may.

    Args:
        opened: the study.
        total: number of slots.
        start: parameters of the first one. Those of a lost trial are drawn again: with one worker
            that gives the same ones, even if it died between two of them.
        ahead: at most so many trials that are not finished; None: all at once. With 1, the trials
            stand in the order of their slots, lost ones between them, as the sampler sees them.
    """
    with opened.place.claiming(opened.storage):  # nobody else fills meanwhile
        trials = opened.trials()
        taken = {trial.user_attrs[SLOT] for trial in trials if not lost(trial)}
        unfinished = sum(not trial.state.is_finished() for trial in trials)
        for slot in range(total):
            if slot in taken:
                continue
            if ahead is not None and unfinished >= ahead:
                return
            opened.study.enqueue_trial(start if slot == 0 else {}, user_attrs={SLOT: slot})
            unfinished += 1


def claim(opened: Opened, who: str, total: int) -> FrozenTrial | None:
    """Make the first waiting trial one's own; None if there is none."""
    storage = opened.study._storage  # pyright: ignore[reportPrivateUsage]
    with opened.place.claiming(opened.storage):
        waiting = [t for t in opened.trials(TrialState.WAITING) if t.user_attrs[SLOT] < total]
        if not waiting:
            return None
        first = min(waiting, key=lambda trial: trial.user_attrs[SLOT])
        # Before it runs: at no moment does a running trial have no owner.
        storage.set_trial_user_attr(trial_id(first), WORKER, who)
        beat(opened, first)
        try:
            won = storage.set_trial_state_values(trial_id(first), TrialState.RUNNING)
        except UpdateFinishedTrialError:
            return None
    return first if won else None


def beat(opened: Opened, trial: FrozenTrial) -> None:
    """Give a sign of life where others look for one."""
    if isinstance(opened.storage, RDBStorage) and opened.storage.get_heartbeat_interval():
        opened.storage.record_heartbeat(trial_id(trial))


def fail_lost(opened: Opened) -> list[int]:
    """Tell FAIL of trials whose worker is no more; return their slots.

    A worker of this machine is looked for among its processes. One of another machine is given
    up after `places.GRACE` seconds without a heartbeat in PostgreSQL. In a file there can be none.
    """
    before = {trial_id(t): t for t in opened.trials(TrialState.RUNNING)}
    for trial in before.values():
        if _gone(trial.user_attrs.get(WORKER, ""), shared=opened.place.file is None):
            give_up(opened, trial)
    if opened.place.file is None and before:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            optuna.storages.fail_stale_trials(opened.study)
    if not before:
        return []
    return [t.user_attrs[SLOT] for t in opened.trials() if trial_id(t) in before and lost(t)]


def give_up(opened: Opened, trial: FrozenTrial) -> None:
    """Tell FAIL of a running trial, unless it has just been finished."""
    storage = opened.study._storage  # pyright: ignore[reportPrivateUsage]
    try:
        storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
    except UpdateFinishedTrialError:
        pass


def trial_id(trial: FrozenTrial) -> int:
    """What the storage calls it."""
    return trial._trial_id  # pyright: ignore[reportPrivateUsage]


def _gone(worker: str, *, shared: bool) -> bool:
    host, _, rest = worker.partition(":")
    process, _, rest = rest.partition(":")
    start, _, numbers = rest.partition(":")
    if host != socket.gethostname() or numbers != _process_numbers():
        return not shared
    try:
        found = psutil.Process(int(process))
        # A clock that is set moves what the system says of the start; a number is not used again
        # that soon.
        another = abs(found.create_time() - float(start)) > 5
        return another or found.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except (ValueError, psutil.AccessDenied):
        return False
