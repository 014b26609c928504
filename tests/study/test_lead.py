"""Workers are processes: they are replaced, they end with the study, and with whoever leads it."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from pipeline.errors import ConfigError, WorkspaceError
from pipeline.study import command, lead, page, places, slots, studies
from pipeline.study.results import FOLDER
from tests.study import crews
from tests.study.workspace import PARAMS, fresh

LEADER = """
import sys
from pipeline.study import lead
from tests.study import crews
study = crews.opened(sys.argv[1], "x")
crew = crews.Sleepers(study, 2, 0.2)
lead.lead(study, crew, 400)
"""


def started(storage: str) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A command that leads a study, and its workers."""
    command = [sys.executable, "-c", LEADER, storage]
    process = subprocess.Popen(command, env={"PYTHONPATH": str(crews.ROOT)})
    for _ in range(300):
        workers = psutil.Process(process.pid).children()
        file = Path(f".rarenode/studies/x.{'db' if storage == 'sqlite' else storage}")
        if len(workers) == 2 and file.exists():
            study = crews.opened(storage, "x")
            done = len(slots.finished(study.trials()))
            study.close()
            if done >= 3:
                return process, workers
        time.sleep(0.1)
    process.kill()
    raise AssertionError("the study did not start")


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_every_slot_is_finished_once_although_a_worker_is_killed(storage: str):
    study = crews.opened(storage, "x")
    crew = crews.Sleepers(study, 3, 0.2, kill_after=4)
    lead.lead(study, crew, 16)
    trials = study.trials()
    done = [trial for trial in trials if slots.counts(trial)]
    assert sorted(trial.user_attrs[slots.SLOT] for trial in done) == [*range(16)]
    (lost,) = (trial for trial in trials if slots.lost(trial))
    assert f":{crew.killed[0]}:" in lost.user_attrs[slots.WORKER]
    assert len(trials) == 17
    assert crew.pids == []
    study.close()


def test_workers_end_with_a_leader_that_is_killed_and_the_study_goes_on():
    process, workers = started("journal")
    process.kill()
    process.wait()
    assert psutil.wait_procs(workers, timeout=10)[1] == []
    study = crews.opened("journal", "x")
    before = slots.finished(study.trials())
    lead.lead(study, crews.Sleepers(study, 2, 0.0), len(before) + 4)
    after = slots.finished(study.trials())
    assert len(after) == len(before) + 4
    for slot, trial in before.items():  # none is lost, none repeated
        assert after[slot].number == trial.number


def test_a_crew_that_dies_again_and_again_is_given_up_with_what_it_said():
    study = crews.opened("journal", "x")
    code = "import sys; print('no such luck', file=sys.stderr); sys.exit(9)"
    crew = lead.Processes(study, 2, command=[sys.executable, "-c", code])
    with pytest.raises(lead.StudyFailed, match=r"(?s)5 workers ended .*code 9.*no such luck"):
        lead.lead(study, crew, 3)
    assert crew.pids == []
    # Another command's workers in this workspace, which may join, write elsewhere.
    logs = sorted(file.name for file in lead.LOGS.iterdir())
    assert logs == [f"study-worker-{os.getpid()}-{place}.log" for place in (1, 2)]


def test_the_one_worker_of_a_study_has_as_many_threads_as_when_it_began(
    monkeypatch: pytest.MonkeyPatch,
):
    study = crews.opened("journal", "x")
    code = "import os; print(os.environ['OMP_NUM_THREADS'], file=open('threads', 'a')); os._exit(2)"
    for threads in ("3", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        crew = lead.Processes(study, 1, alone=True, command=[sys.executable, "-c", code])
        with pytest.raises(WorkspaceError):
            lead.lead(study, crew, 1)
    assert Path("threads").read_text().split() == ["3", "3"]
    assert not any(lead.LOGS.iterdir())  # of a worker that said nothing nothing is kept


def test_a_worker_that_refuses_ends_the_study_with_its_message():
    study = crews.opened("journal", "x")
    code = "import sys; print('expected a, found b', file=sys.stderr); sys.exit(2)"
    crew = lead.Processes(study, 2, command=[sys.executable, "-c", code])
    with pytest.raises(WorkspaceError, match=r"^expected a, found b$"):
        lead.lead(study, crew, 3)


def test_a_trial_that_every_worker_dies_of_ends_the_study():
    study = crews.opened("journal", "x")
    code = (
        "import os; from pipeline.study import slots; from tests.study import crews; "
        "s = crews.opened('journal', 'x'); slots.claim(s, slots.this_worker(), 3); os._exit(1)"
    )

    class Mortal(crews.Sleepers):
        def tend(self, finished: int) -> None:
            lead.Processes.tend(self, finished)

    crew = Mortal(study, 1, 0.0)
    crew.alone, crew._command = False, [sys.executable, "-c", code]
    with pytest.raises(lead.StudyFailed):
        lead.lead(study, crew, 3)
    assert slots.finished(study.trials()) == {}


def test_the_product_s_own_workers_finish_what_is_asked_for_in_processes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    fresh(folder)
    monkeypatch.setenv("PYTHONPATH", str(crews.ROOT))
    monkeypatch.setattr(page, "render", lambda *what: "")
    asked = command.Asked(trials=3, workers=2, storage="journal", name="mine")
    assert command.run(asked) == 0
    found = json.loads((FOLDER / "trials.json").read_text(encoding="utf-8"))["trials"]
    assert [trial["number"] for trial in found] == [0, 1, 2]

    # A worker looks at what it would train with: it may be another machine's.
    Path("params.yaml").write_text(PARAMS.replace("hidden: 8", "hidden: 9"), encoding="utf-8")
    study = studies.load(places.place("journal", "mine"), "mine")
    with pytest.raises(WorkspaceError, match=r"differs in train\.hidden \(8 there, 9 here\)"):
        lead.lead(study, lead.Processes(study, 1), 4)
    with pytest.raises(ConfigError, match=r"differs in train\.hidden"):
        command.join(asked)


def test_workers_that_join_help_a_study_to_its_end(capsys: pytest.CaptureFixture[str]):
    study = crews.opened("journal", "x")
    slots.fill(study, 6, {})
    study.study.set_user_attr(slots.TRIALS, 6)
    with study.place.leading(study.storage, "x"):
        lead.join(study, crews.Sleepers(study, 2, 0.1))
    assert sorted(slots.finished(study.trials())) == [*range(6)]
    assert len(study.trials()) == 6
    assert study.study.user_attrs[slots.JOINED]
    assert "study x: 6/6 trials" in capsys.readouterr().out


@pytest.mark.parametrize("storage", ["sqlite", "journal"])
def test_workers_that_join_end_where_nobody_leads(storage: str):
    study = crews.opened(storage, "x")
    with pytest.raises(WorkspaceError, match="expected a command that leads the study x, found no"):
        lead.join(study, crews.Sleepers(study, 1, 0.0))  # none has ever led it
    study.study.set_user_attr(slots.TRIALS, 6)
    with pytest.raises(WorkspaceError, match="expected a command that leads"):
        lead.join(study, crews.Sleepers(study, 1, 0.0))
    assert slots.JOINED not in study.study.user_attrs

    leader = ExitStack()
    leader.enter_context(study.place.leading(study.storage, "x"))

    class Left(crews.Sleepers):
        def tend(self, finished: int) -> None:
            super().tend(finished)
            leader.close()

    crew = Left(study, 1, 0.0)
    with leader, pytest.raises(WorkspaceError, match="expected a command that leads"):
        lead.join(study, crew)
    assert crew.pids == []
    study.close()


def test_whoever_leads_no_longer_hands_out_nothing_more():
    study = crews.opened("journal", "x")

    def look() -> None:
        raise WorkspaceError("somebody else leads")

    with pytest.raises(WorkspaceError, match="somebody else leads"):
        lead.lead(study, crews.Sleepers(study, 2, 0.0), 3, look=look)
    assert study.trials() == []


def test_a_study_with_one_worker_that_others_joined_still_gives_lost_trials_to_somebody():
    study = crews.opened("journal", "x")
    slots.fill(study, 3, {})
    assert slots.claim(study, "gone:1:1", 3) is not None
    study.study.set_user_attr(slots.JOINED, True)
    lead.lead(study, crews.Sleepers(study, 1, 0.0), 5)
    assert sorted(slots.finished(study.trials())) == [*range(5)]
    assert len(study.trials()) == 6
