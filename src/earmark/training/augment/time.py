"""Length and place of the sound in a window."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earmark.system.shapes import Float
from earmark.training.augment.base import Augmentation, BatchShape, Drawn, Windows, tensors


@dataclass(frozen=True)
class Stretch(Augmentation):
    """Random resized crop in time: a longer or shorter stretch becomes a window.

    Args:
        amount: The longest stretch is ``1 + amount`` windows, the shortest ``1 / (1 + amount)``.
        window_frames: Length of a window.
    """

    amount: float
    window_frames: int

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Length and start of each stretch, in frames; lengths are even on a logarithmic scale."""
        widest = math.log1p(self.amount)
        lengths = np.exp(rng.uniform(-widest, widest, shape.num_windows)) * self.window_frames
        lengths = lengths.clip(1, shape.num_frames)
        starts = rng.uniform(0, 1, shape.num_windows) * (shape.num_frames - lengths)
        return tensors(lengths=lengths, starts=starts)

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Interpolates linearly between frames."""
        log_mel = windows.log_mel
        steps = torch.linspace(0, 1, self.window_frames, device=log_mel.device)
        places = drawn["starts"][:, None] + steps * (drawn["lengths"][:, None] - 1)
        places = places.clamp(0, log_mel.shape[3] - 1)
        before = places.floor().long().clamp(max=max(log_mel.shape[3] - 2, 0))
        share = (places - before)[:, None, None]
        after = (before + 1).clamp(max=log_mel.shape[3] - 1)
        stretched = torch.lerp(_frames_at(log_mel, before), _frames_at(log_mel, after), share)
        return windows._replace(log_mel=stretched)


@dataclass(frozen=True)
class Shorten(Augmentation):
    """Windows of another length in every batch, so that the network learns to judge short ones too.

    Args:
        least: Smallest share of the window that is left.
    """

    least: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """One share for the batch, even on a logarithmic scale, and where each window begins."""
        share = np.exp(rng.uniform(math.log(self.least), 0, 1))
        return tensors(share=share, starts=rng.uniform(0, 1, shape.num_windows))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Cuts every window at its place."""
        num_frames = windows.log_mel.shape[3]
        length = max(1, round(num_frames * float(drawn["share"])))
        starts = (drawn["starts"] * (num_frames - length)).round().long()
        places = starts[:, None] + torch.arange(length, device=starts.device)
        return windows._replace(log_mel=_frames_at(windows.log_mel, places))


@dataclass(frozen=True)
class Roll(Augmentation):
    """Rotation in time: what leaves a window on one side comes back on the other.

    Args:
        share: Largest shift in either direction, as a share of the window.
    """

    share: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Shift of each window, as a share."""
        return tensors(shifts=rng.uniform(-self.share, self.share, shape.num_windows))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Rotates by whole frames."""
        num_frames = windows.log_mel.shape[3]
        shifts = (drawn["shifts"] * num_frames).round().long()
        places = torch.arange(num_frames, device=shifts.device) - shifts[:, None]
        return windows._replace(log_mel=_frames_at(windows.log_mel, places % num_frames))


def _frames_at(
    log_mel: Float[Tensor, "batch 1 mels frames"], places: Tensor
) -> Float[Tensor, "batch 1 mels places"]:
    size = (-1, -1, log_mel.shape[2], -1)
    return log_mel.gather(3, places[:, None, None, :].expand(size))
