import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.config import Config, FeatureConfig, TrainConfig
from earmark.features.log_mel import LogMel
from earmark.features.windows import (
    ExcerptGrid,
    WindowGrid,
    choose_window_frames,
    cut_middles,
    cut_window,
    stream_windows,
    window_starts,
    window_step,
)


@given(st.integers(1, 2000), st.integers(1, 300), st.floats(0, 0.95))
def test_windows_cover_the_clip_and_stay_inside(num_frames, window_frames, overlap):
    starts = window_starts(num_frames, window_frames, overlap)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    if num_frames <= window_frames:
        assert starts == [0]
    else:
        assert starts[-1] + window_frames == num_frames
        assert max(np.diff(starts)) <= window_frames


@given(st.integers(1, 120), st.integers(1, 200))
def test_a_short_clip_is_repeated_until_it_fills_the_window(num_frames, window_frames):
    frames = np.arange(num_frames, dtype=np.float16)[:, None] * np.ones(3, np.float16)
    window = cut_window(frames, 0, window_frames)
    assert window.shape == (3, window_frames)
    expected = np.arange(window_frames) % num_frames
    np.testing.assert_array_equal(window[1], expected)


def test_windows_are_as_long_as_asked_unless_every_clip_is_shorter():
    config = Config(train=TrainConfig(crop_seconds=5.0))
    assert choose_window_frames([1000, 20], config) == 251
    assert choose_window_frames([90, 120], config) == 120
    assert choose_window_frames([6], config) == 51


@given(
    group_lengths=st.lists(st.integers(1, 60), min_size=1, max_size=12),
    window_frames=st.integers(1, 60),
    overlap=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
)
def test_streamed_windows_are_those_of_the_whole_clip(group_lengths, window_frames, overlap):
    num_frames = sum(group_lengths)
    frames = np.arange(num_frames, dtype=np.float32)[:, None] * [1.0, -1.0]
    groups = np.split(frames, np.cumsum(group_lengths)[:-1])
    step = window_step(window_frames, overlap)
    batches = list(stream_windows(groups, window_frames, step))
    spans = [span for spans, _ in batches for span in spans]
    starts = window_starts(num_frames, window_frames, overlap)
    assert [span.start for span in spans] == starts
    assert spans[-1].stop == num_frames
    expected = [cut_window(frames, start, window_frames) for start in starts]
    np.testing.assert_array_equal(np.concatenate([windows for _, windows in batches]), expected)


def test_no_frames_are_no_windows():
    assert list(stream_windows([], 5, 5)) == []


def test_a_window_grid_covers_a_clip():
    assert WindowGrid(100, 0.5).starts(250) == window_starts(250, 100, 0.5)
    assert WindowGrid(100).starts(30) == [0]


ODD = FeatureConfig(sample_rate=8000, n_fft=512, win_length=470, hop_length=193, n_mels=8)


@pytest.mark.parametrize("config", [FeatureConfig(), ODD], ids=["default", "odd"])
def test_an_excerpt_is_every_frame_that_no_sound_outside_of_it_reaches(config, rng):
    grid = ExcerptGrid.of_seconds(0.5, config)
    length = grid.num_steps * config.hop_length
    log_mel = LogMel(config)
    sound = 0.1 * rng.standard_normal(3 * length).astype(np.float32)
    other = 0.1 * rng.standard_normal(3 * length).astype(np.float32)
    other[length : 2 * length] = sound[length : 2 * length]
    same = np.isclose(log_mel(sound), log_mel(other), atol=1e-4).all(axis=0)
    start = grid.starts(config.num_frames(3 * length))[1]
    assert np.flatnonzero(same).tolist() == list(range(start, start + grid.num_frames))


@given(st.integers(1, 5000), st.integers(1, 60), st.integers(1, 8))
def test_excerpts_lie_end_to_end_inside_the_clip(num_frames, extra, margin):
    grid = ExcerptGrid(num_steps=2 * margin + extra, margin=margin)
    starts = grid.starts(num_frames)
    if num_frames <= grid.num_steps:
        assert starts == [0]
    else:
        assert starts[0] == margin
        assert set(np.diff(starts)) <= {grid.num_steps}
        last = starts[-1] + grid.num_frames - 1 + margin
        assert last <= num_frames - 1 < last + grid.num_steps


def test_the_length_is_that_of_the_samples_inside():
    grid = ExcerptGrid.of_seconds(1.0, FeatureConfig())
    assert (grid.num_steps, grid.num_frames) == (50, 47)


@given(st.integers(1, 80), st.floats(0.01, 1.0))
def test_the_middle_of_a_window_is_repeated_until_it_fills_it(num_frames, fraction):
    windows = np.arange(num_frames, dtype=np.float32).reshape(1, 1, num_frames)
    middles = cut_middles(windows, fraction)
    assert middles.shape == windows.shape
    found = np.unique(middles)
    assert len(found) == max(1, round(num_frames * fraction))
    assert (np.diff(found) == 1).all()
