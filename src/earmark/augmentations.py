"""The ways in which chance changes training windows: each is drawn first, then applied to a batch.

What is drawn depends on the generator alone, not on the values of the windows nor on the device, so
that the same seed gives the same windows. Values are log-mel band energies in decibels.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

CURVE_POINTS = 5
"""Points of a smooth random curve over the bands."""
NOISE_RANGE_DB = 30.0
NOISE_COLOUR_DB = 15.0
NOISE_SHAPE = 3.0
"""Shape of the gamma distribution of the noise's energy; a band sums a few bins."""

Drawn = Mapping[str, Tensor]


class Windows(NamedTuple):
    """Windows of a batch in decibels, with their target rows."""

    log_mel: Float[Tensor, "batch 1 mels frames"]
    targets: Float[Tensor, "batch labels"]


@dataclass(frozen=True)
class BatchShape:
    """Size of a batch as it comes from the data set."""

    num_windows: int
    n_mels: int
    num_frames: int


class Augmentation(ABC):
    """One way in which chance changes a batch."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Decides what will happen to each window; a row a window."""

    @abstractmethod
    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Does what was drawn."""


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
        return _tensors(lengths=lengths, starts=starts)

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
        return _tensors(share=share, starts=rng.uniform(0, 1, shape.num_windows))

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
        return _tensors(shifts=rng.uniform(-self.share, self.share, shape.num_windows))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Rotates by whole frames."""
        num_frames = windows.log_mel.shape[3]
        shifts = (drawn["shifts"] * num_frames).round().long()
        places = torch.arange(num_frames, device=shifts.device) - shifts[:, None]
        return windows._replace(log_mel=_frames_at(windows.log_mel, places % num_frames))


@dataclass(frozen=True)
class Gain(Augmentation):
    """Another level.

    Args:
        largest_db: Largest change in either direction.
    """

    largest_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Change of each window, in decibels."""
        return _tensors(changes=rng.uniform(-self.largest_db, self.largest_db, shape.num_windows))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Adds the change."""
        return windows._replace(log_mel=windows.log_mel + drawn["changes"][:, None, None, None])


@dataclass(frozen=True)
class Filter(Augmentation):
    """Another frequency response, smooth over the bands, as of another room or microphone.

    Args:
        largest_db: Largest change of a band in either direction.

    Source:
        Nam et al. (2022), FilterAugment: an acoustic environmental data augmentation method,
        arXiv:2110.03282, the linear type.
    """

    largest_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Change of each band of each window, in decibels."""
        return _tensors(curves=_curves(rng, shape, self.largest_db))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Adds the curve to every frame."""
        return windows._replace(log_mel=windows.log_mel + drawn["curves"][:, None, :, None])


@dataclass(frozen=True)
class Noise(Augmentation):
    """Noise of a random colour below the sound, added as energy.

    Args:
        share: Share of the windows that get it.
        loudest_snr_db: Lowest ratio of the window's mean energy to the noise's.
    """

    share: float
    loudest_snr_db: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Noise relative to the window's level, in decibels; minus infinity where there is none."""
        snr_db = self.loudest_snr_db + rng.uniform(0, NOISE_RANGE_DB, shape.num_windows)
        curves = _curves(rng, shape, NOISE_COLOUR_DB) - snr_db[:, None]
        size = (shape.num_windows, shape.n_mels, shape.num_frames)
        grain = rng.standard_gamma(NOISE_SHAPE, size, dtype=np.float32) / NOISE_SHAPE
        curves[rng.random(shape.num_windows) >= self.share] = -np.inf
        return _tensors(curves=curves, grain_db=10 * np.log10(np.maximum(grain, 1e-6)))

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Adds the energies."""
        log_mel = windows.log_mel
        # The stretch may have made the windows shorter than the draw, never longer.
        grain_db = drawn["grain_db"][:, :, : log_mel.shape[3]]
        noise = (drawn["curves"][:, :, None] + grain_db)[:, None] + _level_db(log_mel)
        return windows._replace(log_mel=_add_energies(log_mel, noise))


@dataclass(frozen=True)
class Mix(Augmentation):
    """A window and another of its batch at once, and their targets alike.

    Args:
        share: Share of the windows that are mixed.
        alpha: Both parameters of the beta distribution of the ratio.
        by_energy: Mix as if both sounded at once, not the values in decibels.
        union: Keep all labels of both, which is what sounding at once means in a multi-label task.

    Source:
        Zhang et al. (2018), mixup: beyond empirical risk minimization, arXiv:1710.09412, section 2.
        Tokozume et al. (2018), Learning from between-class examples for deep sound recognition,
        arXiv:1711.10282, equation 2: amplitudes in the ratio r to 1 - r have energies in that of
        r² to (1 - r)², here over their sum.
    """

    share: float
    alpha: float
    by_energy: bool = False
    union: bool = False

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window and the window's own part, at least a half."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        ratios = np.maximum(ratios, 1 - ratios)
        ratios[rng.random(shape.num_windows) >= self.share] = 1.0
        return {
            "partners": torch.from_numpy(rng.permutation(shape.num_windows)),
            **_tensors(ratios=ratios),
        }

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Mixes each window with its partner."""
        log_mel, targets = windows
        ratios, partners = drawn["ratios"], drawn["partners"]
        part, other, other_targets = (
            ratios[:, None, None, None],
            log_mel[partners],
            targets[partners],
        )
        if self.by_energy:
            other = other + _level_db(log_mel) - _level_db(other)
            own_energy, other_energy = part**2, (1 - part) ** 2
            total = own_energy + other_energy
            mixed = _add_energies(
                log_mel + _decibels(own_energy / total), other + _decibels(other_energy / total)
            )
        else:
            mixed = torch.lerp(other, log_mel, part)
        if self.union:
            both = torch.maximum(targets, other_targets)
            return Windows(mixed, torch.where(ratios[:, None] < 1, both, targets))
        return Windows(mixed, torch.lerp(other_targets, targets, ratios[:, None]))


@dataclass(frozen=True)
class Style(Augmentation):
    """Freq-MixStyle: the mean and deviation of each band, mixed with those of another window.

    Args:
        share: Share of the batches in which it is done.
        alpha: Both parameters of the beta distribution of the ratio.

    Source:
        Kim et al. (2022), Domain generalization with relaxed instance frequency-wise normalization
        for multi-device acoustic scene classification, arXiv:2206.12513, and Schmid et al. (2022),
        Knowledge distillation from transformers for low-complexity acoustic scene classification,
        DCASE workshop, section 3, for mixing the statistics.
    """

    share: float
    alpha: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Partner of each window and the share of its own style; all of it in the other batches."""
        ratios = rng.beta(self.alpha, self.alpha, shape.num_windows)
        partners = torch.from_numpy(rng.permutation(shape.num_windows))
        if rng.random() >= self.share:
            ratios = np.ones(shape.num_windows)
        return {"partners": partners, **_tensors(ratios=ratios)}

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Takes off each window's own statistics and puts the mixed ones on."""
        log_mel, partners = windows.log_mel, drawn["partners"]
        ratios = drawn["ratios"][:, None, None, None]
        std, mean = torch.std_mean(log_mel, dim=3, correction=0, keepdim=True)
        std = std + 1e-3
        mixed_mean = torch.lerp(mean[partners], mean, ratios)
        mixed_std = torch.lerp(std[partners], std, ratios)
        return windows._replace(log_mel=(log_mel - mean) / std * mixed_std + mixed_mean)


@dataclass(frozen=True)
class Mask(Augmentation):
    """Stretches of one axis set to the mean of their window.

    Args:
        axis: 2 for bands, 3 for frames.
        number: How many stretches.
        widest: Longest stretch, as a share of the axis.

    Source:
        Park et al. (2019), SpecAugment: a simple data augmentation method for automatic speech
        recognition, arXiv:1904.08779, section 2.
    """

    axis: int
    number: int
    widest: float

    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Start and end of each stretch, as shares of the axis."""
        size = (shape.num_windows, self.number)
        widths = rng.uniform(0, self.widest, size)
        starts = rng.uniform(0, 1, size) * (1 - widths)
        return _tensors(starts=starts, ends=starts + widths)

    def apply(self, windows: Windows, drawn: Drawn) -> Windows:
        """Blanks what lies between."""
        log_mel = windows.log_mel
        length = log_mel.shape[self.axis]
        places = torch.arange(length, device=log_mel.device)
        starts = (drawn["starts"] * length).round()[:, :, None]
        ends = (drawn["ends"] * length).round()[:, :, None]
        hidden = ((places >= starts) & (places < ends)).any(dim=1)[:, None]
        hidden = hidden[..., None] if self.axis == 2 else hidden[:, :, None]
        means = log_mel.mean(dim=(2, 3), keepdim=True)
        return windows._replace(log_mel=torch.where(hidden, means, log_mel))


def _tensors(**arrays: np.ndarray) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


def _curves(
    rng: np.random.Generator, shape: BatchShape, largest_db: float
) -> Float[np.ndarray, "batch mels"]:
    """Smooth random curves over the bands: straight lines between a few random points."""
    points = rng.uniform(-largest_db, largest_db, (shape.num_windows, CURVE_POINTS))
    places = np.linspace(0, CURVE_POINTS - 1, shape.n_mels)
    left = np.minimum(places.astype(int), CURVE_POINTS - 2)
    share = places - left
    return points[:, left] * (1 - share) + points[:, left + 1] * share


def _frames_at(
    log_mel: Float[Tensor, "batch 1 mels frames"], places: Tensor
) -> Float[Tensor, "batch 1 mels places"]:
    size = (-1, -1, log_mel.shape[2], -1)
    return log_mel.gather(3, places[:, None, None, :].expand(size))


def _decibels(energy: Tensor) -> Tensor:
    return 10 * energy.log10()


def _level_db(log_mel: Float[Tensor, "batch 1 mels frames"]) -> Float[Tensor, "batch 1 1 1"]:
    """Mean energy of each window, in decibels."""
    return _decibels(torch.pow(10, log_mel / 10).mean(dim=(2, 3), keepdim=True))


def _add_energies(one: Tensor, other: Tensor) -> Tensor:
    """Decibels of the sum of two energies."""
    scale = math.log(10) / 10
    return torch.logaddexp(one * scale, other * scale) / scale
