from pathlib import Path

from earmark.audio.source import Excerpt
from earmark.data.recording import SPLIT_NAMES, SPLIT_TITLES, SPLITS, Recording


def test_every_name_of_a_split_is_one_of_the_three():
    assert set(SPLIT_NAMES.values()) == set(SPLITS) == set(SPLIT_TITLES)
    assert all(SPLIT_NAMES[name] == name for name in SPLITS)


def test_a_group_is_given_unless_it_is_the_file():
    part = Excerpt(0.5, 2.0)
    whole = Recording(Path("in/a.wav"), "a.wav", (), group="a.wav")
    excerpt = Recording(Path("in/a.wav"), f"a.wav {part}", (), group="a.wav", excerpt=part)
    assert [one.file_name for one in (whole, excerpt)] == ["a.wav", "a.wav"]
    assert [one.has_group for one in (whole, excerpt)] == [False, False]
    assert Recording(Path("in/a.wav"), "a.wav", (), group="anna").has_group
