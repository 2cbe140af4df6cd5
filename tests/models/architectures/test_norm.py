"""Normalisation of the input; `SubSpectralNorm` is tested with its network."""

import torch

from earmark.models.architectures.norm import BandNorm


def test_a_constant_band_is_shifted_and_stays_finite():
    norm = BandNorm(2)
    norm.fit(torch.tensor([3.0, -1.0]), torch.tensor([0.0, 2.0]))
    out = norm(torch.full((1, 1, 2, 4), 3.0))
    assert torch.equal(out[0, 0, :, 0], torch.tensor([0.0, 2.0]))
