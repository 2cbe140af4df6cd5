"""The contract of an augmentation: draw, then apply."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from earmark.data.dataset import Batch
from earmark.system.shapes import Float

Drawn = Mapping[str, Tensor]


@dataclass(frozen=True)
class BatchShape:
    """Size of a batch as the data set gives it."""

    num_windows: int
    n_mels: int
    num_frames: int


class Augmentation(ABC):
    """A random change of the windows of a batch."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, shape: BatchShape) -> Drawn:
        """Draws the parameters; a row a window."""

    @abstractmethod
    def apply(self, batch: Batch, drawn: Drawn) -> Batch:
        """The batch, changed as the parameters say."""


def tensors(**arrays: np.ndarray) -> dict[str, Tensor]:
    """Arrays of NumPy as tensors of single precision."""
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


def decibels(energy: Tensor) -> Tensor:
    """Ten times the decimal logarithm."""
    return 10 * energy.log10()


def level_db(log_mel: Float[Tensor, "batch 1 mels frames"]) -> Float[Tensor, "batch 1 1 1"]:
    """Mean energy of each window, in decibels."""
    return decibels(torch.pow(10, log_mel / 10).mean(dim=(2, 3), keepdim=True))


def add_energies(one: Tensor, other: Tensor) -> Tensor:
    """Decibels of the sum of two energies."""
    scale = math.log(10) / 10
    return torch.logaddexp(one * scale, other * scale) / scale
