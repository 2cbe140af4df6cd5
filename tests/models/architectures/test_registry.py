"""The contract that every architecture keeps, and the registry."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from earmark.config import Config, ConvBlockConfig, ModelConfig, load_config
from earmark.errors import ConfigError
from earmark.models.architectures.registry import (
    InputShape,
    build_model,
    list_models,
    model_source,
    refuse_unused,
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


def test_the_embedding_is_all_that_the_classifier_gets(model):
    """Also of windows of other lengths, and whatever the dropout before the classifier."""
    model.dropout.p = 0.5
    model.eval()
    for num_frames in (51, 101):
        batch = windows(4, InputShape(40, num_frames))
        embedding = model.forward_embedding(batch)
        assert embedding.shape == (4, model.classifier.in_features)
        assert torch.equal(model.classifier(embedding), model(batch))


@pytest.mark.parametrize("head", ["pool", "mean_max", "flatten"])
def test_every_head_has_an_embedding(head):
    model = build_model(ModelConfig(head=head), SHAPE, 3).eval()
    batch = windows(4)
    embedding = model.forward_embedding(batch)
    assert embedding.shape == (4, model.classifier.in_features)
    assert torch.equal(model.classifier(embedding), model(batch))


def test_each_architecture_has_a_gradient_for_every_parameter(model):
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


def test_each_architecture_can_overfit_eight_windows(model):
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


def test_each_architecture_survives_a_checkpoint(name, tmp_path):
    config = load_config(settings=[f"model.name={name}"])
    spec = ModelSpec(config, ("a", "b", "c"), window_frames=101, task=MULTI_CLASS)
    model = new_network(spec)
    model(windows(4))
    Checkpoint(spec, model.state_dict()).save(tmp_path / "model.safetensors")
    checkpoint = load_checkpoint(tmp_path / "model.safetensors")
    assert checkpoint.spec == spec
    batch = windows(2)
    assert torch.equal(checkpoint.build()(batch), model.eval()(batch))


def test_a_saved_model_does_not_depend_on_the_defaults(name, tmp_path):
    """A model file holds every setting, those that its network does not use as well."""
    unread = "model.rho=3" if name == "audio_cnn" else "model.blocks.0.channels=99"
    plain = ModelSpec(load_config(settings=[f"model.name={name}"]), ("a", "b"), 101)
    spec = replace(plain, config=load_config(settings=[f"model.name={name}", unread]))
    Checkpoint(spec, new_network(plain).state_dict()).save(tmp_path / "model.safetensors")
    assert load_checkpoint(tmp_path / "model.safetensors").build()(windows(2)).shape == (2, 1)
    with pytest.raises(ConfigError, match=rf"{unread.partition('=')[0].split('.0')[0]}"):
        new_network(spec)


def test_the_summary_of_each_architecture_counts_every_layer(model):
    layers = summarize(model, SHAPE)
    assert sum(layer.num_parameters for layer in layers) == count_parameters(model)
    working = [layer for layer in layers if layer.type in ("Conv2d", "Linear")]
    assert len(working) == sum(isinstance(one, nn.Conv2d | nn.Linear) for one in model.modules())
    assert all(layer.num_multiply_adds > 0 for layer in working)


def test_each_architecture_names_its_source(name):
    assert model_source(name)


SETTINGS = {
    "blocks": ((ConvBlockConfig(),), "audio_cnn"),
    "head": ("flatten", "audio_cnn"),
    "dropout": (0.1, "audio_cnn, bc_resnet, cp_resnet, linear"),
    "width": (2.0, "bc_resnet, cp_resnet"),
    "rho": (3, "cp_resnet"),
}
"""Each setting, with another value than its default and the architectures that use it."""


@pytest.mark.parametrize(("setting", "value", "readers"), [(k, *v) for k, v in SETTINGS.items()])
def test_a_setting_changes_the_network_or_may_not_be_changed(name, setting, value, readers):
    config = ModelConfig(name=name, **{setting: value})
    if name in readers.split(", "):
        unchanged = build_model(ModelConfig(name=name), SHAPE, 3)
        assert str(build_model(config, SHAPE, 3)) != str(unchanged)
    else:
        with pytest.raises(ConfigError, match=rf"model\.{setting}: .*{name}.*{readers}"):
            refuse_unused(config)


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


WITHOUT_STATISTICS = ("linear",)
"""Architectures without convolutions and batch normalisation."""


def test_in_training_the_batch_matters_and_the_running_statistics_move(model, name):
    before = {path: one.clone() for path, one in model.named_buffers() if "running_mean" in path}
    model.train()(windows(4))
    after = dict(model.named_buffers())
    assert bool(before) == (name not in WITHOUT_STATISTICS)
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


def test_an_unknown_architecture_is_refused_and_the_known_are_named():
    with pytest.raises(ConfigError, match=r"model\.name: .*resnet.*audio_cnn"):
        build_model(ModelConfig(name="resnet"), SHAPE, 1)


def test_the_default_network_is_small():
    shape = InputShape(Config().features.n_mels, 251)
    assert count_parameters(build_model(Config().model, shape, 1)) < 15_000


def test_a_placed_network_keeps_channels_last(model, build, name):
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
    assert bool(layouts) == (name not in WITHOUT_STATISTICS)
    assert all(layouts)
