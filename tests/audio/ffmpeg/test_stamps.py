"""Time stamps that can be believed, and those that cannot."""

import numpy as np
import pytest

from earmark.audio.ffmpeg.stamps import find_shifts, find_whole_packets

COUNT = 200
STEP = 0.02
DURATIONS = np.full(COUNT, STEP)


def stamps():
    return np.arange(COUNT) * STEP


def test_steady_stamps_are_believed():
    jitter = np.random.default_rng(0).uniform(-0.01, 0.01, COUNT)
    assert not find_shifts(stamps() + jitter, DURATIONS, None).any()


@pytest.mark.parametrize("seconds", [0.3, 4.0, 3000.0])
def test_a_gap_is_believed(seconds):
    times = stamps()
    times[80:] += seconds
    assert not find_shifts(times, DURATIONS, None).any()


@pytest.mark.parametrize("shift", [1.0, 30.0, -1.5, 1e9])
@pytest.mark.parametrize("length", [1, 60])
def test_stamps_that_leave_the_clock_and_return_are_not_believed(shift, length):
    times = stamps()
    times[80 : 80 + length] += shift
    found = find_shifts(times, DURATIONS, None)
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(found)), np.arange(80, 80 + length))
    assert not np.nan_to_num(found).any()


@pytest.mark.parametrize(("jump", "end"), [(-1.6, None), (-50.0, None), (5000.0, None), (9.0, 6.0)])
def test_a_clock_that_starts_anew_or_leaves_the_file_goes_on(jump, end):
    times = stamps()
    times[80:] += jump
    found = find_shifts(times, DURATIONS, end)
    np.testing.assert_allclose(found[:80], 0)
    np.testing.assert_allclose(found[80:], -jump)


def test_a_declared_end_makes_a_long_gap_likely():
    times = stamps()
    times[80:] += 5000
    assert not find_shifts(times, DURATIONS, 5004.0).any()


def test_packets_without_stamps_or_durations_follow_the_others():
    times, durations = stamps(), DURATIONS.copy()
    times[[0, 50, 51]] = np.nan
    durations[60:] = 0
    assert not find_shifts(times, durations, None).any()
    assert not find_shifts(stamps(), np.zeros(COUNT), None).any()


def test_no_packets_are_no_problem():
    assert len(find_shifts(np.zeros(0), np.zeros(0), None)) == 0


def test_missing_packets_are_told_from_a_pause():
    times = np.round(np.arange(COUNT) * 0.0427, 3)
    lost, paused = np.delete(times, range(80, 88)), times.copy()
    paused[80:] += 0.36
    np.testing.assert_array_equal(np.flatnonzero(find_whole_packets(lost)), [80])
    assert not find_whole_packets(paused).any()
    assert not find_whole_packets(np.zeros(1)).any()
