"""Fingerprints: what leaves a sound the same, and what does not make two sounds one."""

import numpy as np
import pytest
import soxr
from scipy.signal import lfilter

from earmark.audit.fingerprints import HOP_LENGTH, SAMPLE_RATE, Fingerprint, fingerprint
from earmark.audit.matches import _correlate, _count_both_loud, find_matches


def sound(seed, seconds=5.0, rate=SAMPLE_RATE):
    """Noise of changing colour and level: no two stretches of it are alike."""
    rng = np.random.default_rng(seed)
    size = round(seconds * rate)
    pieces = []
    while sum(map(len, pieces)) < size:
        pole, level = rng.uniform(-0.9, 0.9), rng.uniform(0.02, 0.2)
        noise = rng.standard_normal(int(rng.uniform(0.05, 0.3) * rate))
        pieces.append(level * lfilter([np.sqrt(1 - pole**2)], [1, -pole], noise))
    return np.concatenate(pieces)[:size].astype(np.float32)


def match(*sounds):
    """The one match between sounds at the fingerprint's rate."""
    (found,) = find_matches([fingerprint([one.astype(np.float32)]) for one in sounds])
    return found


def are_apart(*sounds):
    return find_matches([fingerprint([one.astype(np.float32)]) for one in sounds]) == []


@pytest.mark.parametrize("gain_db", [-60, -20, 20])
def test_gain_changes_nothing(gain_db):
    original = sound(0)
    found = match(original, original * 10 ** (gain_db / 20))
    assert found.correlation > 0.99
    assert found.coverage == pytest.approx((1, 1), abs=0.01)


def test_polarity_changes_nothing():
    original = sound(1)
    assert match(original, -original).correlation > 0.99


def test_the_rate_of_the_file_hardly_matters():
    original = sound(2, rate=44_100)
    lower = soxr.resample(original, 44_100, 16_000)
    found = match(
        soxr.resample(original, 44_100, SAMPLE_RATE), soxr.resample(lower, 16_000, SAMPLE_RATE)
    )
    assert found.correlation > 0.95
    assert found.offset_seconds == pytest.approx(0, abs=0.001)


@pytest.mark.parametrize("num_samples", [1, 31, 64, 100, 127])
def test_an_offset_by_a_part_of_a_frame_is_found(num_samples):
    original = sound(3)
    found = match(original, original[num_samples:])
    assert found.correlation > 0.95
    assert found.offset_seconds == pytest.approx(num_samples / SAMPLE_RATE, abs=0.001)


@pytest.mark.parametrize("seed", range(3))
def test_noise_20_db_below_the_sound_is_forgiven(seed):
    original = sound(seed)
    noise = np.random.default_rng(100 + seed).standard_normal(len(original))
    level = 0.1 * np.sqrt(np.mean(original**2))
    assert match(original, original + level * noise).correlation > 0.75


@pytest.mark.parametrize("start_seconds", [0.0, 2.03, 7.5])
def test_an_excerpt_finds_its_place(start_seconds):
    original = sound(4, seconds=10.0)
    first = round(start_seconds * SAMPLE_RATE)
    found = match(original, original[first : first + 2 * SAMPLE_RATE])
    assert found.offset_seconds == pytest.approx(start_seconds, abs=0.1)
    assert found.coverage == pytest.approx((0.2, 1.0), abs=0.1)


def test_an_excerpt_finds_its_place_beyond_the_first_minute():
    original = sound(5, seconds=130.0)
    found = match(original, original[100 * SAMPLE_RATE : 105 * SAMPLE_RATE])
    assert found.offset_seconds == pytest.approx(100, abs=0.1)


def test_independent_noises_are_apart():
    rng = np.random.default_rng(6)
    assert are_apart(*(0.1 * rng.standard_normal(5 * SAMPLE_RATE) for _ in range(30)))


def test_sounds_drawn_alike_are_apart():
    assert are_apart(*map(sound, range(10, 40)))


def test_stretches_of_one_stationary_noise_are_apart():
    noise = lfilter([1], [1, -0.9], np.random.default_rng(7).standard_normal(60 * SAMPLE_RATE))
    assert are_apart(*np.split(0.05 * noise, 20))


def test_pure_tones_of_different_pitch_are_apart():
    seconds = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
    pitches = 400 * 2 ** (np.arange(24) / 12)
    assert are_apart(*(0.3 * np.sin(2 * np.pi * pitch * seconds) for pitch in pitches))


def test_silence_is_nobodys_copy():
    assert are_apart(*np.zeros((2, SAMPLE_RATE)), sound(8))


def test_a_fingerprint_survives_being_stored():
    kept = fingerprint([sound(9)])
    read = Fingerprint.from_bytes(kept.to_bytes())
    for name in ("hashes", "frames", "weak", "signs", "active"):
        assert np.array_equal(getattr(kept, name), getattr(read, name))


def test_blocks_do_not_matter():
    original = sound(10, seconds=70.0)
    whole = fingerprint([original])
    assert fingerprint(np.array_split(original, 37)).to_bytes() == whole.to_bytes()


@pytest.mark.parametrize(("num_first", "num_second"), [(30, 30), (30, 17), (12, 40)])
def test_the_count_of_loud_samples_is_a_correlation_of_the_masks(num_first, num_second, rng):
    masks = [
        np.repeat(rng.integers(0, 2, size), HOP_LENGTH).astype(np.float32)
        for size in (num_first, num_second)
    ]
    # Every other lag is of whole samples; interpolated ones ring at the edges of the masks.
    assert np.allclose(_count_both_loud(*masks)[::2], _correlate(*masks)[::2], atol=0.1)
