"""A worker: takes one trial of a study after the other, until none is left."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from pipeline.study import places, slots, studies
from pipeline.study.places import Place
from pipeline.study.slots import SLOT, Opened

_PAUSE = 0.2  # seconds until a worker without a trial looks again

# Given the slot and the trial, runs it; returns state and, of a complete one, the values.
Trial = Callable[[int, optuna.Trial], tuple[TrialState, list[float] | None]]


def work(
    storage: str, name: str, *, alone: bool = False, trial: Callable[[Opened], Trial] | None = None
) -> int:
    """Run the trials of a study until all are finished, by this worker or by others.

    Whoever leads the study (`lead.lead`) sees to trials whose worker died; a worker waits for them.
    It runs in the workspace that holds the study's data, params.yaml and code, on any machine.

    Args:
        storage: a `Place.url`.
        name: of the study, which has to be there.
        alone: no other worker is there, and a slot is enqueued when the one before is finished:
            then the study is reproducible to the byte.
        trial: makes what runs a trial, after the study has been opened; default: `ours.trial`.

    Returns:
        How many trials this worker has finished.

    Raises:
        RarenodeError: the place, the study or the workspace's data are not what they should be.
    """
    with closing(studies.load(Place(storage), name)) as opened:
        if trial is None:
            from pipeline.study.ours import trial  # torch takes seconds to import
        run, who, done = trial(opened), slots.this_worker(), 0
        while True:
            known = opened.study.user_attrs
            total = known[slots.TRIALS]
            if alone and not known.get(slots.JOINED):
                slots.fill(opened, total, known[studies.START], ahead=1)
            claimed = slots.claim(opened, who, total)
            if claimed is not None:
                done += _finish(opened, claimed, run)
            elif len(slots.finished(opened.trials(), total)) >= total:
                return done
            else:
                time.sleep(_PAUSE)


def _finish(opened: Opened, claimed: FrozenTrial, run: Trial) -> bool:
    """Run a trial; say whether it was still this worker's at its end."""
    study, slot = opened.study, claimed.user_attrs[SLOT]
    study.sampler = studies.sampler(study, slot)
    try:
        with _beating(opened, claimed):
            trial = optuna.Trial(study, slots.trial_id(claimed))
            state, values = run(slot, trial)
            study.tell(trial, values, state=state)
    except (UpdateFinishedTrialError, ValueError) as error:
        # Taken for dead, it was given to another one.
        if isinstance(error, ValueError) and not _taken(opened, claimed):
            slots.give_up(opened, claimed)
            raise
        return False
    except BaseException:
        with suppress(Exception):  # what ended the trial is what has to be known
            slots.give_up(opened, claimed)
        raise
    return True


def _taken(opened: Opened, claimed: FrozenTrial) -> bool:
    return next(
        slots.lost(t) for t in opened.trials() if slots.trial_id(t) == slots.trial_id(claimed)
    )


@contextmanager
def _beating(opened: Opened, claimed: FrozenTrial) -> Iterator[None]:
    """Give signs of life while the block runs, where somebody looks for them."""
    if opened.place.file is not None:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(places.HEARTBEAT):
            # A database that is away for a moment must not end what gives the signs.
            with suppress(Exception):
                slots.beat(opened, claimed)

    thread: Any = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
