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


def test_every_colour_of_the_pictures_is_defined_by_the_page_in_light_and_dark():
    css = (resources.files("pipeline.reporting") / "templates/report.css").read_text()
    for variable in style.VARIABLES.values():
        times = 1 if variable == "--picture" else 2
        assert len(re.findall(rf"{variable}:", css)) >= times, variable


def test_the_light_page_has_the_very_colours_of_the_pictures():
    css = (resources.files("pipeline.reporting") / "templates/report.css").read_text()
    for key in ("ours", "weighted", "mcloss", "bce", "prior", "other-1"):
        assert f"--m-{key}: {style.colour(key)};" in css


def test_prior_comes_last():
    assert style.in_order(["a", "prior", "b"]) == ["a", "b", "prior"]
