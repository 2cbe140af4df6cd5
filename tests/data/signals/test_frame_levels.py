"""Levels of short frames."""

import numpy as np
import pytest

from earmark.data.signals.frame_levels import FrameLevels


@pytest.fixture
def sound(rng):
    """Three seconds at 11,025 Hz, whose frames are of 551 samples, with bursts of noise."""
    level = np.repeat(rng.choice([0.001, 0.01, 0.03, 0.1, 0.3], 30), 1102)
    return (level * rng.standard_normal(len(level))).clip(-1, 1).astype(np.float32)


def test_blocks_of_any_length_give_the_same(sound, rng):
    whole, pieces = FrameLevels(11_025), FrameLevels(11_025)
    whole.add(sound)
    for piece in np.split(sound, np.sort(rng.integers(0, len(sound), 40))):
        pieces.add(piece)
    for name in ("active_fraction", "event_seconds", "noise_floor_db"):
        assert getattr(pieces, name) == getattr(whole, name)


def test_the_values_are_those_of_another_computation(sound):
    levels = FrameLevels(11_025)
    levels.add(sound)
    rms = [np.sqrt(np.mean(sound[at : at + 551] ** 2.0)) for at in range(0, 60 * 551, 551)]
    # To whole decibels, as they are kept.
    decibels = [np.floor(20 * np.log10(one)) for one in rms]
    active = [one >= max(decibels) - 20 for one in decibels]
    runs, length = [], 0
    for is_active in [*active, False]:
        if is_active:
            length += 1
        elif length:
            runs.append(length * 551 / 11_025)
            length = 0
    assert 0.1 < levels.active_fraction < 0.9
    assert levels.active_fraction == pytest.approx(sum(active) / len(active))
    assert levels.event_seconds == pytest.approx(np.median(runs))


def test_a_sound_shorter_than_a_frame_has_no_events():
    levels = FrameLevels(16_000)
    levels.add(np.ones(700, np.float32))
    assert (levels.active_fraction, levels.event_seconds) == (0.0, 0.0)
