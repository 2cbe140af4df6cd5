import numpy as np
import torch

from earmark.config import AugmentConfig, Config, TrainConfig
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.features.windows import ExcerptGrid, WindowGrid, window_starts

UNSTRETCHED = Config(augment=AugmentConfig(time_stretch=0.0))
GRID = WindowGrid(100)


def test_the_grid_is_in_order_and_never_changes(store, clips):
    dataset = AudioDataset(store, clips, WindowGrid(100, 0.5))
    lengths = [store.num_frames(clip.key) for clip in clips]
    starts = [start for length in lengths for start in window_starts(length, 100, 0.5)]
    assert len(dataset) == len(starts)
    for epoch in (0, 1, 5):
        dataset.set_epoch(epoch)
        firsts = [int(dataset[index][0][0, 1, 0]) for index in range(len(dataset))]
        assert firsts == starts


def test_an_example_is_a_window_with_its_target(store, clips):
    log_mel, target = AudioDataset(store, clips, GRID)[1]
    assert log_mel.shape == (1, 4, 100)
    assert log_mel.dtype == torch.float32
    assert log_mel[0, 0, 0] == 1
    assert target.tolist() == [0, 1]


def test_crops_follow_the_seed_and_the_epoch(store, clips):
    def crops(seed, epoch):
        dataset = AudioDataset(store, clips, GRID, crops=Config(train=TrainConfig(seed=seed)))
        dataset.set_epoch(epoch)
        return dataset.batch(range(len(dataset))).log_mel

    assert torch.equal(crops(0, 1), crops(0, 1))
    assert not torch.equal(crops(0, 1), crops(0, 2))
    assert not torch.equal(crops(0, 1), crops(1, 1))


def test_long_clips_give_more_crops_up_to_a_limit(store, clips):
    dataset = AudioDataset(store, clips, GRID, crops=Config(train=TrainConfig(max_crops=4)))
    counts = np.bincount(dataset.window_clips)
    assert counts.tolist() == [1, 2, 1, 1, 4]


def test_crops_are_consecutive_frames_of_their_clip(store, clips):
    dataset = AudioDataset(store, clips, GRID, crops=UNSTRETCHED)
    for epoch in range(20):
        dataset.set_epoch(epoch)
        for index, clip in enumerate(dataset.window_clips):
            ramp = dataset[index][0][0, 1].numpy()
            num_frames = store.num_frames(clips[clip].key)
            if num_frames >= 100:
                assert (np.diff(ramp) == 1).all()
                assert ramp[-1] < num_frames


def test_band_statistics_are_those_of_all_frames(store, clips):
    mean, std = AudioDataset(store, clips, GRID).band_statistics()
    frames = np.concatenate([store[clip.key] for clip in clips]).astype(np.float64)
    np.testing.assert_allclose(mean.numpy(), frames.mean(axis=0))
    np.testing.assert_allclose(std.numpy(), frames.std(axis=0))


def test_random_windows_are_cut_longer_where_they_will_be_stretched(store, clips):
    config = Config(augment=AugmentConfig(time_stretch=0.5))
    dataset = AudioDataset(store, clips, GRID, crops=config)
    assert dataset.batch([0, 1]).log_mel.shape == (2, 1, 4, 150)
    assert len(dataset) == len(AudioDataset(store, clips, GRID, crops=UNSTRETCHED))


def test_the_windows_of_an_excerpt_grid_are_its_excerpts(store, clips):
    grid = ExcerptGrid(num_steps=50, margin=2)
    dataset = AudioDataset(store, clips, grid)
    assert np.bincount(dataset.window_clips).tolist() == [1, 4, 1, 2, 12]
    assert dataset.batch([1, 2]).log_mel[:, 0, 1, 0].tolist() == [2.0, 52.0]
    assert dataset.frames(1).shape == (47, 4)


def test_every_window_has_the_targets_of_its_clip(store, clips):
    dataset = AudioDataset(store, clips, GRID)
    assert dataset.window_targets.tolist() == dataset.targets[dataset.window_clips].tolist()
    assert dataset.batch([2]).targets.tolist() == [[0.0, 1.0]]


def test_frames_in_memory_serve_like_those_of_a_store(store, clips):
    held = HeldFrames(store.config, {clip.key: store[clip.key] for clip in clips})
    ours, theirs = (AudioDataset(source, clips, GRID) for source in (held, store))
    everything = range(len(theirs))
    assert torch.equal(ours.batch(everything).log_mel, theirs.batch(everything).log_mel)
