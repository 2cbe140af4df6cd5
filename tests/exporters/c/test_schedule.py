"""How many columns exist at a time."""

from dataclasses import replace

import numpy as np
import pytest

from earmark.exporters.c.network import Layer, Network, Reach, Tensor
from earmark.exporters.c.schedule import plan_memory
from earmark.exporters.c.weights import Weights

ONE = np.zeros(1, np.float32)
SHAPE = Tensor(1, 1, 20)


def columns(*layers, lengths):
    tensors = tuple(replace(SHAPE, length=length) for length in lengths)
    last = len(tensors) - 1
    summary = Layer("summarize", (last,), None, tensors[last])
    network = Network(tensors, (*layers, summary), "mean", ONE, ONE, Weights(ONE[None]), ONE)
    return [one.columns for one in plan_memory(network).rings]


def convolution(source, target, kernel, dilation=1, length=20):
    before = (kernel - 1) * dilation // 2
    reach = Reach((1, kernel), dilation=(1, dilation), before=(0, before), after=(0, before))
    return Layer("convolve", (source,), target, replace(SHAPE, length=length), reach)


@pytest.mark.parametrize(("kernel", "dilation", "expected"), [(1, 1, 1), (3, 1, 3), (3, 4, 9)])
def test_a_tensor_has_as_many_columns_as_a_kernel_covers(kernel, dilation, expected):
    layer = convolution(0, 1, kernel, dilation)
    assert columns(layer, lengths=(20, 20)) == [expected, 1]


def test_a_branch_waits_for_a_slower_one():
    slow = convolution(0, 1, 5)
    found = columns(slow, Layer("add", (0, 1), 2, SHAPE), lengths=(20, 20, 20))
    assert found[0] >= 5
    assert found[1:] == [1, 1]


def test_a_pooled_column_takes_one_place():
    layer = replace(convolution(0, 1, 3), pool=Reach((1, 2), (1, 2)))
    assert columns(layer, lengths=(20, 10)) == [3, 1]
