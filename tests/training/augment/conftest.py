"""Batches to augment, and what an augmentation draws for them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from earmark.data.dataset import Batch
from earmark.training.augment.base import BatchShape


def batch_of(log_mel, targets):
    return Batch(log_mel, targets, torch.arange(len(log_mel)))


def windows(number=6, n_mels=40, num_frames=65, seed=0):
    generator = torch.Generator().manual_seed(seed)
    log_mel = torch.rand(number, 1, n_mels, num_frames, generator=generator) * 60 - 70
    return batch_of(log_mel, torch.eye(3)[torch.arange(number) % 3])


def drawn(augmentation, batch, seed=0):
    shape = BatchShape(len(batch.log_mel), *batch.log_mel.shape[2:])
    return augmentation.draw(np.random.default_rng(seed), shape)


def energy(log_mel):
    return torch.pow(10, log_mel / 10)


@pytest.fixture(scope="session")
def make():
    """Functions: a batch of windows, one of given values, and the parameters drawn for one."""
    return SimpleNamespace(batch_of=batch_of, windows=windows, drawn=drawn, energy=energy)
