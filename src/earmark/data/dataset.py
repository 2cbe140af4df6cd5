"""Data sets of windows of stored clips.

A clip is classified by windows of one length. Training draws them at random; validation and testing
take a fixed grid, and `tasks.pooling.clip_logits` combines the logits of a clip's windows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from earmark.config import Config, FeatureConfig
from earmark.data.content import Clip
from earmark.data.device_frames import MEMORY_FRACTION, DeviceFrames
from earmark.features.store import ClipKey, Frames
from earmark.features.windows import Grid, cut_window
from earmark.system.runtime import describe_device
from earmark.system.shapes import Float, Float32, Float64, Int64
from earmark.tasks.task import multi_hot

STATISTICS_FRAMES = 1 << 16


class Batch(NamedTuple):
    """Windows with the target rows of their clips and their indices in the data set."""

    log_mel: Float32[Tensor, "batch 1 mels frames"]
    targets: Float32[Tensor, "batch labels"]
    indices: Int64[Tensor, " batch"]


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from: a `FeatureStore`, or anything with its interface."""

    @property
    def config(self) -> FeatureConfig:
        """Settings of the front end."""
        ...

    def __getitem__(self, key: ClipKey) -> Frames:
        """The frames of a clip."""
        ...

    def num_frames(self, key: ClipKey) -> int:
        """Number of frames of a clip."""
        ...


@dataclass(frozen=True)
class HeldFrames:
    """Frames in memory, by key.

    Args:
        config: Settings of the front end.
        frames: Key to frames.
    """

    config: FeatureConfig
    frames: Mapping[ClipKey, Frames]

    def __getitem__(self, key: ClipKey) -> Frames:
        return self.frames[key]

    def num_frames(self, key: ClipKey) -> int:
        """Number of frames of a clip."""
        return len(self.frames[key])


class AudioDataset(Dataset):
    """Windows of stored clips.

    Without ``crops`` the windows are those of the grid, in order. With it they are drawn at random,
    the same ones for the same seed and epoch; a long clip gives more of them than a short one.

    Args:
        store: Where the features are.
        clips: Which ones.
        grid: Length of the windows, and where they lie.
        crops: Draw windows at random, with these settings; they are longer than those of the grid
            where the augmentation shortens them.
        num_labels: Size of the vocabulary.
    """

    def __init__(
        self,
        store: FrameSource,
        clips: Sequence[Clip],
        grid: Grid,
        *,
        crops: Config | None = None,
        num_labels: int = 2,
    ) -> None:
        self.store = store
        self.clips = tuple(clips)
        self.window_frames = grid.num_frames
        self._crops = None
        self._lengths = np.array([store.num_frames(clip.key) for clip in clips], np.int64)
        if crops is None:
            starts = [grid.starts(int(length)) for length in self._lengths]
            counts = np.array([len(one) for one in starts], np.int64)
            self._starts = np.fromiter(chain.from_iterable(starts), np.int64)
        else:
            self._crops = crops.train
            self.window_frames = crops.augment.source_frames(grid.num_frames)
            counts = np.clip(np.round(self._lengths / grid.num_frames), 1, crops.train.max_crops)
            self._starts = np.zeros(int(counts.sum()), np.int64)
        self.window_clips = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
        self.set_epoch(0)
        # As bytes: a million clips of 500 labels would fill 4 GB with numbers.
        self.targets = multi_hot([clip.targets for clip in clips], num_labels).astype(np.bool_)
        self._held: DeviceFrames | None = None

    def hold(self, device: torch.device) -> None:
        """Keeps the frames of all clips on a device if they fit there; windows are then cut there.

        Args:
            device: That of the network; nothing is gained on the CPU.
        """
        memory = describe_device(device).memory_bytes
        num_bytes = int(self._lengths.sum()) * self.store.config.n_mels * np.float16().nbytes
        if memory is not None and num_bytes <= MEMORY_FRACTION * memory:
            self._held = DeviceFrames.of(map(self._frames, range(len(self.clips))), device)

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
        """Many windows at once, as loaders ask for them."""
        return self.batch(indices)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Windows stacked, with the targets of their clips."""
        chosen = list(indices)
        clips, starts = self.window_clips[chosen], self._starts[chosen]
        if self._held is None:
            windows = [
                cut_window(self._frames(clip), start, self.window_frames)
                for clip, start in zip(clips.tolist(), starts.tolist(), strict=True)
            ]
            log_mel = torch.from_numpy(np.stack(windows)).unsqueeze(1)
        else:
            log_mel = self._held.cut(clips, starts, self.window_frames)
        targets = torch.from_numpy(self.targets[clips]).float()
        return Batch(log_mel, targets, torch.tensor(chosen))

    @property
    def window_targets(self) -> Float64[np.ndarray, "windows labels"]:
        """The target row of each window."""
        return self.targets[self.window_clips].astype(np.float64)

    def frames(self, index: int) -> Frames:
        """The frames of a window as they are stored; fewer than its length where the clip ends."""
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
