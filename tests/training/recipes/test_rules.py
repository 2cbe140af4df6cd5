"""What the rules choose, whatever is given."""

import pytest

from earmark.config import load_config, with_recipe
from earmark.data.fingerprint import Quantiles
from earmark.training.recipes.draft import Draft
from earmark.training.recipes.rules import choose

SIZES = ("hop_length", "win_length", "n_fft")
FIXED = ("train.seed", "train.split_seed", "train.task", "train.hold_out_validation")


def choices(fingerprint, *given_settings):
    config = with_recipe(load_config(settings=given_settings))
    draft = Draft(config, config.given)
    choose(fingerprint, draft)
    return config, {one.setting: one.value for one in draft.choices}


def test_no_rule_decides_which_recordings_are_for_what(make_fingerprint):
    _, chosen = choices(make_fingerprint())
    assert chosen
    assert not {one for one in chosen if one in FIXED or one.endswith("_fraction")} - {
        "train.warmup_fraction"
    }


def test_every_choice_has_a_reason(make_fingerprint):
    draft = Draft(load_config(), ())
    choose(make_fingerprint(), draft)
    assert all(one.reason for one in draft.choices)


@pytest.mark.parametrize(
    ("rates", "bandwidth", "expected"),
    [
        ({44_100: 80}, 20_000, 44_100),
        ({44_100: 80}, 3_000, 8_000),
        ({8_000: 70, 44_100: 10}, 20_000, 8_000),
        ({8_000: 2, 22_050: 78}, 10_000, 22_050),
        ({4_000: 80}, 1_900, 4_000),
        ({16_000: 80}, 0, 16_000),
    ],
)
def test_the_sample_rate_is_what_the_recordings_have_and_their_sound_needs(
    make_fingerprint, rates, bandwidth, expected
):
    data = make_fingerprint(sample_rates=rates, reach_hz=Quantiles(0.0, 0.0, float(bandwidth)))
    assert choices(data)[1]["features.sample_rate"] == expected


@pytest.mark.parametrize("rate", [4_000, 8_000, 16_000, 44_100])
def test_short_clips_have_shorter_windows_and_bins_as_fine(make_fingerprint, rate):
    words = Quantiles(0.2, 0.4, 0.7)
    _, short = choices(make_fingerprint(sample_rates={rate: 80}, duration_seconds=words))
    _, longer = choices(make_fingerprint(sample_rates={rate: 80}))
    assert 2 * short["features.win_length"] == longer["features.win_length"]
    assert short["features.win_length"] <= 0.032 * rate
    assert short["features.n_fft"] == longer["features.n_fft"]
    assert short["features.n_mels"] == longer["features.n_mels"]


@pytest.mark.parametrize("given", ["features.win_length=600", "features.n_fft=128"])
def test_a_given_length_fits_the_window_of_short_clips(make_fingerprint, given):
    words = Quantiles(0.2, 0.4, 0.7)
    data = make_fingerprint(sample_rates={8_000: 80}, duration_seconds=words)
    config, chosen = choices(data, given)
    sizes = {key: chosen.get(f"features.{key}", getattr(config.features, key)) for key in SIZES}
    assert sizes["hop_length"] <= sizes["win_length"] <= sizes["n_fft"]


@pytest.mark.parametrize(
    ("given_setting", "expected"),
    [
        ("features.f_max=12000.0", 48_000),
        ("features.f_max=30000.0", 96_000),
        ("features.f_min=9000.0", 48_000),
        ("features.f_min=25000.0", 96_000),
    ],
)
def test_the_sample_rate_has_room_for_a_given_band(make_fingerprint, given_setting, expected):
    data = make_fingerprint(sample_rates={48_000: 80}, reach_hz=Quantiles(0.0, 0.0, 23_000.0))
    _, chosen = choices(data, given_setting)
    assert chosen["features.sample_rate"] == expected


def test_a_band_above_that_of_the_recordings_raises_all_that_depends_on_the_rate(make_fingerprint):
    data = make_fingerprint(sample_rates={8_000: 80})
    _, chosen = choices(data, "features.f_min=5000.0")
    _, expected = choices(make_fingerprint(sample_rates={16_000: 80}))
    for setting in ("sample_rate", "n_fft", "win_length", "hop_length"):
        assert chosen[f"features.{setting}"] == expected[f"features.{setting}"]
