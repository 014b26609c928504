"""Every slot is finished once, whoever dies on the way."""

import os
import socket
import threading
from collections.abc import Iterator

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from pipeline.stages.journals import DIVERGED
from pipeline.study import places, slots, worker
from pipeline.study.slots import SLOT, Opened
from tests.study import crews

NUMBERS = slots.this_worker().rpartition(":")[2]
DEAD = f"{socket.gethostname()}:{2**22 + 1}:1:{NUMBERS}"  # no process has such a number


@pytest.fixture(params=["sqlite", "journal"])
def study(request: pytest.FixtureRequest) -> Iterator[Opened]:
    found = crews.opened(request.param, "x")
    yield found
    found.close()


def slots_of(trials: list[FrozenTrial]) -> list[int]:
    return [trial.user_attrs[SLOT] for trial in trials]


def claimed(study: Opened, who: str, total: int = 3) -> FrozenTrial:
    found = slots.claim(study, who, total)
    assert found is not None
    return found


def finish(study: Opened, trial: FrozenTrial) -> None:
    study.study.tell(trial.number, 1.0)


def test_filling_again_changes_nothing_and_more_slots_are_added(study: Opened):
    for total in (3, 3, 5, 2):
        slots.fill(study, total, {"x": 0.5})
    waiting = study.trials(TrialState.WAITING)
    assert slots_of(waiting) == [0, 1, 2, 3, 4]
    assert [trial.system_attrs["fixed_params"] for trial in waiting] == [{"x": 0.5}, *[{}] * 4]


def test_two_that_fill_at_once_give_no_slot_twice(study: Opened):
    threads = [threading.Thread(target=slots.fill, args=(study, 3, {})) for _ in range(2)]
    with study.place.claiming(study.storage):
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        assert study.trials() == []
    for thread in threads:
        thread.join(20)
    assert slots_of(study.trials()) == [0, 1, 2]


def test_each_trial_has_one_owner_and_nobody_makes_one_too_many(study: Opened):
    slots.fill(study, 3, {})
    assert slots_of([claimed(study, f"worker {n}") for n in range(3)]) == [0, 1, 2]
    assert slots.claim(study, "late", 3) is None
    running = study.trials(TrialState.RUNNING)
    assert [t.user_attrs[slots.WORKER] for t in running] == ["worker 0", "worker 1", "worker 2"]
    assert len(study.trials()) == 3


def test_slots_beyond_what_is_asked_for_are_left_alone(study: Opened):
    slots.fill(study, 3, {})
    claimed(study, "a", total=1)
    assert slots.claim(study, "a", 1) is None


def test_the_slot_of_a_dead_worker_gets_another_trial_and_that_of_a_living_one_does_not(
    study: Opened,
):
    slots.fill(study, 3, {})
    claimed(study, slots.this_worker())
    lost = claimed(study, DEAD)
    assert slots.fail_lost(study) == [1]
    assert slots.fail_lost(study) == []
    slots.fill(study, 3, {})
    assert slots_of(study.trials(TrialState.WAITING)) == [2, 1]
    assert slots_of([claimed(study, "b"), claimed(study, "c")]) == [1, 2]  # it comes first
    (failed,) = study.trials(TrialState.FAIL)
    assert failed.number == lost.number
    assert slots.lost(failed)
    assert slots.finished(study.trials()) == {}


@pytest.mark.parametrize(
    "who",
    [
        "another-host:1:1",
        "",
        f"{socket.gethostname()}:{os.getpid()}:1:{NUMBERS}",  # another process had this number
    ],
    ids=["another host", "nobody", "an earlier process"],  # the same in every process of pytest
)
def test_in_a_file_there_is_no_worker_of_another_machine(study: Opened, who: str):
    slots.fill(study, 1, {})
    claimed(study, who, total=1)
    assert slots.fail_lost(study) == [0]


def test_a_worker_of_another_container_is_not_looked_for_among_the_processes_here(
    study: Opened, monkeypatch: pytest.MonkeyPatch
):
    """With the host's name, as those that share its network have it; only a database tells."""
    slots.fill(study, 2, {})
    elsewhere = claimed(study, f"{socket.gethostname()}:{2**22 + 1}:1:1", total=2)
    claimed(study, DEAD, total=2)
    monkeypatch.setattr(places.Place, "file", None)
    monkeypatch.setattr(optuna.storages, "fail_stale_trials", lambda study: None)
    assert slots.fail_lost(study) == [1]
    assert [t.number for t in study.trials(TrialState.RUNNING)] == [elsewhere.number]


def test_a_worker_that_was_taken_for_dead_changes_nothing(study: Opened):
    slots.fill(study, 1, {})
    study.study.set_user_attr(slots.TRIALS, 1)

    def taken(opened: Opened) -> worker.Trial:
        def run(slot: int, trial: optuna.Trial) -> tuple[TrialState, list[float] | None]:
            (running,) = study.trials(TrialState.RUNNING)
            slots.give_up(study, running)
            slots.fill(study, 1, {})
            other = claimed(study, "other", total=1)
            finish(study, other)
            with pytest.raises(UpdateFinishedTrialError):
                trial.set_user_attr("late", True)
            return TrialState.COMPLETE, [7.0]

        return run

    assert worker.work(study.place.url, "x", trial=taken) == 0
    (found,) = slots.finished(study.trials()).values()
    assert found.values == [1.0]


def test_a_trial_with_an_error_of_ours_is_given_back(study: Opened):
    slots.fill(study, 1, {})
    study.study.set_user_attr(slots.TRIALS, 1)

    def broken(opened: Opened) -> worker.Trial:
        def run(slot: int, trial: optuna.Trial) -> tuple[TrialState, list[float] | None]:
            raise ValueError("broken")

        return run

    with pytest.raises(ValueError, match="broken"):
        worker.work(study.place.url, "x", trial=broken)
    (trial,) = study.trials()
    assert slots.lost(trial)


def test_a_trial_that_diverged_is_finished(study: Opened):
    slots.fill(study, 1, {})
    trial = optuna.Trial(study.study, slots.trial_id(claimed(study, "a", total=1)))
    trial.set_user_attr(DIVERGED, "not finite")
    study.study.tell(trial, state=TrialState.FAIL)
    slots.fill(study, 1, {})
    assert len(study.trials()) == 1
    assert list(slots.finished(study.trials())) == [0]


def test_one_at_a_time_keeps_the_slots_in_order_whatever_was_lost(study: Opened):
    for _ in range(2):
        slots.fill(study, 3, {}, ahead=1)
    assert slots_of(study.trials()) == [0]
    finish(study, claimed(study, "a"))
    slots.fill(study, 3, {}, ahead=1)
    slots.give_up(study, claimed(study, "a"))
    for _ in range(2):
        slots.fill(study, 3, {}, ahead=1)
        finish(study, claimed(study, "b"))
    assert slots_of(study.trials()) == [0, 1, 1, 2]
    assert slots_of([*slots.finished(study.trials()).values()]) == [0, 1, 2]
