import pytest
import torch
from torch import nn

from earmark.config import Config, ModelConfig
from earmark.errors import ConfigError
from earmark.models.architectures.cp_resnet import CPResNet
from earmark.models.architectures.registry import InputShape, build_model
from earmark.models.architectures.summary import count_parameters, summarize

SHAPE = InputShape(40, 101)
WHOLE = (4, 4, 4)
# From the kernels in the authors' own implementation, added up by hand.
RECEPTIVE_FIELDS = (23, 31, 39, 55, 71, 87, 103, 135, 167, 199, 231, 263, 295, 327, 359, 391, 423)


@pytest.mark.parametrize(("rho", "size"), list(enumerate(RECEPTIVE_FIELDS)))
def test_rho_sets_how_much_one_place_sees(rho, size):
    assert CPResNet(SHAPE, rho=rho, channels=2, num_blocks=WHOLE).receptive_field == size


@pytest.mark.parametrize("rho", [0, 1, 4, 7])
def test_what_one_place_sees_is_what_changes_it(rho):
    torch.manual_seed(0)
    model = CPResNet(InputShape(16, 400), rho=rho, channels=2).double().eval()
    for parameter in (*model.stem.parameters(), *model.blocks.parameters()):
        nn.init.uniform_(parameter, 0.5, 1)
    # A click at each frame in turn. No weight is negative, so none can undo what another does.
    clicks = 1e6 * torch.eye(400).double()[:, None, None].expand(400, 1, 16, 400)
    with torch.no_grad():
        silence = model.forward_features(torch.zeros(1, 1, 16, 400).double())[0, 0, 0, 12]
        values = model.forward_features(clicks)[:, 0, 0, 12]
    seen = (values > silence * (1 + 1e-9)).nonzero()
    assert len(seen) == seen.max() - seen.min() + 1 == model.receptive_field


def test_the_number_of_parameters_is_the_published_one():
    # The frequency-damped network of the authors' DCASE 2020 submission 3, whose damping has no
    # parameters: 247,316 with two input channels, and a normalisation behind the classifier where
    # this one has a bias.
    model = CPResNet(SHAPE, 10, rho=4, channels=48, num_blocks=(4, 3, 1))
    second_channel, instead_of_bias = 48 * 25, 2 * 10 - 10
    assert count_parameters(model) + second_channel + instead_of_bias == 247_316
    shallow = build_model(ModelConfig(name="cp_resnet", width=1.5, rho=4), SHAPE, 10)
    assert count_parameters(shallow) == count_parameters(model)


def test_the_default_network_has_at_most_150_thousand_parameters():
    model = build_model(
        ModelConfig(name="cp_resnet"), InputShape(Config().features.n_mels, 251), 10
    )
    assert 100_000 < count_parameters(model) < 150_000


def test_multiply_adds_agree_with_counting_by_hand():
    layers = {one.name: one for one in summarize(CPResNet(SHAPE, 10), SHAPE)}
    assert layers["stem.0"].num_multiply_adds == 32 * 20 * 51 * 25
    assert layers["blocks.0.residual.0"].num_multiply_adds == 32 * 20 * 51 * 32 * 9
    assert layers["blocks.0.residual.3"].num_multiply_adds == 32 * 20 * 51 * 32
    assert layers["blocks.2.residual.3"].num_multiply_adds == 32 * 10 * 26 * 32 * 9
    # Three pools leave 3 bands and 7 frames.
    assert layers["blocks.7.shortcut.0"].num_multiply_adds == 64 * 3 * 7 * 32


def test_kernels_up_to_rho_look_at_neighbours_and_the_others_do_not():
    blocks = [one for one in CPResNet(SHAPE, rho=5).blocks if not isinstance(one, nn.MaxPool2d)]
    kernels = [one.residual[index].kernel_size[0] for one in blocks for index in (0, 3)]
    assert kernels == [3, 1, *[3] * 5, *[1] * 9]


def test_more_convolutions_than_there_are_cannot_look_at_neighbours():
    assert CPResNet(SHAPE, rho=14).receptive_field == 359
    with pytest.raises(ConfigError, match=r"model\.rho = 15: cp_resnet has 14 .*at most 14"):
        CPResNet(SHAPE, rho=15)


def test_the_input_is_added_before_the_last_relu():
    model = CPResNet(SHAPE).eval()
    block = model.blocks[2]
    nn.init.zeros_(block.residual[3].weight)
    images = torch.randn(2, 32, 10, 26)
    torch.testing.assert_close(block(images), images.relu())


def test_one_frame_and_one_band_are_enough():
    assert CPResNet(InputShape(1, 1)).eval()(torch.zeros(1, 1, 1, 1)).isfinite().all()
