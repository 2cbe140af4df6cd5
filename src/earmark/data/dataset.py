"""Data sets of windows and the three loaders.

A clip is judged by windows of one length. Training draws them at random; validation and testing
take a fixed grid that covers the clip, and `windows.clip_logits` makes the clip's logits of theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from earmark.config import Config, FeatureConfig, TrainConfig
from earmark.data.manifest import Manifest, Recording
from earmark.data.preparation import Prepared, prepare
from earmark.errors import DataError
from earmark.features.store import FeatureStore, Frames
from earmark.features.windows import EVALUATION_BATCH, cut_window, window_starts
from earmark.system.runtime import Runtime
from earmark.system.shapes import Float, Float32, Int64
from earmark.tasks.task import MULTI_LABEL, Task, multi_hot, sampling_weights

STATISTICS_FRAMES = 1 << 16


class Batch(NamedTuple):
    """Windows with the target rows of their clips and their own numbers in the data set."""

    log_mel: Float32[Tensor, "batch 1 mels frames"]
    targets: Float32[Tensor, "batch labels"]
    windows: Int64[Tensor, " batch"]


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from: a `FeatureStore`, or anything that is read like one."""

    @property
    def config(self) -> FeatureConfig:
        """Settings of the front end that they come from."""
        ...

    def __getitem__(self, key: str) -> Frames:
        """The frames of a clip."""
        ...

    def num_frames(self, key: str) -> int:
        """Number of frames of a clip."""
        ...


@dataclass(frozen=True)
class HeldFrames:
    """Frames that are in memory, by key.

    Args:
        config: Settings of the front end that they come from.
        frames: Key to frames.
    """

    config: FeatureConfig
    frames: Mapping[str, Frames]

    def __getitem__(self, key: str) -> Frames:
        return self.frames[key]

    def num_frames(self, key: str) -> int:
        """Number of frames of a clip."""
        return len(self.frames[key])


@dataclass(frozen=True)
class Clip:
    """A usable recording: its name, the key of its features, its labels' indices and its group."""

    name: str
    key: str
    targets: tuple[int, ...]
    group: str = ""

    @property
    def group_or_name(self) -> str:
        """Its group; a clip without one is a group of its own."""
        return self.group or self.name


def require_labels(manifest: Manifest, task: Task) -> None:
    """Refuses recordings whose labels the task does not allow.

    Raises:
        DataError: With the first recording that has no label, or several, where one is needed.
    """
    if task is MULTI_LABEL:
        return
    for one in manifest.recordings:
        if len(one.labels) != 1:
            found = f"the labels {' and '.join(one.labels)}" if one.labels else "no label"
            raise DataError(
                f"{manifest.source}: {one.name} has {found}, and a {task.title} task needs one "
                "each; mend it, or set train.task=multi_label"
            )


def prepare_once(
    recordings: Sequence[Recording], store: FeatureStore, runtime: Runtime
) -> Prepared:
    """Features of recordings: the first process computes them, the others wait and read."""
    if not runtime.is_main:
        runtime.wait()
        store.refresh()
    prepared = prepare(recordings, store, reporter=runtime.reporter)
    if runtime.is_main:
        runtime.wait()
    return prepared


def usable_clips(manifest: Manifest, prepared: Prepared, split: str) -> list[Clip]:
    """The clips of a split whose features are stored, in the order of the manifest."""
    return [
        Clip(one.name, prepared.keys[one.name], manifest.targets(one), one.group)
        for one in manifest.split(split)
        if one.name in prepared.keys
    ]


class AudioDataset(Dataset):
    """Windows of stored clips.

    Without ``crops`` the windows are the fixed grid, in order. With it they are drawn at random,
    the same ones for the same seed and epoch; a long clip gives more of them than a short one.

    Args:
        store: Where the features are.
        clips: Which ones.
        window_frames: Length of the windows.
        overlap: Share of a window that the next repeats, on the grid.
        crops: Draw windows at random, with these settings; they are longer where the augmentation
            makes windows from longer stretches.
        num_labels: Size of the vocabulary.
    """

    def __init__(
        self,
        store: FrameSource,
        clips: Sequence[Clip],
        window_frames: int,
        *,
        overlap: float = 0.0,
        crops: Config | None = None,
        num_labels: int = 2,
    ) -> None:
        self.store = store
        self.clips = tuple(clips)
        self.targets = multi_hot([clip.targets for clip in clips], num_labels)
        self.window_frames = (
            window_frames if crops is None else crops.augment.source_frames(window_frames)
        )
        self._overlap = overlap
        self._crops = None if crops is None else crops.train
        self._lengths = np.array([store.num_frames(clip.key) for clip in clips], np.int64)
        if crops is None:
            grids = [self._starts_of(int(number)) for number in self._lengths]
        else:
            per_clip = np.clip(np.round(self._lengths / window_frames), 1, crops.train.max_crops)
            grids = [[0] * int(number) for number in per_clip]
        self.window_clips = np.repeat(np.arange(len(grids)), [len(grid) for grid in grids])
        self._starts = np.array([start for grid in grids for start in grid], np.int64)
        self.set_epoch(0)

    def _starts_of(self, num_frames: int) -> list[int]:
        """First frames of a clip's windows on the grid."""
        return window_starts(num_frames, self.window_frames, self._overlap)

    def set_epoch(self, epoch: int) -> None:
        """Draws the random windows of an epoch; the fixed grid stays."""
        if self._crops is not None:
            rng = np.random.default_rng((self._crops.seed, epoch, 1))
            room = np.maximum(self._lengths - self.window_frames, 0)[self.window_clips]
            self._starts = rng.integers(0, room, endpoint=True)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(
        self, index: int
    ) -> tuple[Float32[Tensor, "1 mels frames"], Float32[Tensor, " labels"]]:
        """A window's log-mel values in decibels, and its clip's target row."""
        batch = self.batch([index])
        return batch.log_mel[0], batch.targets[0]

    def __getitems__(self, indices: list[int]) -> Batch:
        """Many windows at once: what the loaders ask for."""
        return self.batch(indices)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Windows stacked, with the targets of their clips."""
        chosen = list(indices)
        clips = self.window_clips[chosen].tolist()
        starts = self._starts[chosen].tolist()
        windows = [
            cut_window(self._frames(clip), start, self.window_frames)
            for clip, start in zip(clips, starts, strict=True)
        ]
        log_mel = torch.from_numpy(np.stack(windows)).unsqueeze(1)
        targets = torch.from_numpy(self.targets[clips]).float()
        return Batch(log_mel, targets, torch.tensor(chosen))

    def frames(self, index: int) -> Frames:
        """The frames of a window as they are stored; fewer than it is long where the clip ends."""
        start = self._starts[index]
        return self._frames(int(self.window_clips[index]))[start : start + self.window_frames]

    def _frames(self, clip: int) -> Frames:
        return self.store[self.clips[clip].key]

    def band_statistics(self) -> tuple[Float[Tensor, " mels"], Float[Tensor, " mels"]]:
        """Mean and standard deviation of each mel band over every frame of every clip."""
        n_mels = self.store.config.n_mels
        count, total, squares = 0, np.zeros(n_mels), np.zeros(n_mels)
        for clip in range(len(self.clips)):
            whole = self._frames(clip)
            for first in range(0, len(whole), STATISTICS_FRAMES):
                frames = whole[first : first + STATISTICS_FRAMES].astype(np.float64)
                count += len(frames)
                total += frames.sum(axis=0)
                squares += (frames**2).sum(axis=0)
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0.0)
        return torch.from_numpy(mean), torch.from_numpy(np.sqrt(variance))


class TrainingBatches(Sampler[list[int]]):
    """Shuffled batches of this process's share of the windows; every share has the same length.

    Sampling for balance draws windows with replacement, rare labels as often as common ones.

    Args:
        dataset: What to sample.
        config: Batch size and seed.
        runtime: Which share.
    """

    def __init__(self, dataset: AudioDataset, config: TrainConfig, runtime: Runtime) -> None:
        self._dataset = dataset
        self._config = config
        self._runtime = runtime
        self._epoch = 0
        self._shares = None
        if config.balance == "sampling":
            self._shares = sampling_weights(dataset.targets[dataset.window_clips])

    def set_epoch(self, epoch: int) -> None:
        """Another epoch, another order."""
        self._epoch = epoch

    def __len__(self) -> int:
        share = len(self._dataset) // self._runtime.world_size
        return -(-share // self._config.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        rng = np.random.default_rng((self._config.seed, self._epoch, 0))
        if self._shares is None:
            order = rng.permutation(len(self._dataset))
        else:
            order = rng.choice(len(self._dataset), len(self._dataset), p=self._shares)
        # Shares of one length, so that no process waits for gradients that never come.
        share = len(order) // self._runtime.world_size
        mine = order[self._runtime.rank :: self._runtime.world_size][:share].tolist()
        for first in range(0, share, self._config.batch_size):
            yield mine[first : first + self._config.batch_size]


class OrderedBatches(Sampler[list[int]]):
    """All windows in order, in batches of one size; this process's share of the batches.

    The batches do not depend on the number of processes, so the figures do not either.
    """

    def __init__(self, dataset: AudioDataset, runtime: Runtime) -> None:
        first = EVALUATION_BATCH * runtime.rank
        step = EVALUATION_BATCH * runtime.world_size
        self._num_windows = len(dataset)
        self._firsts = range(first, len(dataset), step)

    def __len__(self) -> int:
        return len(self._firsts)

    def __iter__(self) -> Iterator[list[int]]:
        for first in self._firsts:
            yield list(range(first, min(first + EVALUATION_BATCH, self._num_windows)))


class TrainingLoader(DataLoader):
    """Random windows in random order, both drawn from the seed and the epoch."""

    def __init__(self, dataset: AudioDataset, config: TrainConfig, runtime: Runtime) -> None:
        self.windows = dataset
        self.batches = TrainingBatches(dataset, config, runtime)
        super().__init__(dataset, batch_sampler=self.batches, collate_fn=_as_is)

    def set_epoch(self, epoch: int) -> None:
        """Draws the windows and the order of an epoch."""
        self.windows.set_epoch(epoch)
        self.batches.set_epoch(epoch)


class OrderedLoader(DataLoader):
    """Every window in order: for validation and testing, so that predictions can be traced."""

    def __init__(self, dataset: AudioDataset, runtime: Runtime) -> None:
        self.windows = dataset
        super().__init__(dataset, batch_sampler=OrderedBatches(dataset, runtime), collate_fn=_as_is)


def _as_is(batch: Any) -> Any:
    return batch
