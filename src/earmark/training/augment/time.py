"""Duration and position of the sound in a window."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earmark.data.dataset import Batch
from earmark.system.shapes import Float
from earmark.training.augment.base import Augmentation, BatchShape, Drawn, tensors


@dataclass(frozen=True)
class TimeStretch(Augmentation):
    """Random resized crop in time: a longer or shorter excerpt is resampled to a window.

    Args:
        amount: The longest excerpt has ``1 + amount`` windows, the shortest ``1 / (1 + amount)``.
        window_frames: Frames of a window.
    """

    amount: float
    window_frames: int

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Length and start of each excerpt, in frames; lengths are uniform on a log scale."""
        widest = math.log1p(self.amount)
        lengths = np.exp(rng.uniform(-widest, widest, shape.num_windows)) * self.window_frames
        lengths = lengths.clip(1, shape.num_frames)
        starts = rng.uniform(0, 1, shape.num_windows) * (shape.num_frames - lengths)
        return tensors(lengths=lengths, starts=starts)

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Interpolates linearly between frames."""
        log_mel = batch.log_mel
        steps = torch.linspace(0, 1, self.window_frames, device=log_mel.device)
        places = drawn["starts"][:, None] + steps * (drawn["lengths"][:, None] - 1)
        places = places.clamp(0, log_mel.shape[3] - 1)
        before = places.floor().long().clamp(max=max(log_mel.shape[3] - 2, 0))
        weight = (places - before)[:, None, None]
        after = (before + 1).clamp(max=log_mel.shape[3] - 1)
        stretched = torch.lerp(_frames_at(log_mel, before), _frames_at(log_mel, after), weight)
        return batch._replace(log_mel=stretched)


@dataclass(frozen=True)
class Shorten(Augmentation):
    """Shorter windows, of another length in every batch, for networks that predict on short sounds.

    Args:
        min_fraction: Smallest fraction of the window that is kept.
    """

    min_fraction: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """One fraction for the batch, uniform on a log scale, and the start of each window."""
        fraction = np.exp(rng.uniform(math.log(self.min_fraction), 0, 1))
        return tensors(fraction=fraction, starts=rng.uniform(0, 1, shape.num_windows))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Crops every window."""
        num_frames = batch.log_mel.shape[3]
        length = max(1, round(num_frames * float(drawn["fraction"])))
        starts = (drawn["starts"] * (num_frames - length)).round().long()
        places = starts[:, None] + torch.arange(length, device=starts.device)
        return batch._replace(log_mel=_frames_at(batch.log_mel, places))


@dataclass(frozen=True)
class Roll(Augmentation):
    """Rotation in time: frames that leave a window at one end enter at the other.

    Args:
        max_fraction: Largest shift in either direction, as a fraction of the window.
    """

    max_fraction: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Shift of each window, as a fraction of it."""
        return tensors(shifts=rng.uniform(-self.max_fraction, self.max_fraction, shape.num_windows))

    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """Rotates by whole frames."""
        num_frames = batch.log_mel.shape[3]
        shifts = (drawn["shifts"] * num_frames).round().long()
        places = torch.arange(num_frames, device=shifts.device) - shifts[:, None]
        return batch._replace(log_mel=_frames_at(batch.log_mel, places % num_frames))


def _frames_at(
    log_mel: Float[Tensor, "batch 1 mels frames"], places: Tensor
) -> Float[Tensor, "batch 1 mels places"]:
    size = (-1, -1, log_mel.shape[2], -1)
    return log_mel.gather(3, places[:, None, None, :].expand(size))
