import pytest


def test_speakers_of_several_recordings(read, rows):
    text = (
        ";; by hand\n"
        "SPKR-INFO a 1 <NA> <NA> <NA> unknown anna <NA> <NA>\n"
        "SPEAKER a 1 0.1 0.2 <NA> <NA> anna 0.75 <NA>\n"
        "SPEAKER my_b 1 5 1.25 <NA> <NA> ben\u00a0b <NA>\n"
    )
    found = read("a.rttm", text)
    assert rows(found) == [(0.1, 0.3, "anna"), (5.0, 6.25, "ben b")]
    assert [one.recording for one in found.annotations] == ["a", "my_b"]
    assert [one.probability for one in found.annotations] == [0.75, None]
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    "row",
    [
        "SPEAKER a 1 0.1 0.2 <NA> <NA>",
        "SPEAKER a 1 0.1 -0.2 <NA> <NA> anna <NA> <NA>",
        "SPEAKER a 1 0.1 0 <NA> <NA> anna <NA> <NA>",
        "SPEAKER a 1 0,1 0.2 <NA> <NA> anna <NA> <NA>",
        "SPEAKER a 1 0.1 0.2 <NA> <NA> <NA> <NA> <NA>",
        "SPEAKER a 1 0.1 0.2 <NA> <NA> anna 1.5 <NA>",
    ],
)
def test_a_bad_row_is_named(read, row):
    good = "SPEAKER a 1 3 0.2 <NA> <NA> anna <NA> <NA>\n"
    assert [one.where for one in read("a.rttm", good + row + "\n").problems] == ["row 2"]


def test_another_file_is_refused(read):
    assert read("a.rttm", "begin end label\n").problems
