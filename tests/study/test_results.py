"""The front and the winner, and the page: what is shown is data, never markup."""

import re
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from pipeline.errors import ConfigError
from pipeline.stages.journals import DIVERGED
from pipeline.study import page, results
from pipeline.study.results import Row


def row(number: int, state: str = "complete", **values: float) -> Row:
    return {
        "number": number,
        "state": state,
        "values": values or None,
        "epochs": 3 if values else None,
        "params": {"learning_rate": 0.001 * (number + 1), "variant": ["paper", "none"][number % 2]},
        "curves": {name: [value / 2, value] for name, value in values.items()},
    }


def test_the_front_holds_what_none_beats_in_both():
    found = [
        row(0, a=1, b=5),
        row(1, a=2, b=4),
        row(2, a=2, b=3),
        row(3, "pruned"),
        row(4, a=5, b=1),
    ]
    assert [r["number"] for r in results.front(found)] == [0, 1, 4]
    assert results.winner(found)["number"] == 1
    assert results.winner(found, 2)["number"] == 2


def test_equal_trials_are_both_on_the_front_and_the_earlier_one_wins():
    found = [row(0, "failed"), row(1, a=1), row(2, a=1)]
    assert [r["number"] for r in results.front(found)] == [1, 2]
    assert results.winner(found)["number"] == 1


@pytest.mark.parametrize("choice", [0, 3, 9])
def test_only_a_complete_trial_can_be_chosen(choice: int):
    found = [row(0, "failed"), row(1, a=1), row(2, a=1), row(3, "pruned")]
    with pytest.raises(ConfigError, match=rf"\(here: 1, 2\), found {choice}"):
        results.winner(found, choice)


def test_states_are_counted_with_those_that_were_lost():
    study = optuna.create_study(direction="maximize")
    for state in (TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL, TrialState.RUNNING):
        study.add_trial(
            optuna.create_trial(
                state=state,
                value=1.0 if state == TrialState.COMPLETE else None,
                user_attrs={DIVERGED: "so"} if len(study.trials) == 1 else {},
            )
        )
    found = results.state_counts(study.trials)
    assert found == {"complete": 1, "pruned": 0, "failed": 1, "lost": 1}


def rendered(found: list[Row], shares: Any = None, **changes: Any) -> str:
    objectives = list((found[0]["values"] or {}).keys())
    given = {"name": "eye", "now": {"learning_rate": 0.002, "epochs": 9}, "patch": "+a", **changes}
    return page.render(
        given["name"],
        found,
        results.winner(found),
        objectives,
        shares or {},
        given["now"],
        given["patch"],
    )


def test_the_page_needs_no_network_and_shows_what_was_found():
    found = [row(n, macro_ap=0.1 + 0.05 * n) for n in range(5)] + [row(5, "pruned")]
    shares = {"macro_ap": {"learning_rate": 0.9, "variant": 0.1}}
    html = rendered(found, shares)
    assert not re.search(r"""(?:src|href)=["'](?!#)""", html)
    assert "default-src 'none'" in html
    assert "color-scheme: light dark" in html
    assert "Trial 4 is taken: macro AP 0.300 on the validation split, after 3 epochs." in html
    assert "Importance of each parameter for macro AP." in html
    for parameter in ("learning_rate", "variant"):
        assert f"macro AP of the trials against {parameter}." in html
    assert html.count("<svg") == 5  # history, curves, importance, two slices
    assert "Both objectives" not in html
    assert rendered(found, shares) == html


def test_the_page_of_two_objectives_shows_both_and_the_front():
    html = rendered([row(0, macro_ap=0.1, micro_ap=0.5), row(1, macro_ap=0.4, micro_ap=0.3)])
    assert "The trials by both objectives." in html
    assert "2 of the complete trials are beaten by none in both objectives" in html
    for name in ("macro AP", "micro AP"):
        assert f"{name} of every complete trial and the best so far." in html
    assert "Too few complete trials" in html


def test_names_are_data():
    evil = "<script>alert(1)</script>"
    html = rendered([row(0, macro_ap=0.1)], name=evil, patch=f"+name: {evil}")
    assert evil not in html
    assert html.count("&lt;script&gt;") >= 3


def test_importance_asks_for_trials_that_differ():
    study = optuna.create_study(directions=["maximize", "maximize"])
    space = {
        "a": optuna.distributions.FloatDistribution(0, 1),
        "b": optuna.distributions.FloatDistribution(0, 1),
    }

    def add(number: int) -> None:
        params = {"a": number / 60, "b": (number * 7 % 60) / 60}
        values = [params["a"], 0.5]
        study.add_trial(optuna.create_trial(values=values, params=params, distributions=space))

    for number in range(3):
        add(number)
    assert page.importances(study.trials, ["macro_ap", "micro_ap"]) == {}
    for number in range(3, 60):
        add(number)
    found = page.importances(study.trials, ["macro_ap", "micro_ap"])
    assert list(found["macro_ap"]) == ["a", "b"]
    assert found["macro_ap"]["a"] > 2 * found["macro_ap"]["b"]
    assert found == page.importances(study.trials, ["macro_ap", "micro_ap"])


def test_importance_is_that_of_what_makes_the_best_trials():
    study = optuna.create_study(direction="maximize")
    space = {
        "a": optuna.distributions.FloatDistribution(0, 1),
        "b": optuna.distributions.FloatDistribution(0, 1),
    }
    for number in range(200):
        params = {"a": number / 200, "b": (number * 77 % 200) / 200}
        # Only `a` makes a good trial; of the others `b` says how bad they are.
        value = params["a"] if params["a"] >= 0.9 else -params["b"]
        study.add_trial(optuna.create_trial(value=value, params=params, distributions=space))
    assert list(page.importances(study.trials, ["macro_ap"])["macro_ap"]) == ["a", "b"]
