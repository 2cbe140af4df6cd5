"""Loaders show every window once, in the same batches whatever the number of processes."""

import pytest
import torch

from earmark.config import AugmentConfig, Config, TrainConfig, load_config
from earmark.data.dataset import AudioDataset
from earmark.data.labels import choose_task
from earmark.data.loaders import OrderedLoader, TrainingLoader, make_loaders
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings
from earmark.errors import TrainingError
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid
from earmark.system.runtime import Runtime

CPU = Runtime(torch.device("cpu"))
CROPS = Config(augment=AugmentConfig(time_stretch=0.0), train=TrainConfig(max_crops=8))
GRID = WindowGrid(100)


def test_training_shows_every_window_once_an_epoch_in_another_order(store, clips):
    dataset = AudioDataset(store, clips, GRID, crops=CROPS)
    loader = TrainingLoader(dataset, TrainConfig(batch_size=4), CPU)
    orders = []
    for epoch in (1, 2, 1):
        loader.set_epoch(epoch)
        orders.append([int(one) for batch in loader for one in batch.indices])
        assert sorted(orders[-1]) == list(range(len(dataset)))
    assert orders[0] == orders[2] != orders[1]
    assert [len(batch.targets) for batch in loader] == [4, 4, 3]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_processes_share_the_training_windows_evenly(store, clips, world_size):
    dataset = AudioDataset(store, clips, GRID, crops=CROPS)
    seen = []
    for rank in range(world_size):
        runtime = Runtime(torch.device("cpu"), rank, world_size)
        loader = TrainingLoader(dataset, TrainConfig(batch_size=2), runtime)
        mine = [int(one) for batch in loader for one in batch.indices]
        assert len(mine) == len(dataset) // world_size
        seen += mine
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_every_window_is_evaluated_once_in_the_same_batches(store, clips, world_size, monkeypatch):
    monkeypatch.setattr("earmark.features.windows.EVALUATION_BATCH", 4)
    dataset = AudioDataset(store, clips, GRID)
    batches = []
    for rank in range(world_size):
        runtime = Runtime(torch.device("cpu"), rank, world_size)
        loader = OrderedLoader(dataset, runtime)
        mine = [batch.indices.tolist() for batch in loader]
        assert len(mine) == len(loader)
        batches += mine
    expected = [list(range(n, min(n + 4, len(dataset)))) for n in range(0, len(dataset), 4)]
    assert sorted(batches) == expected


def test_balanced_sampling_shows_rare_labels_as_often(store, clips):
    rare = [clips[1], clips[4]]  # 2 windows of one label, 6 of the other.
    dataset = AudioDataset(store, rare, GRID, crops=CROPS)
    loader = TrainingLoader(dataset, TrainConfig(balance="sampling"), CPU)
    labels = []
    for epoch in range(40):
        loader.set_epoch(epoch)
        labels += [int(one) for batch in loader for one in batch.targets[:, 1]]
    assert 0.4 < sum(labels) / len(labels) < 0.6


def make(folder, tmp_path, *settings, runtime=CPU):
    config = load_config(settings=["train.crop_seconds=0.5", "features.n_mels=8", *settings])
    manifest = read_manifest(folder)
    task = choose_task(manifest, config.train)
    store = FeatureStore(tmp_path / "store", config.features)
    prepared = prepare_recordings(manifest.recordings, store)
    return make_loaders(manifest, task, config, prepared, store, runtime)


def test_a_manifest_becomes_loaders_of_its_training_and_validation_splits(sound_folder, tmp_path):
    loaders = make(sound_folder, tmp_path)
    names = {clip.name.split("/")[0] for clip in loaders.train.dataset.clips}
    assert names == {"training"}
    assert {clip.name.split("/")[0] for clip in loaders.validation.dataset.clips} == {"validation"}
    assert loaders.window_frames == loaders.validation.dataset.window_frames == 26


def test_nothing_is_validated_where_nothing_is_held_out(sound_folder, tmp_path):
    assert make(sound_folder, tmp_path, "train.hold_out_validation=false").validation is None


def test_more_processes_than_windows_are_refused(sound_folder, tmp_path):
    many = Runtime(torch.device("cpu"), world_size=1000)
    with pytest.raises(TrainingError, match="1000 processes"):
        make(sound_folder, tmp_path, runtime=many)
