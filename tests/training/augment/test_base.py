import math

import numpy as np
import pytest
import torch

from earmark.training.augment.base import add_energies, decibels, level_db, tensors


def test_the_level_of_a_window_is_that_of_its_mean_energy():
    log_mel = torch.tensor([[[[0.0, -10.0]]], [[[-40.0, -40.0]]]])
    expected = [10 * math.log10(0.55), -40.0]
    assert level_db(log_mel).flatten().tolist() == pytest.approx(expected, abs=1e-4)


def test_energies_add_up():
    summed = add_energies(torch.tensor([-20.0, 0.0]), torch.tensor([-20.0, -300.0]))
    assert summed.tolist() == pytest.approx([-20.0 + 10 * math.log10(2), 0.0], abs=1e-4)
    assert decibels(torch.tensor(0.01)).item() == pytest.approx(-20.0)


def test_drawn_parameters_are_single_precision():
    assert tensors(ratios=np.array([0.25]))["ratios"].dtype is torch.float32
