import re
from importlib import resources

from pipeline.reporting import style


def test_a_method_has_the_colour_of_its_family():
    found = style.keys(["weighted/paper", "mcloss", "bce", "prior", "weighted"])
    assert found == {
        "weighted/paper": "weighted",
        "mcloss": "mcloss",
        "bce": "bce",
        "prior": "prior",
        "weighted": "weighted",
    }


def test_two_variants_and_unknown_methods_have_colours_of_their_own():
    found = style.keys(["weighted/paper", "weighted/released", "focal", "asymmetric"])
    assert len(set(found.values())) == 4


def test_more_methods_than_colours_still_have_one_each():
    names = [f"method-{i}" for i in range(11)]
    assert set(style.keys(names)) == set(names)


CSS = (resources.files("pipeline.reporting") / "templates/report.css").read_text()


def test_every_colour_of_the_pictures_is_defined_by_the_page_in_light_and_dark():
    for variable in style.VARIABLES.values():
        colours = r"none" if variable == "--picture" else r"light-dark\(#\w+, #\w+\)"
        assert len(re.findall(rf"{variable}: {colours};", CSS)) == 1, variable


def test_the_light_page_has_the_very_colours_of_the_pictures():
    for key in ("ours", "weighted", "mcloss", "bce", "prior", "other-1"):
        assert f"--m-{key}: light-dark({style.colour(key)}, " in CSS


def test_prior_comes_last():
    assert style.in_order(["a", "prior", "b"]) == ["a", "b", "prior"]


def test_no_rule_of_a_narrow_page_is_undone_by_a_later_one_for_all():
    outside = re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", lambda m: "#" * len(m[0]), CSS)
    wide = CSS.index("@media screen and (min-width: 75rem) and (max-width: 96rem)")
    end = CSS.index("\n}", wide)
    for selector in re.findall(r"\n  ([^{\n]+) \{", CSS[wide:end]):
        assert outside.find(f"\n{selector} {{", end) < 0, selector
