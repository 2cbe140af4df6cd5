import pytest

TRACK = """WEBVTT - a title

NOTE by hand

1
00:01.500 --> 00:02.000 align:start
<v Anna>dogs &amp; cats</v>

01:00:00.250 --> 01:00:01.000
wren
"""


def test_cues_with_and_without_hours_and_names(read, rows):
    assert rows(read("a.vtt", TRACK)) == [(1.5, 2.0, "dogs & cats"), (3600.25, 3601.0, "wren")]
    assert rows(read("a.vtt", TRACK.replace("\n", "\r\n"))) == rows(read("a.vtt", TRACK))


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("00:02.000", "2 s", "row 6"),
        ("00:02.000", "00:01.000", "row 6"),
        ("<v Anna>dogs &amp; cats</v>", "<v Anna>", "row 6"),
        ("01:00:00.250 --> 01:00:01.000\n", "", "row 9"),
        ("WEBVTT", "WEB", "row 1"),
    ],
)
def test_a_bad_cue_is_named(read, old, new, where):
    assert [one.where for one in read("a.vtt", TRACK.replace(old, new)).problems] == [where]
