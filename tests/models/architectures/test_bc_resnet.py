import pytest
import torch
from torch import nn

from earmark.config import Config, ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.bc_resnet import BCResNet, BroadcastBlock
from earmark.models.architectures.norm import SubSpectralNorm
from earmark.models.architectures.registry import InputShape, build_model
from earmark.models.architectures.summary import count_parameters, summarize

SHAPE = InputShape(40, 101)
# Kim et al. 2021, arXiv:2106.04140, on twelve classes: thousands of parameters by width.
PUBLISHED = {1.0: 9.2, 2.0: 27.3, 3.0: 54.2, 6.0: 188, 8.0: 321}


@pytest.mark.parametrize(("width", "thousands"), PUBLISHED.items())
def test_the_number_of_parameters_is_the_published_one(width, thousands):
    parameters = count_parameters(BCResNet(SHAPE, 12, width=width)) / 1000
    assert parameters == pytest.approx(thousands, abs=0.05 if thousands < 100 else 0.5)


def test_the_default_network_is_small():
    model = build_model(ModelConfig(name="bc_resnet"), InputShape(Config().features.n_mels, 251), 1)
    assert count_parameters(model) == 9_232 - 11 * 33


def test_multiply_adds_agree_with_counting_by_hand():
    layers = {one.name: one for one in summarize(BCResNet(SHAPE, 12), SHAPE)}
    assert layers["stem.0"].num_multiply_adds == 16 * 20 * 101 * 25
    assert layers["blocks.0.pointwise.0"].num_multiply_adds == 8 * 16 * 20 * 101
    assert layers["blocks.2.over_bands.0"].num_multiply_adds == 12 * 10 * 101 * 3
    assert layers["blocks.2.over_frames.0"].num_multiply_adds == 12 * 101 * 3
    assert layers["blocks.2.over_frames.3"].num_multiply_adds == 12 * 12 * 101
    assert layers["last.0"].num_multiply_adds == 20 * 101 * 25
    assert layers["classifier"].num_multiply_adds == 12 * 32


def test_stages_halve_the_bands_twice_and_keep_the_frames():
    sizes = [
        layer.output_size
        for layer in summarize(BCResNet(SHAPE), SHAPE)
        if layer.name.startswith("blocks.") and layer.name.endswith(".over_bands.0")
    ]
    assert sizes == [
        *[(8, 20, 101)] * 2,
        *[(12, 10, 101)] * 2,
        *[(16, 5, 101)] * 4,
        *[(20, 5, 101)] * 4,
    ]


def test_each_stage_reaches_twice_as_far_over_the_frames():
    dilations = [block.over_frames[0].dilation for block in BCResNet(SHAPE).blocks]
    assert dilations == [(1, n) for n in (1, 1, 2, 2, 4, 4, 4, 4, 8, 8, 8, 8)]


def test_what_the_frames_add_is_the_same_for_every_band():
    block = BroadcastBlock(8, 8, 20).eval()
    images = torch.randn(2, 8, 20, 30)
    nn.init.zeros_(block.over_bands[0].weight)
    added = block.over_frames(torch.zeros(2, 8, 1, 30))
    expected = torch.relu(images + added)
    torch.testing.assert_close(block(images), expected)


def test_a_transition_block_does_not_add_its_input():
    block = BroadcastBlock(8, 12, 20, band_stride=2).eval()
    nn.init.zeros_(block.over_bands[0].weight)
    nn.init.zeros_(block.over_frames[3].weight)
    assert torch.equal(block(torch.randn(2, 8, 20, 30)), torch.zeros(2, 12, 10, 30))


def test_one_place_of_the_last_layer_sees_the_frames_that_the_kernels_add_up_to():
    torch.manual_seed(0)
    model = BCResNet(SHAPE).eval()
    windows = torch.randn(1, 1, 40, 301, requires_grad=True)
    model.forward_features(windows)[0, :, 0, 150].sum().backward()
    seen = windows.grad.abs().sum((0, 1, 2)).nonzero()
    # Stem and last convolution have 5 frames; each block adds twice its dilation.
    reach = 2 + 2 + 2 * 1 + 2 * 2 + 4 * 4 + 4 * 8
    assert (seen.min().item(), seen.max().item()) == (150 - reach, 150 + reach)


@pytest.mark.parametrize("bands", [20, 16, 23])
def test_each_sub_band_is_normalised_by_itself(bands):
    torch.manual_seed(0)
    norm = SubSpectralNorm(3, bands)
    levels = torch.linspace(-50, 50, bands)[:, None]
    groups = norm(torch.randn(8, 3, bands, 40) + levels).reshape(8, 3, norm.num_groups, -1)
    torch.testing.assert_close(
        groups.mean((0, 3)), torch.zeros(3, norm.num_groups), atol=1e-4, rtol=0
    )
    torch.testing.assert_close(
        groups.std((0, 3)), torch.ones(3, norm.num_groups), atol=1e-2, rtol=0
    )


@pytest.mark.parametrize(("bands", "groups"), [(20, 5), (10, 5), (5, 5), (16, 4), (21, 3), (23, 1)])
def test_sub_bands_are_the_most_up_to_five_that_divide_the_bands(bands, groups):
    assert SubSpectralNorm(2, bands).num_groups == groups


def test_too_few_bands_are_refused_with_the_number_that_would_do():
    with pytest.raises(ConfigError, match=r"n_mels: bc_resnet leaves 4 of 32 bands, .*33 bands"):
        BCResNet(InputShape(32, 101))
    assert BCResNet(InputShape(33, 101))(torch.zeros(1, 1, 33, 101)).shape == (1, 1)


def test_one_frame_is_enough():
    assert BCResNet(SHAPE).eval()(torch.zeros(1, 1, 40, 1)).isfinite().all()
