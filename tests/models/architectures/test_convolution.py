"""The convolution equals that of PyTorch."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from earmark.models.architectures.convolution import Conv2d


@settings(max_examples=20)
@given(
    *(st.integers(1, 3) for _ in range(2)),
    *(st.tuples(st.integers(1, 3), st.integers(1, 3)) for _ in range(2)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.booleans(),
)
def test_the_convolution_has_the_values_and_gradients_of_pytorch(
    in_channels, out_channels, kernel_size, stride, padding, channels_last
):
    torch.manual_seed(0)
    ours = Conv2d(in_channels, out_channels, kernel_size, stride=stride, padding=padding).double()
    theirs = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding).double()
    theirs.load_state_dict(ours.state_dict())
    results = []
    for layer in (ours, theirs):
        images = torch.arange(2.0 * in_channels * 7 * 9).double().sin()
        images = images.reshape(2, in_channels, 7, 9).requires_grad_()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        output = layer(images.to(memory_format=layout))
        output.square().sum().backward()
        results.append((output, images.grad, layer.weight.grad, layer.bias.grad))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)
