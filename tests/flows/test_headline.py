import pytest
from rich.console import Console

from flows import headline, terminal

_RULES = {"half": {"macro_f1": 0.2}, "prior_matched": {"macro_f1": 0.3}}
METRICS = {
    "schema": 1,
    "dataset": "a|b <script>",
    "method": "weighted/paper",
    "members": 5,
    "profile": "quick",
    "test": {"micro_ap": 0.512, "macro_ap": 0.25, "rules": _RULES},
    "baselines": {
        "mcloss": {
            "members": 5,
            "test": {"micro_ap": 0.5, "macro_ap": 0.24, "rules": _RULES},
            "difference": {"macro_ap": {"mean": -0.01, "ci95": [-0.02, 0.001]}},
        },
        "prior": {"members": 5, "test": {"micro_ap": 0.35, "macro_ap": None, "rules": {}}},
    },
}


def test_scores_hold_every_method_and_ours_first():
    head, rows = headline.scores(METRICS)
    assert head == [
        "method",
        "micro AP",
        "macro AP",
        "macro F1 (half)",
        "macro F1 (prior_matched)",
    ]
    assert rows == [
        ["weighted/paper", "0.512", "0.250", "0.200", "0.300"],
        ["mcloss", "0.500", "0.240", "0.200", "0.300"],
        ["prior", "0.350", "", "", ""],
    ]


def test_differences_are_shown_with_sign_and_interval():
    assert headline.differences(METRICS) == (
        ["weighted/paper minus", "macro AP"],
        [["mcloss", "-0.010 [-0.020, +0.001]"], ["prior", ""]],
    )


def test_names_from_data_are_escaped_in_markdown():
    text = headline.markdown(METRICS)
    assert "<script>" not in text
    assert "a\\|b &lt;script&gt;" in text
    # Three columns in each part: more would not fit into Prefect's page.
    assert all(line.count("|") == 4 for line in text.splitlines() if "weighted/paper |" in line)


def test_markdown_has_a_part_for_average_precision_and_one_for_f1():
    ap, f1 = headline.markdown(METRICS).split("## Macro F1 by rule")
    assert "| method | micro AP | macro AP |" in ap
    assert "| mcloss | -0.010 [-0.020, +0.001] |" in ap.replace("\\", "")
    assert "| weighted/paper | 0.200 | 0.300 |" in f1
    assert "Paired" not in f1  # none is known


def test_a_caution_stands_above_every_figure():
    text = headline.markdown(METRICS | {"caution": "Do *not* quote."})
    assert text.index("**Do \\*not\\* quote.**") < text.index("0.512")
    assert "**" not in headline.markdown(METRICS)


def test_a_caution_stands_above_the_tables_of_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for metrics in (METRICS, METRICS | {"caution": "Quote [b]nothing[/b]."}):
        monkeypatch.setattr(headline, "read", lambda metrics=metrics: metrics)
        terminal._summarise(Console(width=200), stage_states=[], seconds=1.0)
    without, _, text = capsys.readouterr().out.rpartition("Quote")
    assert "0.512" in without
    assert text.startswith(" [b]nothing[/b].\n")
    assert "0.512" in text
