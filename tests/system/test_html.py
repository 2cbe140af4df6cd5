"""Tables for notebooks."""

from earmark.system.html import html_table


def test_cells_are_escaped():
    assert html_table(["<a>"], [["&", 1]]) == (
        "<table><tr><th>&lt;a&gt;</th></tr><tr><td>&amp;</td><td>1</td></tr></table>"
    )
