"""Convolution whose gradients are faster on a CPU; the values are those of PyTorch."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from earmark.system.shapes import Float

Pair = tuple[int, int]


class Conv2d(nn.Conv2d):
    """A convolution over bands and frames that computes the gradient of its bias itself.

    With one input channel, oneDNN takes three times as long for the gradients of weight and bias
    together as for that of the weight alone; the gradient of the bias is only a sum.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Bands and frames of the kernel.
        stride: Step of the kernel.
        padding: Zeros added on each side.
        dilation: Distance between the kernel's elements.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        *,
        stride: Pair = (1, 1),
        padding: Pair = (0, 0),
        dilation: Pair = (1, 1),
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation)

    def forward(
        self, input: Float[Tensor, "batch in_channels bands frames"]
    ) -> Float[Tensor, "batch out_channels _ _"]:
        """The same as `torch.nn.Conv2d`."""
        device = input.device.type
        # Autocast chooses its own types, which the backward pass below does not handle.
        if device == "cpu" and torch.is_grad_enabled() and not torch.is_autocast_enabled(device):
            geometry = (self.stride, self.padding, self.dilation)
            return _Convolution.apply(input, self.weight, self.bias, geometry)
        return super().forward(input)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, geometry: Any) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.geometry = geometry
        return conv2d(input, weight, bias, *geometry)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (gradient,) = grad_outputs
        input, weight = ctx.saved_tensors
        of_input, of_weight, _ = torch.ops.aten.convolution_backward(
            gradient,
            input,
            weight,
            None,
            *ctx.geometry,
            False,
            (0, 0),
            1,
            (ctx.needs_input_grad[0], ctx.needs_input_grad[1], False),
        )
        # A product with ones: twice as fast as the sum over three axes.
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        return of_input, of_weight, rows.new_ones(len(rows)) @ rows, None
