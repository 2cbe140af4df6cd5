"""Clips share sound when excerpts of the same content overlap."""

import pytest

from earmark.data.content import Clip, ContentSet
from earmark.features.store import ClipKey


@pytest.mark.parametrize(
    ("key", "is_known"),
    [
        (ClipKey("aa"), True),
        (ClipKey("aa", 2.0, 3.0), True),
        (ClipKey("aa", 4.0, 9.0), True),
        (ClipKey("aa", 5.0, 9.0), False),
        (ClipKey("aa", 0.0, 1.0), False),
        (ClipKey("bb", 100.0), True),
        (ClipKey("cc"), False),
    ],
)
def test_an_excerpt_is_in_a_set_when_it_overlaps_one_of_the_same_content(key, is_known):
    known = ContentSet([ClipKey("aa", 1.0, 3.0), ClipKey("aa", 2.0, 5.0), ClipKey("bb")])
    assert (key in known) is is_known


def test_nothing_is_in_an_empty_set():
    assert ClipKey("aa") not in ContentSet([])


def test_a_clip_without_a_group_is_its_own():
    assert Clip("a.wav", ClipKey("aa"), (0,)).group_or_name == "a.wav"
    assert Clip("a.wav", ClipKey("aa"), (0,), "anna").group_or_name == "anna"
