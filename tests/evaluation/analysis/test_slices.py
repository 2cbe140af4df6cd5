import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.effects import apply_gain, band_limit, white_noise
from earmark.config import FeatureConfig
from earmark.data.content import Clip
from earmark.data.recording import Recording
from earmark.evaluation.analysis.slices import (
    GROUP,
    MAX_BINS,
    MAX_NUMBERED,
    MIN_CLIPS,
    describe_clips,
    measure_sound,
    slice_clips,
)
from earmark.evaluation.metrics.intervals import wilson_interval
from earmark.evaluation.metrics.scores import Predictions
from earmark.evaluation.result import Evaluation
from earmark.features.log_mel import LogMel, extract_blocks
from earmark.features.store import ClipKey, FeatureStore
from earmark.tasks.decision_rule import DecisionRule
from earmark.tasks.task import BINARY


def make_predictions(hits, groups=None):
    """Predictions of speech, correct where `hits` is true."""
    groups = groups or [f"g{index}" for index in range(len(hits))]
    clips = tuple(
        Clip(f"{index:04}.wav", ClipKey(f"{index:04}"), (1 if hit else 0,), group)
        for index, (hit, group) in enumerate(zip(hits, groups, strict=True))
    )
    return Predictions(clips, np.full((len(hits), 1), 1.0))


def sliced(hits, columns, groups=None):
    rule = DecisionRule(BINARY, (0.5,))
    return slice_clips(Evaluation(make_predictions(hits, groups), ("x", "y"), rule), columns)


def test_a_slice_has_the_metrics_of_its_clips():
    hits = [True] * 15 + [False] * 5 + [True] * 20
    first, second = sliced(hits, {"room": ["hall"] * 20 + ["studio"] * 20})
    assert (first.column, first.value) == ("room", "hall")
    assert (first.num_clips, first.num_correct, first.accuracy) == (20, 15, 0.75)
    assert first.accuracy_interval == wilson_interval(0.75, 20.0, 0.95)
    assert second.accuracy == 1.0
    wrong, right = math.log1p(math.e), math.log1p(1 / math.e)
    assert first.loss == pytest.approx((5 * wrong + 15 * right) / 20)
    assert first.to_dict()["accuracy_interval"] == list(first.accuracy_interval)


def test_small_slices_are_left_out():
    values = ["many"] * 20 + ["few"] * (MIN_CLIPS - 1)
    assert [one.value for one in sliced([True] * len(values), {"room": values})] == ["many"]


def test_a_column_without_variation_makes_no_slice():
    hits = [True] * 30
    same, unique, empty = ["a"] * 30, [f"id {n}" for n in range(30)], [""] * 29 + [None]
    assert sliced(hits, {"same": same, "unique": unique, "empty": empty}) == ()


def test_clips_without_a_value_are_in_no_slice():
    values = ["a"] * 12 + ["b"] * 12 + ["", None] * 6
    assert [one.num_clips for one in sliced([True] * 36, {"room": values})] == [12, 12]


def test_the_lowest_upper_bound_comes_first():
    hits = [False] * 5 + [True] * 5 + [False] * 80 + [True] * 120 + [True] * 50
    values = ["ten clips"] * 10 + ["many clips"] * 200 + ["fine"] * 50
    first, second, third = sliced(hits, {"room": values})
    assert (first.value, second.value, third.value) == ("many clips", "ten clips", "fine")
    assert second.accuracy < first.accuracy


def test_clips_of_one_group_count_for_less_but_for_the_group_itself():
    hits = ([True] * 10 + [False] * 10) * 2
    groups = ["a"] * 10 + ["b"] * 10 + ["c"] * 10 + ["d"] * 10
    rooms = ["x"] * 20 + ["y"] * 20
    by_room = sliced(hits, {"room": rooms}, groups)[0]
    by_group = next(one for one in sliced(hits, {GROUP: groups}, groups) if one.num_correct)
    assert by_room.num_groups == 2
    assert by_room.accuracy_interval[1] - by_room.accuracy_interval[0] > 0.85
    assert by_group.accuracy_interval == wilson_interval(1.0, 10.0, 0.95)


@settings(max_examples=30)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=80))
def test_every_number_is_in_one_range_at_most(numbers):
    slices = sliced([True] * len(numbers), {"level": numbers})
    assert len(slices) <= MAX_BINS
    assert sum(one.num_clips for one in slices) <= len(numbers)


def test_numbers_are_cut_at_quantiles_wherever_they_come_from():
    texts = [str(number) for number in range(40)]
    slices = sorted(sliced([True] * 40, {"age": texts}), key=lambda one: one.value)
    assert [one.num_clips for one in slices] == [10, 10, 10, 10]
    assert slices[0].value == "0 to 9.75"


@pytest.mark.parametrize(
    ("first", "step", "name"),
    [(20220101, 9, "20220101 to 20220189"), (1.7e9, 60, "1700000000 to 1700000585")],
)
def test_ranges_of_long_numbers_differ(first, step, name):
    texts = [str(int(first) + step * number) for number in range(40)]
    slices = sorted(sliced([True] * 40, {"recorded": texts}), key=lambda one: one.value)
    assert [one.num_clips for one in slices] == [10, 10, 10, 10]
    assert slices[0].value == name


def test_groups_are_names_even_when_they_are_numbers():
    groups = [str(number // 10) for number in range(60)]
    assert {one.value for one in sliced([True] * 60, {GROUP: groups}, groups)} == set("012345")


def values_of(column, values):
    return {one.value for one in sliced([True] * len(values), {column: values})}


def test_names_with_digits_and_underscores_are_no_numbers():
    # Python reads 3_14 as 314.
    values = [f"{index // 10}_{index % 5}" for index in range(300)]
    assert all(" to " not in value for value in values_of("take", values))


@pytest.mark.parametrize("column", ["speaker_id", "speakerId", "ID"])
def test_identifiers_are_names_however_many_there_are(column):
    values = [str(1000 + index // 10) for index in range(300)]
    assert values_of(column, values) == set(values)


def test_a_few_whole_numbers_are_names_and_many_are_a_quantity():
    few = [str(index % MAX_NUMBERED) for index in range(10 * MAX_NUMBERED)]
    many = [str(index % (MAX_NUMBERED + 1)) for index in range(10 * MAX_NUMBERED + 10)]
    assert values_of("take", few) == set(few)
    for column in ("age", "grid"):
        assert len(values_of(column, many)) == MAX_BINS


def test_a_few_numbers_with_fractions_and_measured_ones_are_quantities():
    written = [str(index % 8 + 0.5) for index in range(80)]
    measured = [float(index % 8) for index in range(80)]
    for column, values in (("distance", written), ("duration (s)", measured)):
        found = values_of(column, values)
        assert len(found) == MAX_BINS
        assert all(" to " in value for value in found)


CONFIGS = [
    FeatureConfig(),
    FeatureConfig(mel_norm="none", mel_scale="htk"),
    FeatureConfig(sample_rate=44_100, n_fft=2048, win_length=1024, n_mels=64),
]


def measure(samples, config):
    return measure_sound(extract_blocks([samples], LogMel(config)).frames, config)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("gain_db", [0.0, -20.0, -50.0])
def test_the_level_is_that_of_the_mean_square(config, gain_db, rng):
    noise = apply_gain(white_noise(4 * config.sample_rate, rng), -12.0 + gain_db)
    seconds, level, _ = measure(noise, config)
    assert seconds == pytest.approx(4.0, abs=0.02)
    assert level == pytest.approx(20 * np.log10(noise.std()), abs=0.4)


@pytest.mark.parametrize("config", CONFIGS)
def test_the_bandwidth_is_where_the_sound_ends(config, rng):
    noise = apply_gain(white_noise(4 * config.sample_rate, rng), -12.0)
    assert measure(noise, config)[2] == pytest.approx(config.sample_rate / 2)
    narrow = measure(band_limit(noise, config.sample_rate, 3000), config)[2]
    assert 2800 < narrow < 3700


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_other_powers_give_an_estimate(power, rng):
    noise = apply_gain(white_noise(64_000, rng), -12.0)
    config = FeatureConfig(power=power)
    _, level_db, bandwidth_hz = measure(noise, config)
    assert level_db == pytest.approx(20 * np.log10(noise.std()), abs=3.0)
    assert bandwidth_hz == pytest.approx(8000)
    narrow_hz = measure(band_limit(noise, 16_000, 3000), config)[2]
    assert 2800 < narrow_hz < 3700


def test_silence_has_a_length_and_the_lowest_level():
    seconds, level, _ = measure(np.zeros(16_000, np.float32), FeatureConfig())
    assert seconds == 1.0
    assert level < -80


def test_clips_are_described_by_sound_group_and_manifest(tmp_path, rng):
    store = FeatureStore(tmp_path, FeatureConfig())
    clips, recordings = [], {}
    with store.writer() as writer:
        for index in range(3):
            name = f"{index}.wav"
            frames = extract_blocks([white_noise(16_000, rng)], LogMel(store.config)).frames
            writer.append(ClipKey(name), frames)
            clips.append(Clip(name, ClipKey(name), (0,), "a" if index else "b"))
            extra = {"room": "hall", "duration (s)": "long"} if index else {}
            recordings[name] = Recording(Path(name), name, ("x",), "a", extra=extra)
    columns = describe_clips(clips, recordings, store)
    assert columns["room"] == [None, "hall", "hall"]
    assert columns["duration (s)"] == [1.0, 1.0, 1.0]
    assert columns["duration (s) (manifest)"] == [None, "long", "long"]
    assert columns[GROUP] == ["b", "a", "a"]
    alone = [replace(clip, group="") for clip in clips]
    assert GROUP not in describe_clips(alone, recordings, store)
