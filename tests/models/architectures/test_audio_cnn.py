"""The textbook network: sizes of its layers, its heads, and a plain network to compare with."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from earmark.config import ConvBlockConfig
from earmark.config.model import conv_output_size
from earmark.errors import ConfigError
from earmark.models.architectures.audio_cnn import AudioCNN, ConvBlock
from earmark.models.architectures.convolution import Conv2d
from earmark.models.architectures.registry import (
    InputShape,
)
from earmark.system.runtime import place

SHAPE = InputShape(n_mels=40, num_frames=101)


@settings(max_examples=200)
@given(
    size=st.integers(1, 60),
    kernel=st.integers(1, 7),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_the_size_formula_is_what_pytorch_does(size, kernel, stride, padding, dilation):
    expected = conv_output_size(size, kernel, stride=stride, padding=padding, dilation=dilation)
    conv = nn.Conv1d(1, 1, kernel, stride=stride, padding=padding, dilation=dilation)
    if expected < 1:
        with pytest.raises(RuntimeError):
            conv(torch.rand(1, 1, size))
    else:
        assert conv(torch.rand(1, 1, size)).shape[2] == expected


def test_twenty_steps_of_training_equal_those_of_a_plain_network():
    torch.manual_seed(0)
    blocks = [ConvBlockConfig(channels=4), ConvBlockConfig(channels=6)]
    fast = AudioCNN(blocks, SHAPE)
    plain = nn.Sequential(
        *(nn.Conv2d(1, 4, 5, padding=2), nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d((2, 4))),
        *(nn.Conv2d(4, 6, 5, padding=2), nn.ReLU(), nn.BatchNorm2d(6), nn.MaxPool2d((2, 4))),
        nn.AvgPool2d((1, 6)),
        nn.Flatten(),
        nn.Linear(60, 1),
    )
    weights = [one for path, one in fast.state_dict().items() if "input_norm" not in path]
    plain.load_state_dict(dict(zip(plain.state_dict(), weights, strict=True)))
    place(fast, torch.device("cpu"))
    losses: tuple[list[float], list[float]] = [], []
    for model, log in zip((fast.double(), plain.double()), losses, strict=True):
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        generator = torch.Generator().manual_seed(1)
        for _ in range(20):
            targets = torch.randint(0, 2, (8,), generator=generator).double()
            images = torch.randn(8, 1, 40, 101, generator=generator) + targets[:, None, None, None]
            loss = binary_cross_entropy_with_logits(model(images)[:, 0], targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            log.append(loss.item())
    assert losses[0][-1] < 0.5 * losses[0][0]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_block_has_its_layers_in_the_stated_order():
    kinds = [type(layer) for layer in ConvBlock(1, ConvBlockConfig(dropout=0.3))]
    assert kinds == [Conv2d, nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d, nn.Dropout]


def test_every_parameter_of_a_block_reaches_its_layer():
    config = ConvBlockConfig(
        channels=7,
        kernel_size=(3, 5),
        stride=(1, 2),
        padding=(0, 1),
        dilation=(2, 1),
        pool_size=(2, 3),
        pool_stride=(1, 2),
        dropout=0.4,
    )
    block = ConvBlock(4, config)
    conv = block.conv
    assert (conv.in_channels, conv.out_channels) == (4, 7)
    assert (conv.kernel_size, conv.stride) == ((3, 5), (1, 2))
    assert (conv.padding, conv.dilation) == ((0, 1), (2, 1))
    assert (block.pool.kernel_size, block.pool.stride) == ((2, 3), (1, 2))
    assert block.norm.num_features == 7
    assert block.dropout.p == 0.4
    assert tuple(block(torch.rand(2, 4, 20, 30)).shape[2:]) == block.config.output_size((20, 30))


@pytest.mark.parametrize("num_blocks", [1, 2, 3])
@pytest.mark.parametrize("head", ["pool", "mean_max", "flatten"])
def test_any_number_of_blocks_gives_one_output(num_blocks, head):
    blocks = [ConvBlockConfig(channels=4 * (n + 1)) for n in range(num_blocks)]
    model = AudioCNN(blocks, SHAPE, head=head)
    assert model(torch.rand(2, 1, 40, 101)).shape == (2, 1)
    assert model.classifier.out_features == 1


@pytest.mark.parametrize("num_frames", [16, 51, 400])
@pytest.mark.parametrize("head", ["pool", "mean_max"])
def test_heads_that_pool_take_windows_of_any_length(head, num_frames):
    model = AudioCNN([ConvBlockConfig(), ConvBlockConfig()], SHAPE, head=head)
    assert model(torch.rand(1, 1, 40, num_frames)).shape == (1, 1)


def test_the_mean_max_head_adds_the_maximum_over_frames_to_their_mean():
    model = AudioCNN([ConvBlockConfig()], SHAPE, head="mean_max").eval()
    log_mel = torch.rand(3, 1, 40, 101)
    with torch.inference_mode():
        features = model.forward_features(log_mel)
        pooled = features.mean(dim=3) + features.max(dim=3).values
        expected = model.classifier(pooled.flatten(start_dim=1))
        torch.testing.assert_close(model(log_mel), expected)


def test_the_flatten_head_takes_windows_of_its_own_length_only():
    model = AudioCNN([ConvBlockConfig()], SHAPE, head="flatten")
    with pytest.raises(RuntimeError):
        model(torch.rand(1, 1, 40, 60))


def test_blocks_that_leave_no_output_are_refused_with_the_number_of_the_block():
    blocks = (ConvBlockConfig(pool_size=20), ConvBlockConfig(pool_size=20))
    with pytest.raises(ConfigError, match=r"model\.blocks\.1: "):
        AudioCNN(blocks, SHAPE)
