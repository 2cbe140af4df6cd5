import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from earmark.config import AugmentConfig, Config, FeatureConfig, TrainConfig
from earmark.data import (
    AudioDataset,
    Clip,
    OrderedLoader,
    TrainingLoader,
    choose_window_frames,
    clip_logits,
    cut_window,
    window_starts,
)
from earmark.runtime import Runtime
from earmark.store import FeatureStore
from earmark.tasks import BINARY, MULTI_CLASS, MULTI_LABEL

CPU = Runtime(torch.device("cpu"))
LENGTHS = (30, 250, 100, 101, 640)


def _share(difference):
    """Weight of the less sure of two windows."""
    return 1 / (1 + np.exp(difference))


@pytest.fixture
def store(tmp_path, rng):
    """Clips whose every value tells of its clip and frame."""
    store = FeatureStore(tmp_path, FeatureConfig(n_mels=4))
    with store.writer() as writer:
        for number, length in enumerate(LENGTHS):
            frames = np.arange(length, dtype=np.float16)[:, None] + np.zeros(4, np.float16)
            frames[:, 0] = number
            writer.append(f"clip{number}", frames)
    return store


@pytest.fixture
def clips():
    return [Clip(f"{n}.wav", f"clip{n}", (n % 2,)) for n in range(len(LENGTHS))]


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


def test_the_grid_is_in_order_and_never_changes(store, clips):
    dataset = AudioDataset(store, clips, 100, overlap=0.5)
    starts = [start for length in LENGTHS for start in window_starts(length, 100, 0.5)]
    assert len(dataset) == len(starts)
    for epoch in (0, 1, 5):
        dataset.set_epoch(epoch)
        firsts = [int(dataset[index][0][0, 1, 0]) for index in range(len(dataset))]
        assert firsts == starts


def test_an_example_is_a_window_with_its_target(store, clips):
    log_mel, target = AudioDataset(store, clips, 100)[1]
    assert log_mel.shape == (1, 4, 100)
    assert log_mel.dtype == torch.float32
    assert log_mel[0, 0, 0] == 1
    assert target.tolist() == [0, 1]


def test_crops_follow_the_seed_and_the_epoch(store, clips):
    def crops(seed, epoch):
        dataset = AudioDataset(store, clips, 100, crops=Config(train=TrainConfig(seed=seed)))
        dataset.set_epoch(epoch)
        return dataset.batch(range(len(dataset))).log_mel

    assert torch.equal(crops(0, 1), crops(0, 1))
    assert not torch.equal(crops(0, 1), crops(0, 2))
    assert not torch.equal(crops(0, 1), crops(1, 1))


def test_long_clips_give_more_crops_up_to_a_limit(store, clips):
    dataset = AudioDataset(store, clips, 100, crops=Config(train=TrainConfig(max_crops=4)))
    counts = np.bincount(dataset.window_clips)
    assert counts.tolist() == [1, 2, 1, 1, 4]


def test_crops_are_whole_stretches_of_their_clip(store, clips):
    dataset = AudioDataset(store, clips, 100, crops=Config(train=TrainConfig()))
    for epoch in range(20):
        dataset.set_epoch(epoch)
        for index, clip in enumerate(dataset.window_clips):
            ramp = dataset[index][0][0, 1].numpy()
            if LENGTHS[clip] >= 100:
                assert (np.diff(ramp) == 1).all()
                assert ramp[-1] < LENGTHS[clip]


def test_training_shows_every_window_once_an_epoch_in_another_order(store, clips):
    dataset = AudioDataset(store, clips, 100, crops=Config(train=TrainConfig()))
    loader = TrainingLoader(dataset, TrainConfig(batch_size=4), CPU)
    orders = []
    for epoch in (1, 2, 1):
        loader.set_epoch(epoch)
        orders.append([int(one) for batch in loader for one in batch.windows])
        assert sorted(orders[-1]) == list(range(len(dataset)))
    assert orders[0] == orders[2] != orders[1]
    assert [len(batch.targets) for batch in loader] == [4, 4, 3]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_training_windows_evenly(store, clips, world_size):
    dataset = AudioDataset(store, clips, 100, crops=Config(train=TrainConfig()))
    seen = []
    for rank in range(world_size):
        runtime = Runtime(torch.device("cpu"), rank, world_size)
        loader = TrainingLoader(dataset, TrainConfig(batch_size=2), runtime)
        mine = [int(one) for batch in loader for one in batch.windows]
        assert len(mine) == len(dataset) // world_size
        seen += mine
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_window_is_evaluated_once_in_the_same_batches(store, clips, world_size, monkeypatch):
    monkeypatch.setattr("earmark.data.EVALUATION_BATCH", 4)
    dataset = AudioDataset(store, clips, 100)
    batches = []
    for rank in range(world_size):
        runtime = Runtime(torch.device("cpu"), rank, world_size)
        loader = OrderedLoader(dataset, runtime)
        mine = [batch.windows.tolist() for batch in loader]
        assert len(mine) == len(loader)
        batches += mine
    expected = [list(range(n, min(n + 4, len(dataset)))) for n in range(0, len(dataset), 4)]
    assert sorted(batches) == expected


def test_band_statistics_are_those_of_all_frames(store, clips):
    mean, std = AudioDataset(store, clips, 100).band_statistics()
    frames = np.concatenate([store[clip.key] for clip in clips]).astype(np.float64)
    np.testing.assert_allclose(mean.numpy(), frames.mean(axis=0))
    np.testing.assert_allclose(std.numpy(), frames.std(axis=0))


def test_the_logits_of_a_clip_are_the_mean_over_its_windows():
    logits = clip_logits(np.array([[1.0], [2.0], [6.0]]), np.array([0, 1, 1]))
    assert logits.tolist() == [[1.0], [4.0]]


@pytest.mark.parametrize(
    ("task", "pooling", "expected"),
    [
        (BINARY, "max", [[-5.0, 1.0]]),
        (BINARY, "attention", [[-5.0 + 7.0 * _share(3.0), 1.0]]),
        (MULTI_CLASS, "max", [[-5.0, 1.0]]),
        (MULTI_LABEL, "max", [[2.0, 1.0]]),
        (MULTI_LABEL, "attention", [[2.0 - 7.0 * _share(7.0), 1.0]]),
    ],
)
def test_the_surest_window_decides_or_weighs_more(task, pooling, expected):
    windows = np.array([[-5.0, 1.0], [2.0, 1.0]])
    if task is BINARY:
        windows, expected = windows[:, :1], [expected[0][:1]]
    both = np.concatenate([windows, windows[::-1]])
    logits = clip_logits(both, np.array([0, 0, 1, 1]), task=task, pooling=pooling)
    np.testing.assert_allclose(logits, expected * 2)


@given(
    arrays(float, (7, 3), elements=st.floats(-30, 30)),
    st.sampled_from(["mean", "max", "attention"]),
    st.sampled_from([MULTI_CLASS, MULTI_LABEL]),
)
def test_the_logits_of_a_clip_lie_between_those_of_its_windows(windows, pooling, task):
    numbers = np.array([0, 0, 0, 1, 2, 2, 2])
    logits = clip_logits(windows, numbers, task=task, pooling=pooling)
    for clip, row in enumerate(logits):
        own = windows[numbers == clip]
        assert (row >= own.min(axis=0) - 1e-9).all()
        assert (row <= own.max(axis=0) + 1e-9).all()
    np.testing.assert_allclose(logits[1], windows[3])


def test_random_windows_are_cut_longer_where_they_will_be_stretched(store, clips):
    config = Config(augment=AugmentConfig(stretch=0.5))
    dataset = AudioDataset(store, clips, 100, crops=config)
    assert dataset.batch([0, 1]).log_mel.shape == (2, 1, 4, 150)
    assert len(dataset) == len(AudioDataset(store, clips, 100, crops=Config()))


def test_windows_are_as_long_as_asked_unless_every_clip_is_shorter():
    assert choose_window_frames([1000, 20], Config()) == 251
    assert choose_window_frames([90, 120], Config()) == 120
    assert choose_window_frames([6], Config()) == 51
