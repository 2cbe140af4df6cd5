import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from earmark.config import ModelConfig
from earmark.evaluation.analysis.attribution import (
    baseline_windows,
    integrated_gradients,
    sum_tiles,
)
from earmark.models.architectures.norm import BandNorm
from earmark.models.architectures.registry import AudioModel, InputShape, build_model, list_models

N_MELS, FRAMES = 16, 24


class OneBand(AudioModel):
    """A network that is known to look at one band, from one frame on."""

    def __init__(self, band, first=0):
        super().__init__()
        self.input_norm = BandNorm(N_MELS)
        self.input_norm.fit(torch.linspace(-60, -20, N_MELS), torch.full((N_MELS,), 10.0))
        self.band, self.first = band, first

    def forward(self, log_mel):
        level = self.input_norm(log_mel)[:, 0, self.band, self.first :].mean(dim=1)
        return torch.stack([level, torch.relu(level) ** 3], dim=1)


@pytest.fixture
def log_mel():
    generator = torch.Generator().manual_seed(0)
    return -40 + 15 * torch.randn(3, 1, N_MELS, FRAMES, generator=generator)


@pytest.mark.parametrize("band", [0, 7, 15])
def test_only_what_the_network_looks_at_has_an_attribution(log_mel, band):
    attributions = integrated_gradients(OneBand(band, 10), log_mel, torch.tensor([1.0, 0.0]))
    assert attributions.shape == (3, N_MELS, FRAMES)
    seen = torch.zeros(N_MELS, FRAMES, dtype=torch.bool)
    seen[band, 10:] = True
    assert (attributions[:, ~seen] == 0).all()
    assert (attributions[:, seen] != 0).all()


def test_a_linear_score_has_the_shares_that_its_terms_have(log_mel):
    model = OneBand(5)
    attributions = integrated_gradients(model, log_mel, torch.tensor([-2.0, 0.0]), num_steps=1)
    terms = -2.0 * model.input_norm(log_mel)[:, 0, 5] / FRAMES
    assert torch.allclose(attributions[:, 5], terms, atol=1e-6)


def score_gap(model, log_mel, weights):
    with torch.no_grad():
        return (model(log_mel) - model(baseline_windows(model, log_mel))) @ weights


@pytest.mark.parametrize("name", list_models())
def test_shares_add_up_to_the_score_less_that_of_a_blank_window(name):
    torch.manual_seed(0)
    # Fewer bands than BC-ResNet takes would do for the others.
    log_mel = -40 + 15 * torch.randn(3, 1, 40, FRAMES)
    model = build_model(ModelConfig(name=name), InputShape(40, FRAMES), 3).eval()
    model.input_norm.fit(torch.full((40,), -40.0), torch.full((40,), 15.0))
    weights = torch.tensor([1.0, -1.0, 0.0])
    gap = score_gap(model, log_mel, weights)
    attributions = integrated_gradients(model, log_mel, weights, num_steps=200)
    assert torch.allclose(attributions.sum(dim=(1, 2)), gap, rtol=0.05, atol=0.01)


def test_more_steps_come_closer(log_mel):
    model, weights = OneBand(3), torch.tensor([0.0, 1.0])
    gap = score_gap(model, log_mel, weights)
    far, near = (
        (integrated_gradients(model, log_mel, weights, num_steps=steps).sum(dim=(1, 2)) - gap)
        .abs()
        .sum()
        for steps in (1, 20)
    )
    assert near < 0.1 * far


def test_the_network_is_left_as_it_was(log_mel):
    model = build_model(ModelConfig(), InputShape(N_MELS, FRAMES), 1).eval()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    integrated_gradients(model, log_mel, torch.ones(1))
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert all(one.grad is None for one in model.parameters())
    assert not model.training


def test_each_window_is_attributed_independently(log_mel):
    model = nn.Module.eval(build_model(ModelConfig(), InputShape(N_MELS, FRAMES), 1))
    together = integrated_gradients(model, log_mel, torch.ones(1))
    alone = integrated_gradients(model, log_mel[1:2], torch.ones(1))
    assert torch.allclose(together[1], alone[0], atol=1e-6)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(1, 5))
def test_tiles_keep_the_sum_and_cover_everything(mels, frames, tile_mels, tile_frames):
    attributions = torch.arange(mels * frames, dtype=torch.float64).reshape(mels, frames)
    tiles = sum_tiles(attributions, tile_mels, tile_frames)
    assert tiles.shape == (-(-mels // tile_mels), -(-frames // tile_frames))
    assert float(tiles.sum()) == pytest.approx(float(attributions.sum()))
    assert np.isclose(tiles[0, 0], attributions[:tile_mels, :tile_frames].sum())
