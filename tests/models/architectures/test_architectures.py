from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from earmark.config import Config, ConvBlockConfig, ModelConfig, load_config
from earmark.errors import ConfigError
from earmark.models.architectures.audio_cnn import AudioCNN, ConvBlock, conv_output_size
from earmark.models.architectures.convolution import Conv2d
from earmark.models.architectures.norm import BandNorm
from earmark.models.architectures.registry import (
    InputShape,
    build_model,
    list_models,
    model_source,
    refuse_unread,
)
from earmark.models.architectures.summary import count_parameters, summarize
from earmark.models.checkpoint import Checkpoint, load_checkpoint, new_network
from earmark.models.spec import ModelSpec
from earmark.system.runtime import place
from earmark.tasks.task import MULTI_CLASS

SHAPE = InputShape(n_mels=40, num_frames=101)


@pytest.fixture(params=list_models())
def name(request):
    return request.param


@pytest.fixture
def build(name):
    """A function that builds the architecture, each time with other weights."""
    torch.manual_seed(0)
    return lambda shape=SHAPE: build_model(ModelConfig(name=name), shape, 3)


@pytest.fixture
def model(build):
    return build()


def windows(number, shape=SHAPE):
    return torch.rand(number, 1, shape.n_mels, shape.num_frames) * 80 - 60


def test_each_architecture_gives_a_row_of_finite_logits_for_each_window(model):
    logits = model(windows(5))
    assert logits.shape == (5, 3)
    assert logits.isfinite().all()


def test_each_architecture_hands_a_gradient_to_every_parameter(model):
    model.train()(windows(4)).square().sum().backward()
    for path, parameter in model.named_parameters():
        assert parameter.grad is not None, path
        assert parameter.grad.abs().sum() > 0, path


@pytest.mark.parametrize("num_frames", [47, 101, 1500])
@pytest.mark.parametrize("n_mels", [40, 41, 64, 80, 97, 128])
def test_each_architecture_takes_any_number_of_bands_and_frames(build, n_mels, num_frames):
    model = build(InputShape(n_mels, 101)).eval()
    with torch.no_grad():
        logits = model(windows(2, InputShape(n_mels, num_frames)))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_each_architecture_can_learn_eight_windows_by_heart(model):
    place(model, torch.device("cpu")).train()
    batch, targets = windows(8) + 40 * torch.rand(8, 1, 40, 1), torch.arange(8) % 3
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = cross_entropy(model(batch), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2
    assert torch.equal(model(batch).argmax(1), targets)


def test_a_checkpoint_gives_each_architecture_back(name, tmp_path):
    config = load_config(settings=[f"model.name={name}"])
    spec = ModelSpec(config, ("a", "b", "c"), window_frames=101, task=MULTI_CLASS)
    model = new_network(spec)
    model(windows(4))
    Checkpoint(spec, model.state_dict()).save(tmp_path / "model.safetensors")
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.spec == spec
    batch = windows(2)
    assert torch.equal(checkpoint.build()(batch), model.eval()(batch))


def test_a_model_outlives_a_change_of_the_defaults(name, tmp_path):
    """A model file holds every setting, those that its network does not read as well."""
    unread = "model.rho=3" if name == "audio_cnn" else "model.blocks.0.channels=99"
    plain = ModelSpec(load_config(settings=[f"model.name={name}"]), ("a", "b"), 101)
    spec = replace(plain, config=load_config(settings=[f"model.name={name}", unread]))
    Checkpoint(spec, new_network(plain).state_dict()).save(tmp_path / "model.safetensors")
    assert load_checkpoint(tmp_path / "model.safetensors").build()(windows(2)).shape == (2, 1)
    with pytest.raises(ConfigError, match="does not read it"):
        new_network(spec)


def test_the_cost_of_each_architecture_leaves_no_parameter_and_no_convolution_out(model):
    layers = summarize(model, SHAPE)
    assert sum(layer.num_parameters for layer in layers) == count_parameters(model)
    working = [layer for layer in layers if layer.kind in ("Conv2d", "Linear")]
    assert len(working) == sum(isinstance(one, nn.Conv2d | nn.Linear) for one in model.modules())
    assert all(layer.num_multiply_adds > 0 for layer in working)


def test_each_architecture_names_its_source(name):
    assert model_source(name)


SETTINGS = {
    "blocks": ((ConvBlockConfig(),), "audio_cnn"),
    "head": ("flatten", "audio_cnn"),
    "dropout": (0.1, "audio_cnn, bc_resnet, cp_resnet"),
    "width": (2.0, "bc_resnet, cp_resnet"),
    "rho": (3, "cp_resnet"),
}
"""Each setting, with another value than its default and the architectures that read it."""


@pytest.mark.parametrize(("setting", "value", "readers"), [(k, *v) for k, v in SETTINGS.items()])
def test_a_setting_changes_the_network_or_may_not_be_changed(name, setting, value, readers):
    config = ModelConfig(name=name, **{setting: value})
    if name in readers.split(", "):
        unchanged = build_model(ModelConfig(name=name), SHAPE, 3)
        assert str(build_model(config, SHAPE, 3)) != str(unchanged)
    else:
        expected = f"model.{setting}: {name} does not read it; .* to one that does: {readers}$"
        with pytest.raises(ConfigError, match=expected):
            refuse_unread(config)


def test_every_setting_but_the_name_is_tried_above():
    assert {"name", *SETTINGS} == set(ModelConfig.model_fields)


def test_in_evaluation_a_row_alone_equals_that_row_in_a_batch(model):
    model.eval()
    batch = windows(6)
    with torch.no_grad():
        together = model(batch)
        for row in range(6):
            torch.testing.assert_close(model(batch[row : row + 1])[0], together[row])


def test_in_evaluation_the_same_windows_give_the_same_logits(model):
    model.eval()
    batch = windows(3)
    assert torch.equal(model(batch), model(batch))


def test_in_training_the_batch_matters_and_the_running_statistics_move(model):
    before = {path: one.clone() for path, one in model.named_buffers() if "running_mean" in path}
    model.train()(windows(4))
    after = dict(model.named_buffers())
    assert before
    assert all(not torch.equal(one, after[path]) for path, one in before.items())


def test_weights_survive_a_round_trip(model, build):
    model.eval()
    twin = build()
    twin.load_state_dict(model.state_dict())
    batch = windows(2)
    assert torch.equal(twin.eval()(batch), model(batch))


def test_the_first_layer_normalises_each_band(model):
    mean, std = torch.linspace(-50, 0, 40), torch.linspace(1, 20, 40)
    model.input_norm.fit(mean, std)
    batch = mean[:, None] + std[:, None] * torch.randn(64, 1, 40, 101)
    normalised = model.input_norm(batch)
    torch.testing.assert_close(normalised.mean((0, 1, 3)), torch.zeros(40), atol=0.1, rtol=0)
    torch.testing.assert_close(normalised.std((0, 1, 3)), torch.ones(40), atol=0.1, rtol=0)


def test_a_constant_band_is_shifted_and_stays_finite():
    norm = BandNorm(2)
    norm.fit(torch.tensor([3.0, -1.0]), torch.tensor([0.0, 2.0]))
    out = norm(torch.full((1, 1, 2, 4), 3.0))
    assert torch.equal(out[0, 0, :, 0], torch.tensor([0.0, 2.0]))


@settings(max_examples=200, deadline=None)
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


@settings(max_examples=20, deadline=None)
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


def test_twenty_steps_of_training_go_the_way_of_the_plain_network():
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
    assert tuple(block(torch.rand(2, 4, 20, 30)).shape[2:]) == block.output_size((20, 30))


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


def test_blocks_that_leave_nothing_are_refused_with_the_number_of_the_block():
    blocks = (ConvBlockConfig(pool_size=20), ConvBlockConfig(pool_size=20))
    with pytest.raises(ConfigError, match=r"model\.blocks\.1: nothing is left of a window of 40"):
        AudioCNN(blocks, SHAPE)


def test_an_unknown_architecture_is_refused_and_the_known_are_named():
    with pytest.raises(ConfigError, match=r"no architecture 'resnet'; choose one of .*audio_cnn"):
        build_model(ModelConfig(name="resnet"), SHAPE, 1)


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


def test_the_default_network_is_small():
    shape = InputShape(Config().features.n_mels, 251)
    assert count_parameters(build_model(Config().model, shape, 1)) < 15_000


def test_a_placed_network_works_with_channels_as_neighbours(model, build):
    layouts = []
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(
                lambda _layer, _inputs, images: layouts.append(
                    images.is_contiguous(memory_format=torch.channels_last)
                )
            )
    twin = build().eval()
    twin.load_state_dict(model.state_dict())
    placed = place(model, torch.device("cpu")).eval()
    batch = windows(2)
    torch.testing.assert_close(placed(batch), twin(batch), atol=1e-5, rtol=1e-5)
    assert layouts
    assert all(layouts)


def test_multiply_adds_of_grouped_convolutions_agree_with_counting_by_hand():
    layers = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Conv2d(4, 4, (3, 1), groups=4),
        nn.Conv2d(4, 6, (1, 5), stride=(1, 2), groups=2),
    )
    costs = [one.num_multiply_adds for one in summarize(layers, InputShape(8, 11))]
    # Outputs of 8 x 11, 6 x 11 and 6 x 4; each reads all, one or two of the channels before it.
    assert costs == [4 * 8 * 11 * 9, 4 * 6 * 11 * 3, 6 * 6 * 4 * 5 * 2]
