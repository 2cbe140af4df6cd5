"""The time line of a file: silence in gaps, overlaps dropped, jitter ignored."""

import numpy as np
import pytest

from earmark.audio.ffmpeg.timestamps import Clock, Places

SECOND = np.ones((1000, 1), np.float32)


def placed(clock, *stamps, block=SECOND):
    """The time line with a block at each time stamp."""
    blocks = [one for stamp in stamps for one in clock.place(block, stamp)]
    return np.concatenate([*blocks, *clock.finish()])[:, 0]


@pytest.mark.parametrize("drift", [0.0, 0.09, -0.09])
def test_small_deviations_are_jitter(drift):
    clock = Clock(1000, 1)
    assert placed(clock, 0.0, 1.0 + drift, 2.0, 3.0 - drift).all()
    assert clock.position == 4000
    assert not list(clock.notes())


def test_a_gap_is_filled_to_the_sample():
    clock = Clock(1000, 1)
    sound = placed(clock, 5.0, 6.0, 8.5)
    np.testing.assert_array_equal(np.flatnonzero(sound == 0), np.arange(2000, 3500))
    assert [note.kind for note in clock.notes()] == ["gap"]


def test_an_overlap_is_dropped_across_blocks():
    clock = Clock(1000, 1)
    assert len(placed(clock, 0.0, 1.0, 0.5, 1.5, 2.5)) == 3500
    assert [note.kind for note in clock.notes()] == ["overlap"]


@pytest.mark.parametrize(("stamp", "length"), [(1.02, 2020), (None, 2500), (1.004, 2000)])
def test_after_damage_the_next_stamp_decides_how_much_is_missing(stamp, length):
    clock = Clock(1000, 1)
    first = list(clock.place(SECOND, 0.0 if stamp else None))
    clock.lose(0.5)
    assert len(first[0]) + len(placed(clock, stamp)) == length
    kinds = [note.kind for note in clock.notes()]
    assert kinds == (["lost_sound"] if length != 2000 else [])


def test_what_is_lost_at_the_end_is_silence_but_no_sound():
    clock = Clock(1000, 1)
    list(clock.place(SECOND, None))
    clock.lose(0.5)
    assert len(np.concatenate(list(clock.finish()))) == 500
    assert (clock.sound_end, clock.position) == (1000, 1500)


def test_a_long_silence_comes_in_blocks_of_all_channels():
    clock = Clock(1000, 3)
    blocks = [len(one) for one in clock.place(np.ones((10, 3)), 0.0)]
    blocks += [one.shape for one in clock.place(np.ones((10, 3)), 500.0)]
    assert {shape[1] for shape in blocks[1:]} == {3}
    assert max(shape[0] for shape in blocks[1:]) < 100_000


def test_places_are_counted():
    places = Places()
    places.add(1.0, 0.5)
    places.add(9.0, 0.25)
    assert "0.75" in str(places)
    assert "2" in str(places)
    assert "1.00" in str(places)
