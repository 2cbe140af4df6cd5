"""Costs of layers against counting by hand."""

from torch import nn

from earmark.config import ConvBlockConfig
from earmark.models.architectures.audio_cnn import AudioCNN
from earmark.models.architectures.registry import (
    InputShape,
)
from earmark.models.architectures.summary import count_parameters, summarize


def test_the_summary_agrees_with_counting_by_hand():
    blocks = [ConvBlockConfig(channels=2, kernel_size=3, padding=1, pool_size=2)]
    model = AudioCNN(blocks, InputShape(8, 10))
    layers = {layer.name: layer for layer in summarize(model, InputShape(8, 10))}
    conv, classifier = layers["blocks.0.conv"], layers["classifier"]
    assert conv.output_size == (2, 8, 10)
    assert conv.num_parameters == 2 * 9 + 2
    assert conv.num_multiply_adds == 2 * 8 * 10 * 9
    assert layers["blocks.0.pool"].output_size == (2, 4, 5)
    assert classifier.num_multiply_adds == 2 * 4
    assert sum(layer.num_parameters for layer in layers.values()) == count_parameters(model)


def test_multiply_adds_of_grouped_convolutions_agree_with_counting_by_hand():
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Conv2d(4, 4, (3, 1), groups=4),
        nn.Conv2d(4, 6, (1, 5), stride=(1, 2), groups=2),
    )
    costs = [one.num_multiply_adds for one in summarize(layers, InputShape(8, 11))]
    # Outputs of 8 x 11, 6 x 11 and 6 x 4; each reads all, one or two of the channels before it.
    assert costs == [4 * 8 * 11 * 9, 4 * 6 * 11 * 3, 6 * 6 * 4 * 5 * 2]
