import pytest

from earmark.figures import BLUE, new_figure
from earmark.report.html import (
    Noted,
    Section,
    Table,
    make_picture,
    render,
    show_interval,
    show_ratio,
)


def test_columns_of_numbers_are_aligned_to_the_right():
    columns = ("name", "count", "difference", "p", "known", "none")
    rows = [
        ("a1", "1,234", Noted("+62.5%", "1 to 2"), "1.8e-15", "\u2013", "\u2013"),
        ("12", 7, "-0.1%", "1", "0.5", "\u2013"),
    ]
    assert Table(columns, rows).numeric == [False, True, True, True, True, False]


def test_cells_and_their_notes_are_escaped():
    table = Table(("<name>",), [(Noted("<value>", "<note>"),)])
    html = render("table.html", table=table, num_more=0)
    assert html.count("&lt;") == 3
    assert "<small>&lt;note&gt;</small>" in html


def test_a_section_links_by_its_title():
    assert Section("Skipped files", render("findings.html", groups=[])).anchor == "skipped-files"


def test_a_picture_has_an_alternative_text_and_colours_of_the_page():
    figure, axes = new_figure(2.0, 2.0)
    axes.plot([0, 1], [0, 1], color=BLUE)
    picture = make_picture(figure, 'a "caption"', "<other>")
    assert 'aria-label="&lt;other&gt;"' in picture.svg
    assert f"var(--plot-blue, {BLUE})" in picture.svg


@pytest.mark.parametrize(("value", "text"), [(None, "\u2013"), (0.5, "0.500")])
def test_ratios(value, text):
    assert show_ratio(value) == text


def test_intervals_do_not_break_over_lines():
    assert show_interval((0.25, 1.0), ".1%") == "25.0%\u00a0to\u00a0100.0%"
    assert show_interval(None) == "\u2013"
