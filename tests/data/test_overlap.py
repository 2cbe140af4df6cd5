"""Recordings that share a group or sound are in one split, fold or group."""

from pathlib import Path

import pytest

from earmark.audio.reading import WHOLE, Excerpt
from earmark.data.overlap import Files, refuse_group_overlap, refuse_sound_overlap
from earmark.data.recording import Recording
from earmark.errors import DataError

SOURCE = Path("data.csv")


def recording(name, excerpt=WHOLE, *, path="a.wav", group="g", split="train", fold=None):
    return Recording(Path(path), name, ("x",), group, split, fold, excerpt)


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        (Excerpt(0.0, 2.0), Excerpt(2.0, 4.0), False),
        (Excerpt(0.0, 2.5), Excerpt(2.0, 4.0), True),
        (Excerpt(3.0), Excerpt(0.0, 3.0), False),
        (Excerpt(3.0), Excerpt(0.0, 3.5), True),
        (WHOLE, Excerpt(5.0, 6.0), True),
    ],
)
def test_excerpts_that_overlap_belong_to_one_split(first, second, overlap):
    pair = [recording("first", first), recording("second", second, split="test")]
    refuse_sound_overlap(SOURCE, pair, "group")
    if not overlap:
        refuse_sound_overlap(SOURCE, pair, "split")
        return
    with pytest.raises(DataError, match=r"data\.csv: .*(row 2|first).*") as caught:
        refuse_sound_overlap(SOURCE, pair, "split", {"first": 2, "second": 3})
    assert all(text in str(caught.value) for text in ("row 2", "row 3", "first", "second"))


def test_an_excerpt_is_compared_with_the_longest_before_it():
    rows = [
        recording("long", Excerpt(0.0, 10.0)),
        recording("short", Excerpt(1.0, 2.0)),
        recording("late", Excerpt(9.0, 11.0), fold="2"),
    ]
    with pytest.raises(DataError, match="long and late"):
        refuse_sound_overlap(SOURCE, rows, "fold")


def test_different_files_never_overlap():
    pair = [recording("a"), recording("b", path="b.wav", split="test")]
    refuse_sound_overlap(SOURCE, pair, "split")


@pytest.mark.parametrize(("part", "advice"), [("split", "one split"), ("fold", "one fold")])
def test_a_group_in_two_parts_is_named(part, advice):
    pair = [recording("a", split="train", fold="1"), recording("b", split="test", fold="2")]
    with pytest.raises(DataError, match=rf"g \(.* and .*\).*{advice}"):
        refuse_group_overlap(SOURCE, pair, part)
    refuse_group_overlap(SOURCE, pair[:1], part)


def test_all_spellings_of_a_file_are_one(tmp_path):
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to("a.wav")
    files = Files()
    path = files.locate(tmp_path, "./a.wav", "row 2")
    linked = files.locate(tmp_path, "link.wav", "row 3")
    assert linked.name == "link.wav"
    assert files.real(path) == files.real(linked)
    assert files.spelling(path, "./a.wav") == files.spelling(linked, "link.wav") == "./a.wav"


def test_a_text_that_cannot_be_a_path_is_named_with_its_row(tmp_path):
    with pytest.raises(DataError, match="row 4"):
        Files().locate(tmp_path, "a\0.wav", "row 4")
