"""Values at paths of plain tables."""

import pytest

from earmark.config.paths import place
from earmark.errors import ConfigError


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("a.b", {"a": {"b": 9}, "c": [{"d": 1}, {"d": 2}]}),
        ("a.new", {"a": {"b": 0, "new": 9}, "c": [{"d": 1}, {"d": 2}]}),
        ("x.y", {"a": {"b": 0}, "c": [{"d": 1}, {"d": 2}], "x": {"y": 9}}),
        ("c.1.d", {"a": {"b": 0}, "c": [{"d": 1}, {"d": 9}]}),
        ("c.*.d", {"a": {"b": 0}, "c": [{"d": 9}, {"d": 9}]}),
        ("c.*", {"a": {"b": 0}, "c": [9, 9]}),
    ],
)
def test_a_value_goes_where_the_path_leads(path, changed):
    table = {"a": {"b": 0}, "c": [{"d": 1}, {"d": 2}]}
    place(table, path, 9, "here")
    assert table == changed


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("c.2.d", "^here: 2"),
        ("c.first", "^here: first"),
        ("a.b.c", "^here: b"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path, message):
    with pytest.raises(ConfigError, match=message):
        place({"a": {"b": 0}, "c": [{"d": 1}, {"d": 2}]}, path, 9, "here")
