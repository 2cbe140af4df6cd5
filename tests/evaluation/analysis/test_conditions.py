import numpy as np
import pytest

from earmark.audio.effects import white_noise
from earmark.evaluation.analysis.conditions import (
    EXCERPT_SECONDS,
    NUM_VOICES,
    Sound,
    list_conditions,
)


@pytest.fixture
def sound(rng):
    voices = [white_noise(5000, rng) for _ in range(NUM_VOICES + 2)]
    return Sound(white_noise(16_000 * 2, rng) * np.float32(0.1), 16_000, (0, 1), voices)


def changed(sound):
    return {one.name: one.change(sound) for one in list_conditions()}


def test_the_first_condition_leaves_the_sound_as_it_is(sound):
    assert list_conditions()[0].change(sound) is sound.samples


def test_names_differ():
    names = [one.name for one in list_conditions()]
    assert len(set(names)) == len(names)


def test_every_other_condition_changes_the_sound_or_does_not_apply(sound):
    versions = changed(sound)
    versions.pop("as recorded")
    for name, version in versions.items():
        assert version is None or not np.array_equal(version, sound.samples), name
    left_out = [name for name, version in versions.items() if version is None]
    assert left_out == [f"{seconds:g} s excerpt" for seconds in EXCERPT_SECONDS if seconds >= 2]


def test_the_same_seeds_give_the_same_chance(sound):
    first, second = changed(sound), changed(sound)
    for name, version in first.items():
        assert version is None or np.array_equal(version, second[name]), name


def test_a_noise_differs_between_its_levels_in_nothing_else(sound):
    versions = changed(sound)
    for title in ("white noise", "speech-shaped noise", "babble"):
        soft, loud = (versions[f"{title}, {snr} dB"] - sound.samples for snr in (20, 0))
        assert np.allclose(10 * soft, loud, atol=1e-4), title


def test_babble_needs_other_clips(sound):
    alone = Sound(sound.samples, sound.sample_rate, sound.seeds, sound.voices[:1])
    assert changed(alone)["babble, 0 dB"] is None


def test_a_narrow_front_end_has_no_telephone_band(sound):
    narrow = Sound(sound.samples, 8000, sound.seeds)
    assert changed(narrow)["recorded at 8 kHz"] is None
