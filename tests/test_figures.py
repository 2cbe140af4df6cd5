import numpy as np
import pytest

from earmark.figures import MOST_LETTERS, new_figure, shown, to_png, to_svg


def test_a_long_label_keeps_its_ends():
    text = shown("a" + "-" * 100 + "z")
    assert len(text) <= MOST_LETTERS
    assert (text[0], text[-1]) == ("a", "z")


def test_a_label_that_is_not_unicode_is_escaped():
    assert shown("caf\udce9") == "caf\\udce9"


@pytest.fixture
def figure():
    figure, axes = new_figure(2.0, 2.0)
    axes.plot(np.arange(3), np.arange(3))
    axes.set_xlabel("\u97f3 of a label")
    return figure


def test_an_svg_has_text_in_the_colour_of_the_page(figure):
    svg = to_svg(figure)
    assert svg.startswith("<svg")
    assert "\u97f3 of a label" in svg
    assert "#000000" not in svg
    assert "currentColor" in svg


def test_an_svg_is_the_same_each_time(figure):
    assert to_svg(figure) == to_svg(figure)


def test_a_png(figure):
    assert to_png(figure).startswith(b"\x89PNG")
