import numpy as np
import pytest
import torch

from earmark.config import AugmentConfig, Config, FeatureConfig, TrainConfig
from earmark.data.dataset import AudioDataset, Clip, OrderedLoader, TrainingLoader
from earmark.features.store import FeatureStore
from earmark.features.windows import window_starts
from earmark.system.runtime import Runtime

CPU = Runtime(torch.device("cpu"))
LENGTHS = (30, 250, 100, 101, 640)
CROPS = Config(augment=AugmentConfig(time_stretch=0.0), train=TrainConfig(max_crops=8))


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
    dataset = AudioDataset(store, clips, 100, crops=Config(augment=AugmentConfig(time_stretch=0.0)))
    for epoch in range(20):
        dataset.set_epoch(epoch)
        for index, clip in enumerate(dataset.window_clips):
            ramp = dataset[index][0][0, 1].numpy()
            if LENGTHS[clip] >= 100:
                assert (np.diff(ramp) == 1).all()
                assert ramp[-1] < LENGTHS[clip]


def test_training_shows_every_window_once_an_epoch_in_another_order(store, clips):
    dataset = AudioDataset(store, clips, 100, crops=CROPS)
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
    dataset = AudioDataset(store, clips, 100, crops=Config(augment=AugmentConfig(time_stretch=0.0)))
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
    monkeypatch.setattr("earmark.data.dataset.EVALUATION_BATCH", 4)
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


def test_random_windows_are_cut_longer_where_they_will_be_stretched(store, clips):
    config = Config(augment=AugmentConfig(time_stretch=0.5))
    dataset = AudioDataset(store, clips, 100, crops=config)
    assert dataset.batch([0, 1]).log_mel.shape == (2, 1, 4, 150)
    unstretched = Config(augment=AugmentConfig(time_stretch=0.0))
    assert len(dataset) == len(AudioDataset(store, clips, 100, crops=unstretched))
