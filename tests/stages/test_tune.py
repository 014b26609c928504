"""The study: fair, blind to the test split, and the same after being cut off."""

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.artifacts import cost, files, paths, prepared
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.stages import trials as trials_module
from pipeline.stages import tune

from .problem import prepared_problem, small_config, with_spoilt_test_rows

METHODS = ("weighted", "bce", "mcloss")
OUTPUTS = ("best.json", "trials.json")
# 4 trials of each of 3 methods; pruning begins with the third.
LONGER = small_config(tune={"trials": 4}, train={"epochs": 4})


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return fresh_workspace(tmp_path / "first", monkeypatch)


def fresh_workspace(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with prepared data and nothing else, which becomes the current one."""
    folder.mkdir()
    monkeypatch.chdir(folder)
    prepared.write(prepared_problem())
    return folder


def tuned(config: Config | None = None) -> dict[str, bytes]:
    tune.run(config or small_config())
    return {name: (paths.TUNING / name).read_bytes() for name in OUTPUTS}


def alone(config: Config, folder: Path) -> dict[str, bytes]:
    """The outputs of an undisturbed study in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        fresh_workspace(folder, patch)
        return tuned(config)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return alone(small_config(), tmp_path_factory.mktemp("tune") / "small")


@pytest.fixture(scope="module")
def expected_longer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return alone(LONGER, tmp_path_factory.mktemp("tune") / "longer")


def best() -> dict[str, Any]:
    return files.read_json(paths.TUNING / "best.json")


def trials() -> list[dict[str, Any]]:
    return files.read_json(paths.TUNING / "trials.json")["trials"]


class CutOff(BaseException):
    """Like a kill: nothing but the operating system is told."""


def counting(monkeypatch: pytest.MonkeyPatch, *, stop_at: int = 0) -> Callable[[], int]:
    """Count the trainings; the `stop_at`-th is cut off after its first epoch."""
    train, calls = tune.train, []

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

    monkeypatch.setattr(tune, "train", counted)
    return lambda: len(calls)


def test_it_says_what_it_wrote_and_nothing_else_is_there():
    assert tune.run(small_config()) == [paths.TUNING / name for name in OUTPUTS]
    assert sorted(file.name for file in paths.TUNING.iterdir()) == sorted(OUTPUTS)


def test_every_method_gets_the_same_number_of_trials(monkeypatch: pytest.MonkeyPatch):
    calls = counting(monkeypatch)
    tuned()
    assert calls() == 9
    assert [(trial["method"], trial["number"]) for trial in trials()] == [
        (method, number) for method in METHODS for number in range(3)
    ]


def test_the_best_point_of_the_best_curve_is_chosen():
    tuned(small_config(tune={"trials": 4}, train={"epochs": 5}))
    report = best()
    assert report["schema"] == 1
    assert report["objective"] == "macro_ap"
    assert list(report["methods"]) == list(METHODS)
    for method, chosen in report["methods"].items():
        complete = [t for t in trials() if t["method"] == method and t["state"] == "complete"]
        winner = max(complete, key=lambda trial: trial["value"])
        assert chosen["value"] == winner["value"] == max(winner["curve"])
        assert winner["curve"][chosen["epochs"] - 1] == max(winner["curve"])
        params = {"learning_rate": chosen["learning_rate"]} | chosen.get("weighting", {})
        assert params == winner["params"]
    assert set(report["methods"]["weighted"]["weighting"]) == {
        "variant", "floor", "uncertainty", "focal_floor", "focal_power",
    }  # fmt: skip
    assert "weighting" not in report["methods"]["bce"]


def test_the_study_starts_from_params_yaml_and_stays_in_its_space():
    config = small_config(tune={"trials": 5})
    tuned(config)
    search = config.tune.search
    for trial in trials():
        params = trial["params"]
        if trial["number"] == 0:
            assert params["learning_rate"] == config.train.learning_rate
        assert search.learning_rate.low <= params["learning_rate"] <= search.learning_rate.high
        if trial["method"] != "weighted":
            assert list(params) == ["learning_rate"]
            continue
        if trial["number"] == 0:
            assert params["variant"] == config.train.weighting.variant
            assert params["floor"] == config.train.weighting.floor
        assert params["variant"] in search.variant
        assert params["uncertainty"] in search.uncertainty
        for name in ("floor", "focal_floor", "focal_power"):
            limits = getattr(search, name)
            assert limits.low <= params[name] <= limits.high


def test_the_same_parameters_and_data_give_the_same_bytes(
    expected: dict[str, bytes],
):
    assert tuned() == expected
    assert tuned(small_config(seed=1)) != expected


def test_test_examples_change_nothing(expected: dict[str, bytes]):
    prepared.write(with_spoilt_test_rows(prepared_problem()))
    assert tuned() == expected


@pytest.mark.parametrize("split", ["train", "valid"])
def test_training_and_validation_examples_do(split: str, expected: dict[str, bytes]):
    data = prepared_problem()
    x = np.array(data.features)
    x[data.rows(split)] *= -1
    prepared.write(dataclasses.replace(data, features=x))
    assert tuned() != expected


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 12])
def test_a_study_that_was_cut_off_ends_with_the_same_bytes_and_keeps_its_trials(
    stop_at: int, monkeypatch: pytest.MonkeyPatch, expected_longer: dict[str, bytes]
):
    with monkeypatch.context() as patch:
        counting(patch, stop_at=stop_at)
        with pytest.raises(CutOff):
            tuned(LONGER)
    assert not paths.TUNING.exists()
    calls = counting(monkeypatch)
    assert tuned(LONGER) == expected_longer
    assert calls() == 12 - (stop_at - 1)


def test_a_study_that_is_cut_off_again_and_again_still_ends_the_same(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    for _ in range(3):
        with monkeypatch.context() as patch:
            counting(patch, stop_at=2)
            with pytest.raises(CutOff):
                tuned()
    assert tuned() == expected


def test_a_journal_that_ends_in_half_a_line_is_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    with monkeypatch.context() as patch:
        counting(patch, stop_at=5)
        with pytest.raises(CutOff):
            tuned()
    (journal,) = (paths.STATE / "studies").glob("*.journal")
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 5, "wor')
    assert tuned() == expected


def test_lock_of_a_process_that_was_killed_while_it_wrote_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    with monkeypatch.context() as patch:
        counting(patch, stop_at=2)
        with pytest.raises(CutOff):
            tuned()
    (journal,) = (paths.STATE / "studies").glob("*.journal")
    # As Optuna's own leaves it, which then waits for ever: the link leads nowhere.
    journal.with_name(f"{journal.name}.lock").symlink_to(journal)
    code = (
        "import fcntl, os, signal, sys\n"
        "held = open(sys.argv[1], 'a')\n"
        "fcntl.flock(held, fcntl.LOCK_EX)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, f"{journal}.held"], check=False)
    outcome: list[dict[str, bytes]] = []
    thread = threading.Thread(target=lambda: outcome.append(tuned()), daemon=True)
    thread.start()
    thread.join(60)
    assert outcome == [expected]


def test_a_finished_study_trains_nothing_again_and_more_trials_continue_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = tuned()
    four = small_config(tune={"trials": 4})
    calls = counting(monkeypatch)
    assert tuned() == first
    assert calls() == 0
    continued = tuned(four)
    assert calls() == 3  # one more of each method
    # Fewer again: as if the study had never gone on.
    assert tuned() == first
    assert calls() == 3
    fresh_workspace(tmp_path / "four at once", monkeypatch)
    assert tuned(four) == continued


@pytest.mark.parametrize(
    "change", [{"train": {"hidden": 9}}, {"seed": 1}, {"tune": {"objective": "micro_ap"}}], ids=str
)
def test_other_parameters_start_another_study(
    change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    tuned()
    calls = counting(monkeypatch)
    tuned(small_config(**change))
    assert calls() == 9


def test_other_data_start_another_study(monkeypatch: pytest.MonkeyPatch):
    tuned()
    prepared.write(prepared_problem(seed=1))
    calls = counting(monkeypatch)
    tuned()
    assert calls() == 9


@pytest.mark.parametrize("changed", [tune, trials_module], ids=["tune", "trials"])
def test_other_code_of_a_trial_starts_another_study(
    changed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tuned()
    copy = tmp_path / "changed.py"
    copy.write_text(Path(changed.__file__).read_text() + "# changed\n")
    calls = counting(monkeypatch)
    monkeypatch.setattr(changed, "__file__", str(copy))
    tuned()
    assert calls() == 9


def test_hopeless_trials_are_pruned_and_say_so():
    config = small_config(
        tune={"trials": 8, "search": {"learning_rate": {"low": 1e-6, "high": 1e-1}}},
        train={"epochs": 6, "learning_rate": 0.1},
    )
    tuned(config)
    pruned = [trial for trial in trials() if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial["value"] is None
        assert 2 <= len(trial["curve"]) <= 6
        assert trial["number"] >= 2
    assert all(len(t["curve"]) == 6 for t in trials() if t["state"] == "complete")


def test_zero_trials_keep_the_values_of_train(monkeypatch: pytest.MonkeyPatch):
    calls = counting(monkeypatch)
    config = small_config(
        tune={"trials": 0}, train={"weighting": {"variant": "released", "floor": 0.5}}
    )
    tuned(config)
    assert calls() == 0
    assert trials() == []
    plain = {"value": None, "learning_rate": 0.005, "epochs": 3}
    weighting = {
        "variant": "released", "floor": 0.5, "uncertainty": "none", "focal_floor": 0.25,
        "focal_power": 1.0,
    }  # fmt: skip
    assert best()["methods"] == {
        "weighted": plain | {"weighting": weighting},
        "bce": plain,
        "mcloss": plain,
    }
    assert not paths.STATE.joinpath("studies").exists()


def test_a_study_whose_trials_all_diverge_names_the_parameter_and_writes_nothing():
    hopeless = {"learning_rate": {"low": 1e30, "high": 1e31}}
    with pytest.raises(ConfigError, match=r"(?s)trial of weighted.*3.*tune\.search\.learning_rate"):
        tuned(small_config(tune={"search": hopeless}, train={"learning_rate": 1e30}))
    assert not paths.TUNING.exists()


def test_one_trial_that_diverges_counts_and_does_not_end_the_study(
    monkeypatch: pytest.MonkeyPatch,
):
    # The starting point diverges; what is drawn after it need not.
    space = {"learning_rate": {"low": 1e-3, "high": 1e30}}
    config = small_config(tune={"trials": 6, "search": space}, train={"learning_rate": 1e30})
    calls = counting(monkeypatch)
    tuned(config)
    assert calls() == 18
    failed = [trial for trial in trials() if trial["state"] == "failed"]
    assert {trial["method"] for trial in failed if trial["number"] == 0} == set(METHODS)
    assert all(trial["value"] is None for trial in failed)
    assert len(trials()) == 18
    again = tuned(config)
    assert calls() == 18  # a trial that diverged would diverge again
    assert again["trials.json"] == (paths.TUNING / "trials.json").read_bytes()


def test_an_earlier_tuning_is_left_alone_by_one_that_fails():
    before = tuned(small_config(tune={"trials": 0}))
    with pytest.raises(ConfigError):
        tuned(small_config(tune={"search": {"learning_rate": {"low": 1e30, "high": 1e30}}}))
    assert {name: (paths.TUNING / name).read_bytes() for name in OUTPUTS} == before


def test_the_objective_is_the_one_asked_for():
    tuned()
    macro = [trial["curve"] for trial in trials()]
    tuned(small_config(tune={"objective": "micro_ap"}))
    micro = [trial["curve"] for trial in trials()]
    assert best()["objective"] == "micro_ap"
    # The same starting points, measured by something else.
    assert macro[0] != micro[0]
    assert len(macro[0]) == len(micro[0]) == 3


def test_seconds_are_written_into_cost_json_and_nowhere_else():
    outputs = tuned()
    recorded = files.read_json(paths.COST)["methods"]
    name = f"weighted/{best()['methods']['weighted']['weighting']['variant']}"
    assert set(recorded) == {name, "bce", "mcloss"}
    assert all(entry["tune"]["seconds"] > 0 for entry in recorded.values())
    assert cost.stages() == {}
    assert b"seconds" not in b"".join(outputs.values())
