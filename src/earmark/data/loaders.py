"""Loaders: batches of windows to train on and to validate or test on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Sampler

from earmark.config import Config, TrainConfig
from earmark.data.dataset import AudioDataset
from earmark.data.labels import require_clips
from earmark.data.manifest import Manifest
from earmark.data.preparation import Prepared, training_clips
from earmark.errors import TrainingError
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid, choose_window_frames, evaluation_batch
from earmark.system.runtime import Runtime
from earmark.tasks.task import Task, sampling_weights


class TrainingBatches(Sampler[list[int]]):
    """Shuffled batches of this process's part of the windows; all parts have the same length.

    Balanced sampling draws windows with replacement, rare labels as often as common ones.

    Args:
        dataset: What to sample.
        config: Batch size and seed.
        runtime: Which part.
    """

    def __init__(self, dataset: AudioDataset, config: TrainConfig, runtime: Runtime) -> None:
        self._dataset = dataset
        self._config = config
        self._runtime = runtime
        self._epoch = 0
        self._weights = None
        if config.balance == "sampling":
            self._weights = sampling_weights(dataset.window_targets)

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch that the next order is drawn for."""
        self._epoch = epoch

    def __len__(self) -> int:
        length = len(self._dataset) // self._runtime.world_size
        return -(-length // self._config.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self._config.seed, self._epoch, 0))
        if self._weights is None:
            order = rng.permutation(len(self._dataset))
        else:
            order = rng.choice(len(self._dataset), len(self._dataset), p=self._weights)
        # Parts of one length, so that no process waits for gradients that never come.
        length = len(order) // self._runtime.world_size
        own = order[self._runtime.rank :: self._runtime.world_size][:length].tolist()
        for first in range(0, length, self._config.batch_size):
            yield own[first : first + self._config.batch_size]


class OrderedBatches(Sampler[list[int]]):
    """All windows in order, in batches of one size; every so many of them are this process's.

    The batches do not depend on the number of processes, so the metrics do not either.
    """

    def __init__(self, dataset: AudioDataset, runtime: Runtime) -> None:
        self._size = evaluation_batch(dataset.store.config.n_mels, dataset.window_frames)
        first, step = self._size * runtime.rank, self._size * runtime.world_size
        self._num_windows = len(dataset)
        self._firsts = range(first, len(dataset), step)

    def __len__(self) -> int:
        return len(self._firsts)

    def __iter__(self) -> Iterator[list[int]]:
        for first in self._firsts:
            yield list(range(first, min(first + self._size, self._num_windows)))


class TrainingLoader(DataLoader):
    """Random windows in random order, both drawn from the seed and the epoch."""

    dataset: AudioDataset  # pyrefly: ignore[bad-override-mutable-attribute]

    def __init__(self, dataset: AudioDataset, config: TrainConfig, runtime: Runtime) -> None:
        self.batches = TrainingBatches(dataset, config, runtime)
        super().__init__(dataset, batch_sampler=self.batches, collate_fn=_identity)

    def set_epoch(self, epoch: int) -> None:
        """Draws the windows and the order of an epoch."""
        self.dataset.set_epoch(epoch)
        self.batches.set_epoch(epoch)


class OrderedLoader(DataLoader):
    """Every window in order: for validation and testing, so that predictions can be traced."""

    dataset: AudioDataset  # pyrefly: ignore[bad-override-mutable-attribute]

    def __init__(self, dataset: AudioDataset, runtime: Runtime) -> None:
        super().__init__(
            dataset, batch_sampler=OrderedBatches(dataset, runtime), collate_fn=_identity
        )


def _identity(batch: Any) -> Any:
    return batch


@dataclass(frozen=True)
class Loaders:
    """Random windows to train on, and every window of the validation split in order, if any.

    Args:
        train: The training split.
        validation: The validation split; None where nothing is held out for validation.
        window_frames: Length of the windows that the network gets.
    """

    train: TrainingLoader
    validation: OrderedLoader | None
    window_frames: int


def make_loaders(
    manifest: Manifest,
    task: Task,
    config: Config,
    prepared: Prepared,
    store: FeatureStore,
    runtime: Runtime,
) -> Loaders:
    """The features of the training and validation splits, ready to train on.

    Args:
        manifest: The data, with splits.
        task: What the labels mean.
        config: All settings.
        prepared: The recordings that have features.
        store: Where the features are.
        runtime: Where to compute.

    Raises:
        DataError: A label has no usable clip in a split that needs it.
        TrainingError: There are fewer windows than processes.
    """
    clips = training_clips(manifest, prepared, config.train)
    require_clips(manifest, task, clips)
    num_labels = len(manifest.labels)
    lengths = [store.num_frames(clip.key) for clip in clips["train"]]
    window_frames = choose_window_frames(lengths, config)
    grid = WindowGrid(window_frames, config.predict.overlap)
    training = AudioDataset(store, clips["train"], grid, crops=config, num_labels=num_labels)
    if len(training) < runtime.world_size:
        raise TrainingError(
            f"{len(training)} training windows are too few for {runtime.world_size} processes; "
            "start fewer"
        )
    training.hold(runtime.device)
    validation = None
    if "validation" in clips:
        windows = AudioDataset(store, clips["validation"], grid, num_labels=num_labels)
        validation = OrderedLoader(windows, runtime)
    loader = TrainingLoader(training, config.train, runtime)
    return Loaders(loader, validation, window_frames)
