"""Lines with checksums are read as they were written, or not at all."""

from hypothesis import given
from hypothesis import strategies as st

from earmark.system.checksums import append_lines, checked_line, read_lines

JSON = st.dictionaries(
    st.text(), st.one_of(st.text(), st.integers(), st.floats(allow_nan=False), st.none())
)


@given(JSON)
def test_content_comes_back(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    append_lines(path, [checked_line(content)] * 2)
    assert list(read_lines(path)) == [(content, True)] * 2


@given(JSON, st.data())
def test_damage_loses_a_line_or_changes_nothing(tmp_path_factory, content, data):
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    append_lines(path, [checked_line({"before": 1}), checked_line(content), checked_line({"z": 2})])
    damaged = bytearray(path.read_bytes())
    first = data.draw(st.integers(0, len(damaged) - 1))
    length = data.draw(st.integers(1, 40))
    damaged[first : first + length] = data.draw(st.binary(min_size=length, max_size=length))
    path.write_bytes(damaged)
    true = [{"before": 1}, content, {"z": 2}]
    for line in read_lines(path):
        assert line.has_checksum
        assert line.content in true


def test_lines_without_checksums_say_so(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"old": 1}\n[1, 2]\nno json\n[]\n["')
    assert list(read_lines(path)) == [({"old": 1}, False)]


def test_a_torn_line_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "new" / "a.jsonl"
    append_lines(path, [checked_line({"a": 1})[:-5]])
    append_lines(path, [checked_line({"b": 2})])
    assert list(read_lines(path)) == [({"b": 2}, True)]
    assert list(read_lines(tmp_path / "missing")) == []
