from earmark.system.notebook import html_lines, html_table


def test_cells_and_headings_are_escaped():
    page = html_table(["<b>", 1], [["R&B", 2.5], [None, "<i>"]])
    assert page.count("<tr>") == 3
    assert all(text in page for text in ("&lt;b&gt;", "R&amp;B", "&lt;i&gt;", "None"))


def test_each_line_is_a_paragraph():
    assert html_lines("a <b>\nc") == "<p>a &lt;b&gt;</p><p>c</p>"
