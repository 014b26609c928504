"""From trials to a change of params.yaml: reproducible, resumed, and blind to the test split."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.artifacts import prepared
from pipeline.config import edit, load
from pipeline.errors import ConfigError
from pipeline.study import page, slots
from pipeline.study.results import FOLDER
from tests.stages.problem import prepared_problem, with_spoilt_test_rows
from tests.study.workspace import OUTPUTS, PARAMS, CutOff, counting, fresh, outputs, study


@pytest.fixture(autouse=True)
def workspace(folder: Path) -> None:
    fresh(folder)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an undisturbed study of six trials gives."""
    return alone(tmp_path_factory.mktemp("study") / "alone", trials=6)


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the page, which takes seconds to draw."""
    monkeypatch.setattr(page, "render", lambda *what: "")


def alone(folder: Path, **asked: Any) -> dict[str, bytes]:
    with pytest.MonkeyPatch.context() as patch:
        fresh(folder)
        patch.chdir(folder)
        assert study(**asked) == 0
        return outputs()


def trials() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "trials.json").read_text(encoding="utf-8"))["trials"]


def test_the_same_study_gives_the_same_bytes_wherever_it_is_kept(expected: dict[str, bytes]):
    study(trials=6, storage="sqlite")
    assert outputs() == expected
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(OUTPUTS)
    for word in (b"datetime", b"worker", b"seconds"):
        assert word not in expected["trials.json"] + expected["trials.csv"]


@pytest.mark.parametrize(("stop_at", "storage"), [(1, "journal"), (4, "journal"), (4, "sqlite")])
def test_a_study_that_was_cut_off_ends_with_the_same_bytes_and_keeps_its_trials(
    stop_at: int, storage: str, monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    with monkeypatch.context() as patch:
        counting(patch, stop_at=stop_at)
        # A kill tells the storage nothing.
        patch.setattr(slots, "give_up", lambda opened, trial: None)
        patch.setattr(slots, "this_worker", lambda: "gone:1:1")
        with pytest.raises(CutOff):
            study(trials=6, storage=storage)
    assert not FOLDER.exists()
    calls = counting(monkeypatch)
    study(trials=6, storage=storage)
    assert outputs() == expected
    assert calls() == 6 - (stop_at - 1)


def test_a_finished_study_trains_nothing_again_and_more_trials_continue_it(
    monkeypatch: pytest.MonkeyPatch, expected: dict[str, bytes]
):
    study(trials=3)
    calls = counting(monkeypatch)
    study()  # as many as before
    assert calls() == 0
    study(trials=6)
    assert calls() == 3
    assert outputs() == expected


def test_fewer_trials_than_before_give_what_they_would_have_given(
    capsys: pytest.CaptureFixture[str],
):
    study(trials=3)
    three, said = outputs(), capsys.readouterr().out
    study(trials=6)
    with pytest.raises(ConfigError, match=r"--choose: expected a complete trial .*, found 5"):
        study(trials=3, choose=5)
    capsys.readouterr()
    study(trials=3)
    assert outputs() == three
    assert capsys.readouterr().out.partition(": 3 trials finished")[2] in said


def test_it_starts_from_params_yaml_and_stays_in_its_space(expected: dict[str, bytes]):
    config, found = load(), json.loads(expected["trials.json"])["trials"]
    assert [trial["number"] for trial in found] == [*range(6)]
    first = found[0]["params"]
    weighting = config.train.weighting
    assert first == {"learning_rate": config.train.learning_rate} | {
        name: getattr(weighting, name) for name in first if name != "learning_rate"
    }
    for trial in found:
        for name in ("learning_rate", "floor", "focal_floor", "focal_power"):
            space = getattr(config.tune.search, name)
            assert space.low <= trial["params"][name] <= space.high
        assert trial["params"]["variant"] in config.tune.search.variant


@pytest.mark.usefixtures("unseen")
def test_hopeless_trials_are_pruned_and_say_so():
    space = "  search:\n    learning_rate: {low: 1.0e-6, high: 0.1}\n  members: 2"
    text = PARAMS.replace("  members: 2", space, 1).replace("rate: 0.005", "rate: 0.1")
    Path("params.yaml").write_text(text)
    study(trials=10)
    found = trials()
    pruned = [trial for trial in found if trial["state"] == "pruned"]
    assert pruned
    for trial in pruned:
        assert trial["values"] is None
        assert trial["number"] >= 5
        assert 2 <= len(trial["curves"]["macro_ap"]) <= 4


@pytest.mark.usefixtures("unseen")
def test_test_examples_change_nothing(expected: dict[str, bytes]):
    prepared.write(with_spoilt_test_rows(prepared_problem()))
    study(trials=6)
    found, before = json.loads(outputs()["trials.json"]), json.loads(expected["trials.json"])
    assert found["trials"] == before["trials"]
    assert found["of"]["data"] != before["of"]["data"]


def test_the_best_point_of_the_best_curve_wins_and_comes_as_a_patch(
    expected: dict[str, bytes], capsys: pytest.CaptureFixture[str]
):
    study(trials=6)
    found = {trial["number"]: trial for trial in trials()}
    complete = [trial for trial in found.values() if trial["state"] == "complete"]
    best = max(complete, key=lambda trial: trial["values"]["macro_ap"])
    curve = best["curves"]["macro_ap"]
    assert best["values"]["macro_ap"] == max(curve) == curve[best["epochs"] - 1]
    assert json.loads(expected["trials.json"])["winner"] == best["number"]
    said = capsys.readouterr().out
    assert f"Best: trial {best['number']}, macro_ap {max(curve):.4f}" in said
    assert "6 trials finished" in said
    assert "+  trials: 0 # per method" in said
    assert Path("params.yaml").read_text() == PARAMS

    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "apply", FOLDER / "params.patch"], check=True)
    config = load()
    assert config.tune.trials == 0
    assert config.profile == "custom"
    assert config.train.epochs == best["epochs"]
    assert config.train.learning_rate == best["params"].pop("learning_rate")
    for name, value in best["params"].items():
        assert edit.value(config, f"train.weighting.{name}") == value


@pytest.mark.usefixtures("unseen")
def test_apply_writes_what_the_patch_says(expected: dict[str, bytes], folder: Path):
    study(trials=6, apply=True)
    applied = Path("params.yaml").read_text()
    assert applied != PARAMS
    Path("params.yaml").write_text(PARAMS)
    subprocess.run(["git", "apply", FOLDER / "params.patch"], check=True)
    assert Path("params.yaml").read_text() == applied


@pytest.mark.usefixtures("unseen")
def test_another_trial_may_be_chosen_and_one_that_is_none_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch,
):
    with pytest.raises(ConfigError, match=r"expected the study .* found none"):
        study(trials=4, choose=0)
    assert not Path(".rarenode").exists()  # none was begun
    study(trials=4)
    winner = json.loads((FOLDER / "trials.json").read_text())["winner"]
    other = next(t for t in trials() if t["state"] == "complete" and t["number"] != winner)
    study(choose=other["number"])
    assert json.loads((FOLDER / "trials.json").read_text())["winner"] == other["number"]
    calls = counting(monkeypatch)
    with pytest.raises(ConfigError, match=r"--choose: expected a complete trial .*, found 99"):
        study(trials=9, choose=99)
    assert calls() == 0


@pytest.mark.usefixtures("unseen")
def test_two_objectives_have_a_front_and_the_largest_product_of_it_wins(
    capsys: pytest.CaptureFixture[str],
):
    study(trials=4, objectives=("macro_ap", "micro_ap"))
    found = trials()
    assert [trial["state"] for trial in found] == ["complete"] * 4  # Optuna prunes with one alone
    pairs = [(t["values"]["macro_ap"], t["values"]["micro_ap"]) for t in found]
    best = max(range(4), key=lambda n: pairs[n][0] * pairs[n][1])
    assert json.loads((FOLDER / "trials.json").read_text())["winner"] == best
    front = [
        n for n, (a, b) in enumerate(pairs)
        if not any(c >= a and d >= b and (c, d) != (a, b) for c, d in pairs)
    ]  # fmt: skip
    assert (
        f"Beaten by none in both: trials {', '.join(map(str, front))}\n" in capsys.readouterr().out
    )
    for trial in found:
        macro, micro = trial["curves"]["macro_ap"], trial["curves"]["micro_ap"]
        products = [a * b for a, b in zip(macro, micro, strict=True)]
        assert trial["epochs"] - 1 == products.index(max(products))
        assert trial["values"]["micro_ap"] == micro[trial["epochs"] - 1]
    before = outputs()
    fresh(Path("again"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir("again")
        study(trials=4, objectives=("macro_ap", "micro_ap"), storage="journal")
        assert outputs() == before


@pytest.mark.usefixtures("unseen")
def test_other_parameters_are_another_study_unless_it_has_a_name(
    monkeypatch: pytest.MonkeyPatch,
):
    study(trials=2)
    study(trials=2, name="mine")
    Path("params.yaml").write_text(PARAMS.replace("hidden: 8", "hidden: 9"))
    calls = counting(monkeypatch)
    with pytest.raises(ConfigError, match=r"study mine .* train\.hidden \(8 there, 9 here\)"):
        study(trials=2, name="mine")
    assert calls() == 0
    study(trials=2)
    assert calls() == 2
    prepared.write(prepared_problem(seed=1))
    with pytest.raises(ConfigError, match=r"differs in the data; train\.hidden"):
        study(trials=2, name="mine")


@pytest.mark.parametrize(
    ("change", "asked", "message"),
    [
        (("rate: 0.005", "rate: 0.5"), {}, "must lie in tune.search.learning_rate"),
        (("trials: 6", "trials: 0"), {}, "expected --trials, or tune.trials above 0"),
        (("hidden", "hiden"), {}, "train.hiden: unknown parameter"),
        (
            ("trials: 6", "trials: 0"),
            {"trials": 1},
            "weighted/released' there and released in tune.search.variant",
        ),
        (("", ""), {"objectives": ("macro_ap", "macro_ap")}, "--objectives: expected each once"),
    ],
)  # fmt: skip
def test_what_would_be_refused_in_the_end_is_refused_at_once(
    change: tuple[str, str], asked: dict[str, Any], message: str
):
    text = PARAMS.replace(*change)
    if "variant" in message:
        text = text.replace("  hidden", "  baselines: [weighted/released]\n  hidden")
    Path("params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        study(**asked)
    assert not FOLDER.exists()


def test_a_study_whose_trials_all_diverge_names_the_parameter_and_writes_nothing():
    space = "  search:\n    learning_rate: {low: 1.0e+30, high: 1.0e+31}\n  members: 2"
    text = PARAMS.replace("  members: 2", space, 1).replace("0.005", "1.0e+30")
    Path("params.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"finite loss, found none in 2: .*learning_rate"):
        study(trials=2)
    assert not FOLDER.exists()
