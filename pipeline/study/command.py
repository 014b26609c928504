"""`rarenode study`: a study from its trials to a change of params.yaml."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from flows import guard
from pipeline.artifacts import files
from pipeline.config import Config, edit, load, parse
from pipeline.errors import ConfigError, RarenodeError, WorkspaceError, absent
from pipeline.study import lead, page, places, results, slots, studies
from pipeline.study.places import Place
from pipeline.study.results import FOLDER, Row
from pipeline.study.slots import Opened


@dataclass(frozen=True)
class Asked:
    """What the command was asked for; None: as it is, or as params.yaml has it."""

    trials: int | None = None
    workers: int = 1
    storage: str | None = None
    name: str | None = None
    objectives: tuple[str, ...] | None = None
    choose: int | None = None
    apply: bool = False


def check(asked: Asked) -> None:
    """Refuse what can be refused before there are data.

    Raises:
        RarenodeError: params.yaml is not fit for a study, or the storage cannot be had.
    """
    config = load()
    _check(config, asked.objectives or (config.tune.objective,))
    place = places.place(asked.storage, asked.name or "study")
    if place.file is None:
        storage = place.storage()
        assert isinstance(storage, RDBStorage)
        storage.engine.dispose()


def run(asked: Asked, crew: Callable[[Opened], lead.Crew] | None = None) -> int:
    """Run what is missing of a study, write reports/study, and print what came out.

    Args:
        asked: the options.
        crew: makes the workers; default: processes of this machine.

    Returns:
        0, or 1 if workers ended again and again.

    Raises:
        RarenodeError: something that the user can mend.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    config, name, place, found = _study_of(asked)
    start = {"learning_rate": config.train.learning_rate}
    start |= config.train.weighting.model_dump(exclude={"kind", "reduction", "start"})
    with _reachable(place), closing(_opened(asked, place, name, found, start)) as opened:
        studies.check(opened, found)
        total = _total(asked, opened, config)
        if asked.choose is not None:  # before anything runs
            rows = results.rows(opened.trials(), found["objectives"], total)
            results.winner(rows, asked.choose)
        make = crew or (
            lambda opened: lead.Processes(opened, asked.workers, alone=asked.workers == 1)
        )
        with place.leading(opened.storage, name) as look:
            try:
                lead.lead(opened, make(opened), total, note=_best(found["objectives"]), look=look)
            except lead.StudyFailed as failure:
                print(f"{failure}\nThe output of each worker: {lead.LOGS}", file=sys.stderr)
                return 1
            except KeyboardInterrupt:
                with suppress(Exception):
                    slots.fail_lost(opened)  # so that no dashboard shows them running for ever
                raise
        return _conclude(asked, config, opened, total)


def join(asked: Asked) -> int:
    """Add workers to a study that another command leads, until it is finished.

    Raises:
        RarenodeError: there is none, or it is of something else than what is here.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    _, name, place, found = _study_of(asked)
    with _reachable(place), closing(studies.load(place, name)) as opened:
        studies.check(opened, found)
        try:
            lead.join(opened, lead.Processes(opened, asked.workers))
        except lead.StudyFailed as failure:
            print(failure, file=sys.stderr)
            return 1
    print(f"{name} is finished. The command that leads it writes {FOLDER}.")
    return 0


def dashboard(asked: Asked, port: int) -> int:
    """Show a study with optuna-dashboard, on this machine alone, until Ctrl-C.

    Raises:
        RarenodeError: there is no such study, or no dashboard.
    """
    _, name, place, _ = _study_of(asked)
    with _reachable(place):
        studies.load(place, name).close()
    program = _dashboard_program()
    if not program.exists():
        message = absent("optuna-dashboard", "which shows a study", "teams")
        raise ConfigError(f"--dashboard: {message}")
    print(f"{name} on http://127.0.0.1:{port}, until Ctrl-C", flush=True)
    command = [str(program), *place.dashboard(), "--host", "127.0.0.1", "--port", str(port)]
    guard.start()
    with subprocess.Popen(command) as process:
        guard.watch(process.pid)
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            return 0
        finally:
            guard.forget(process.pid)


def _study_of(asked: Asked) -> tuple[Config, str, Place, studies.Identity]:
    """The parameters, and name, place and identity of the study that is asked for."""
    config = load()
    objectives = asked.objectives or (config.tune.objective,)
    _check(config, objectives)
    found = studies.identity(config, objectives)
    name = asked.name or studies.name_of(config, found)
    return config, name, places.place(asked.storage, name), found


def _opened(
    asked: Asked, place: Place, name: str, found: studies.Identity, start: dict[str, Any]
) -> Opened:
    """The study, begun unless a trial of it is chosen: then it has to be there."""
    if asked.choose is not None:
        return studies.load(place, name)
    return studies.create(place, name, found, start)


def _check(config: Config, objectives: Sequence[str]) -> None:
    """Refuse what would be refused after the last trial.

    Raises:
        ConfigError: the study would start outside of its space, or choose what cannot be trained.
    """
    if len({*objectives}) < len(objectives):
        raise ConfigError(f"--objectives: expected each once, found {' '.join(objectives)}")
    values = config.model_dump(by_alias=True)
    values["tune"]["trials"], values["train"]["baselines"] = 1, []
    parse(values, "params.yaml, for a study")
    for variant in config.tune.search.variant:
        if f"weighted/{variant}" in config.train.baselines:
            raise ConfigError(
                f"train.baselines must not hold what the study may choose, found "
                f"'weighted/{variant}' there and {variant} in tune.search.variant"
            )


def _total(asked: Asked, opened: Opened, config: Config) -> int:
    total = asked.trials or opened.study.user_attrs.get(slots.TRIALS) or config.tune.trials
    if not total:
        raise ConfigError("expected --trials, or tune.trials above 0, found neither")
    return int(total)


def _conclude(asked: Asked, config: Config, opened: Opened, total: int) -> int:
    """Write what was found in so many trials, which may be fewer than there are, and say it."""
    objectives = opened.study.user_attrs[studies.OF]["objectives"]
    trials = [trial for trial in opened.trials() if trial.user_attrs[slots.SLOT] < total]
    rows = results.rows(trials, objectives, total)
    chosen = results.winner(rows, asked.choose)
    planned = edit.plan(results.changes(chosen, config))
    patch = planned.patch()
    now: dict[str, Any] = config.train.weighting.model_dump()
    now |= {"learning_rate": config.train.learning_rate, "epochs": config.train.epochs}
    with files.whole_folder(FOLDER) as folder:
        about = {"objectives": objectives, "of": opened.study.user_attrs[studies.OF]}
        results.write_tables(folder, rows, chosen, about)
        (folder / "params.patch").write_text(patch, encoding="utf-8")
        shares = page.importances(trials, objectives)
        html = page.render(opened.name, rows, chosen, objectives, shares, now, patch)
        (folder / "index.html").write_text(html, encoding="utf-8")
    _say(opened, trials, rows, chosen)
    print("\n".join(planned.diff()) or "params.yaml has these very values.")
    if asked.apply:
        planned.write()
        print("params.yaml is changed: `rarenode run` trains with these values.")
    elif patch:
        print(f"To take it: git apply {FOLDER / 'params.patch'}")
    return 0


def _say(opened: Opened, trials: Sequence[FrozenTrial], rows: Sequence[Row], chosen: Row) -> None:
    counts = results.state_counts(trials)
    values = ", ".join(f"{name} {value:.4f}" for name, value in chosen["values"].items())
    said = ", ".join(f"{number} {state}" for state, number in counts.items() if number)
    print(f"{opened.name}: {len(rows)} trials finished ({said})")
    print(f"Best: trial {chosen['number']}, {values}, {chosen['epochs']} epochs")
    if len(chosen["values"]) > 1:
        best = results.front(rows)
        print(f"Beaten by none in both: trials {', '.join(str(row['number']) for row in best)}")
    print(f"Page: {FOLDER / 'index.html'}")
    program = os.path.relpath(_dashboard_program())
    print(f"Dashboard: {program} {' '.join(opened.place.dashboard())}")


def _best(objectives: Sequence[str]) -> Callable[[list[FrozenTrial]], str]:
    def note(finished: list[FrozenTrial]) -> str:
        rows = results.rows(finished, objectives)
        try:
            values = results.winner(rows)["values"]
        except RarenodeError:
            return ""
        return "best " + ", ".join(f"{name} {value:.4f}" for name, value in values.items())

    return note


class _reachable:
    """Turns what a database says when it goes away into one message."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if isinstance(error, StorageInternalError | SQLAlchemyError):
            raise WorkspaceError(
                f"expected the study's storage {self._place.url} to stay there, found: "
                f"{places.reason(error.__cause__ or error)}. "
                "The same command goes on where it stopped."
            ) from None


def _dashboard_program() -> Path:
    return Path(sys.executable).parent / "optuna-dashboard"
