"""What the ways of augmentation have in common: draw, then apply."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from earmark.system.shapes import Float

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


def tensors(**arrays: np.ndarray) -> dict[str, Tensor]:
    """Numbers as they are drawn, as they are applied."""
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
