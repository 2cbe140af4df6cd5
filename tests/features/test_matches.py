"""What leaves two sounds the same, and what does not make them the same."""

import numpy as np
import pytest
import soxr
from scipy.signal import lfilter

from earmark.features import hash_index
from earmark.features.fingerprints import HOP_LENGTH, SAMPLE_RATE, Fingerprint, fingerprint
from earmark.features.matches import (
    _correlate,
    _count_both_loud,
    find_matches,
    find_matches_between,
)


def match(*sounds):
    """The one match between sounds at the fingerprint's rate."""
    (found,) = find_matches([fingerprint([one.astype(np.float32)]) for one in sounds])
    return found


def do_not_match(*sounds):
    return find_matches([fingerprint([one.astype(np.float32)]) for one in sounds]) == []


@pytest.mark.parametrize("gain_db", [-60, -20, 20])
def test_gain_does_not_matter(gain_db, sound):
    original = sound(0)
    found = match(original, original * 10 ** (gain_db / 20))
    assert found.correlation > 0.99
    assert found.coverage == pytest.approx((1, 1), abs=0.01)


def test_polarity_does_not_matter(sound):
    original = sound(1)
    assert match(original, -original).correlation > 0.99


def test_a_lower_sample_rate_hardly_matters(sound):
    original = sound(2, rate=44_100)
    lower = soxr.resample(original, 44_100, 16_000)
    found = match(
        soxr.resample(original, 44_100, SAMPLE_RATE), soxr.resample(lower, 16_000, SAMPLE_RATE)
    )
    assert found.correlation > 0.95
    assert found.offset_seconds == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("num_samples", [1, 31, 64, 100, 127])
def test_an_offset_of_less_than_a_frame_is_found(num_samples, sound):
    original = sound(3)
    found = match(original, original[num_samples:])
    assert found.correlation > 0.95
    assert found.offset_seconds == pytest.approx(num_samples / SAMPLE_RATE, abs=0.001)


@pytest.mark.parametrize("seed", range(3))
def test_noise_20_db_below_the_sound_does_not_matter(seed, sound):
    original = sound(seed)
    noise = np.random.default_rng(100 + seed).standard_normal(len(original))
    level = 0.1 * np.sqrt(np.mean(original**2))
    assert match(original, original + level * noise).correlation > 0.75


@pytest.mark.parametrize("start_seconds", [0.0, 2.03, 7.5])
def test_the_position_of_an_excerpt_is_found(start_seconds, sound):
    original = sound(4, seconds=10.0)
    first = round(start_seconds * SAMPLE_RATE)
    found = match(original, original[first : first + 2 * SAMPLE_RATE])
    assert found.offset_seconds == pytest.approx(start_seconds, abs=0.1)
    assert found.coverage == pytest.approx((0.2, 1.0), abs=0.1)


def test_the_position_of_an_excerpt_is_found_beyond_the_first_minute(sound):
    original = sound(5, seconds=130.0)
    found = match(original, original[100 * SAMPLE_RATE : 105 * SAMPLE_RATE])
    assert found.offset_seconds == pytest.approx(100, abs=0.1)


def test_independent_noises_do_not_match():
    rng = np.random.default_rng(6)
    assert do_not_match(*(0.1 * rng.standard_normal(5 * SAMPLE_RATE) for _ in range(30)))


def test_sounds_of_one_distribution_do_not_match(sound):
    assert do_not_match(*map(sound, range(10, 40)))


def test_segments_of_a_stationary_noise_do_not_match():
    noise = lfilter([1], [1, -0.9], np.random.default_rng(7).standard_normal(60 * SAMPLE_RATE))
    assert do_not_match(*np.split(0.05 * noise, 20))


def test_pure_tones_of_different_pitch_do_not_match():
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    pitches = 400 * 2 ** (np.arange(24) / 12)
    assert do_not_match(*(0.3 * np.sin(2 * np.pi * pitch * seconds) for pitch in pitches))


def test_silence_does_not_match(sound):
    assert do_not_match(*np.zeros((2, SAMPLE_RATE)), sound(8))


@pytest.mark.parametrize(("num_first", "num_second"), [(30, 30), (30, 17), (12, 40)])
def test_the_count_of_loud_samples_is_the_correlation_of_the_masks(num_first, num_second, rng):
    masks = [
        np.repeat(rng.integers(0, 2, size), HOP_LENGTH).astype(np.float32)
        for size in (num_first, num_second)
    ]
    # Every other lag is of whole samples; interpolated ones ring at the edges of the masks.
    assert np.allclose(_count_both_loud(*masks)[::2], _correlate(*masks)[::2], atol=0.1)


def test_known_and_new_sounds_are_compared_with_one_another_alone(sound):
    one, other = sound(1), sound(2)
    known = [fingerprint([each]) for each in (one, one, sound(3), other)]
    new = [fingerprint([each]) for each in (sound(4), other[8000:], other[8000:])]
    found = find_matches_between(known, new)
    assert [(match.first, match.second) for match in found] == [(3, 1), (3, 2)]
    assert found[0].offset_seconds == pytest.approx(1.0, abs=0.001)
    assert find_matches_between([], new) == find_matches_between(known, []) == []


def test_an_empty_fingerprint_matches_nothing(sound):
    assert find_matches([Fingerprint.empty(), Fingerprint.empty(), fingerprint([sound(1)])]) == []


def test_many_sounds_are_looked_up_in_chunks(sound, monkeypatch):
    prints = [fingerprint([sound(seed)]) for seed in (1, 2, 3, 1, 2)]
    found = find_matches(prints)
    assert [(one.first, one.second) for one in found] == [(0, 3), (1, 4)]
    monkeypatch.setattr(hash_index, "CHUNK_HASHES", 1)
    assert find_matches(prints) == found
