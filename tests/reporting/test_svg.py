import re
from xml.etree import ElementTree

from pipeline.reporting import style, svg


def _picture(colour: str = style.ACCENT) -> str:
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.plot([1, 2, 3], [1, 3, 2], marker="o", color=colour)
        axes.set_title("<b>a & $b_1$</b>")
    return picture.text


def test_the_same_picture_has_the_same_bytes_and_no_date():
    assert _picture() == _picture()
    assert "date" not in _picture().lower()


def test_text_stays_text_and_is_escaped():
    root = ElementTree.fromstring(_picture())
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "<b>a & $b_1$</b>" in texts


def test_in_the_page_colours_are_variables_and_nothing_styles_the_rest_of_it():
    element = svg.inline(_picture(), "first", 'a "label" & more')
    assert "var(--accent)" in element
    assert not re.search(r"#[0-9a-f]{6}\b", element)
    assert "<style" not in element
    root = ElementTree.fromstring(element)
    assert root.get("role") == "img"
    assert root.get("aria-label") == 'a "label" & more'
    assert root.get("width") is None


def test_ids_of_two_pictures_do_not_clash_and_all_references_hold():
    elements = [svg.inline(_picture(), name, "x") for name in ("first", "second")]
    ids = [set(re.findall(r'\bid="([^"]+)"', element)) for element in elements]
    assert ids[0]
    assert not ids[0] & ids[1]
    for found, element in zip(ids, elements, strict=True):
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', element)) == found


def test_drawing_leaves_the_users_matplotlib_settings_alone():
    import matplotlib

    matplotlib.rcParams["font.size"] = 17
    try:
        _picture()
        assert matplotlib.rcParams["font.size"] == 17
    finally:
        matplotlib.rcdefaults()


def test_a_short_logarithmic_axis_still_has_ticks():
    with svg.picture() as picture:
        axes = picture.figure.subplots()
        axes.plot([0.0004, 0.003], [0, 1])
        svg.log_axis(axes, "x", 0.0004, 0.003)
    assert {">0.0005<", ">0.001<", ">0.002<"} <= set(re.findall(r">[\d.]+<", picture.text))
