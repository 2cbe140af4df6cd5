import copy
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from earmark.config import AugmentConfig, ConvBlockConfig, TrainConfig
from earmark.data.dataset import Batch
from earmark.errors import TrainingError
from earmark.models.architectures.audio_cnn import AudioCNN
from earmark.models.architectures.registry import InputShape
from earmark.models.checkpoint import flatten_optimizer, restore_optimizer
from earmark.system.runtime import Runtime, place
from earmark.tasks.task import BINARY
from earmark.training.augment.augment import Augment
from earmark.training.losses import make_loss
from earmark.training.optimizer import (
    MovingAverage,
    Objective,
    Optimizer,
    lr_multiplier,
    momentum_at,
    require_finite,
    train_epoch,
)

CPU = Runtime(torch.device("cpu"))
PLAIN = Objective(make_loss(BINARY))


class Linear(torch.nn.Module):
    """A network without batch statistics, so that a batch is the sum of its windows."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(12, 1)

    def forward(self, log_mel):
        return self.layer(log_mel.flatten(1))


def batches(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    made = []
    for size in sizes:
        log_mel = torch.randn(size, 1, 3, 4, generator=generator)
        targets = torch.eye(2)[(log_mel.mean(dim=(1, 2, 3)) > 0).long()]
        made.append(Batch(log_mel, targets, torch.arange(size)))
    return made


def joined(parts):
    return Batch(*(torch.cat(column) for column in zip(*parts, strict=True)))


def trained(parts, epochs=3, objective=PLAIN, **settings):
    model = Linear()
    config = TrainConfig(learning_rate=0.05, epochs=10, **settings)
    steps = Optimizer(model, config)
    for epoch in range(1, epochs + 1):
        train_epoch(model, steps, parts, objective, CPU, epoch)
    return model, steps


@given(st.floats(0, 1), st.floats(0, 0.9), st.sampled_from(["constant", "cosine", "one_cycle"]))
def test_the_learning_rate_warms_up_and_then_follows_the_schedule(progress, warmup, name):
    config = TrainConfig(lr_schedule=name, warmup_fraction=warmup)
    multiplier = lr_multiplier(progress, config)
    assert -1e-9 <= multiplier <= 1 + 1e-9
    if progress < warmup:
        assert multiplier == pytest.approx(progress / warmup)
    elif name == "constant":
        assert multiplier == 1.0
    later = lr_multiplier(min(1.0, progress + 0.05), config)
    if progress >= warmup:
        assert later <= multiplier + 1e-9
    assert lr_multiplier(1.0, config) == pytest.approx(float(name == "constant"))


def test_one_cycle_moves_the_momentum_against_the_learning_rate():
    config = TrainConfig(lr_schedule="one_cycle", warmup_fraction=0.2)
    momenta = [momentum_at(progress, config) for progress in (0.0, 0.2, 1.0)]
    assert momenta == pytest.approx([0.95, 0.85, 0.95])
    assert momentum_at(0.2, TrainConfig(lr_schedule="cosine", warmup_fraction=0.2)) == 0.9


def test_the_optimizer_follows_the_schedule_step_by_step():
    model = Linear()
    config = TrainConfig(learning_rate=0.1, epochs=2, lr_schedule="cosine", warmup_fraction=0.0)
    steps = Optimizer(model, config)
    seen = []
    steps.adamw.register_step_pre_hook(
        lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"])
    )
    for epoch in (1, 2):
        train_epoch(model, steps, batches([4, 4]), PLAIN, CPU, epoch)
    middles = (0.125, 0.375, 0.625, 0.875)
    expected = [0.1 * (0.5 + 0.5 * math.cos(math.pi * middle)) for middle in middles]
    assert seen == pytest.approx(expected)


@pytest.mark.parametrize("sizes", [(8, 8), (8, 3), (5, 1)])
def test_gradients_of_several_batches_make_the_step_of_one_batch_of_that_size(sizes):
    parts = batches(sizes)
    several, _ = trained(parts, grad_accumulation_steps=2)
    one, _ = trained([joined(parts)])
    torch.testing.assert_close(several.layer.weight, one.layer.weight)
    apart, _ = trained(parts)
    assert not torch.allclose(apart.layer.weight, one.layer.weight)


def test_the_loss_of_an_epoch_is_the_mean_over_windows_however_they_are_grouped():
    parts = batches([8, 3, 5])
    losses = []
    for number in (1, 2, 3):
        model = Linear()
        steps = Optimizer(model, TrainConfig(learning_rate=1e-30, grad_accumulation_steps=number))
        losses.append(train_epoch(model, steps, parts, PLAIN, CPU))
    assert losses == pytest.approx([losses[0]] * 3)


def test_the_average_moves_by_its_decay_at_every_step_and_is_apart_from_the_weights():
    model = Linear()
    first = model.layer.weight.detach().clone()
    steps = Optimizer(model, TrainConfig(learning_rate=0.05, ema_decay=0.75, warmup_fraction=0.0))
    after = []
    for _ in range(3):
        train_epoch(model, steps, batches([6]), PLAIN, CPU)
        after.append(model.layer.weight.detach().clone())
    # The first update takes the weights as they are.
    expected = after[0]
    for weights in after[1:]:
        expected = 0.75 * expected + 0.25 * weights
    average = steps.average.module.layer.weight
    torch.testing.assert_close(average, expected)
    assert not torch.equal(average, first)
    assert not torch.equal(average, model.layer.weight)


def test_the_average_includes_the_statistics_of_batch_normalisation():
    torch.manual_seed(0)
    model = AudioCNN([ConvBlockConfig(channels=2)], InputShape(40, 51))
    steps = Optimizer(model, TrainConfig(ema_decay=0.5))
    batch = Batch(torch.randn(4, 1, 40, 51) * 9, torch.eye(2).repeat(2, 1), torch.arange(4))
    for epoch in (1, 2, 3):
        train_epoch(model, steps, [batch], PLAIN, CPU, epoch)
    ours, average = (one.blocks[0].norm.running_var for one in (model, steps.average.module))
    assert not torch.equal(ours, average)
    assert not torch.equal(average, torch.ones(2))


def test_the_average_is_that_of_pytorch_and_its_state_has_the_same_names():
    torch.manual_seed(0)
    model = AudioCNN([ConvBlockConfig(channels=2)], InputShape(40, 51))
    ours = MovingAverage(model, 0.8)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    for _ in range(3):
        with torch.no_grad():
            for weight in model.parameters():
                weight += torch.randn_like(weight)
        ours.update(model)
        theirs.update_parameters(model)
    state, expected = ours.state_dict(), theirs.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        assert torch.equal(tensor, expected[name])


def test_fused_steps_are_those_of_the_default_in_channels_last_and_after_resuming():
    torch.manual_seed(0)
    blocks = [ConvBlockConfig(channels=3), ConvBlockConfig(channels=5, kernel_size=3, padding=1)]
    model = place(AudioCNN(blocks, InputShape(40, 51)), CPU.device)
    twin = copy.deepcopy(model)
    batch = Batch(torch.randn(6, 1, 40, 51), torch.eye(2).repeat(3, 1), torch.arange(6))
    steps = Optimizer(model, TrainConfig(learning_rate=0.01, ema_decay=0.0, warmup_fraction=0.0))
    config = steps.config
    reference = torch.optim.AdamW(twin.parameters(), weight_decay=config.weight_decay)
    for number in range(4):
        if number == 2:
            # As from a file, where all tensors have one layout.
            moments = {
                name: tensor.contiguous() for name, tensor in flatten_optimizer(steps.adamw).items()
            }
            steps = Optimizer(model, config)
            restore_optimizer(steps.adamw, moments)
        for one in (model, twin):
            PLAIN(one, batch, np.random.default_rng(0), CPU.device).backward()
        steps.step(0.0)
        for group in reference.param_groups:
            group["lr"] = config.learning_rate * lr_multiplier(0.0, config)
        reference.step()
        reference.zero_grad()
        for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_a_gradient_is_clipped_only_above_its_maximum_norm():
    parts = batches([8])
    for norm, is_clipped in ((1e-3, True), (1e3, False)):
        model = Linear()
        steps = Optimizer(model, TrainConfig(max_grad_norm=norm))
        seen = []

        def note(*_, model=model, seen=seen):
            seen.append(torch.cat([one.grad.flatten() for one in model.parameters()]).norm())

        steps.adamw.register_step_pre_hook(note)
        train_epoch(model, steps, parts, PLAIN, CPU)
        reference = Linear()
        PLAIN(reference, parts[0], np.random.default_rng(0), CPU.device).backward()
        own = torch.cat([one.grad.flatten() for one in reference.parameters()]).norm()
        expected = torch.tensor(norm) if is_clipped else own
        torch.testing.assert_close(seen[0], expected, rtol=1e-3, atol=0)


def test_bfloat16_comes_near_float32_and_the_weights_stay_float32():
    torch.manual_seed(0)
    model = AudioCNN([ConvBlockConfig(channels=4)], InputShape(40, 51))
    twin = copy.deepcopy(model)
    batch = Batch(torch.randn(8, 1, 40, 51), torch.eye(2).repeat(4, 1), torch.arange(8))
    losses = []
    for one, precision in ((model, torch.float32), (twin, torch.bfloat16)):
        objective = Objective(make_loss(BINARY), precision=precision)
        loss = objective(one.train(), batch, np.random.default_rng(0), CPU.device)
        loss.backward()
        losses.append(loss.item())
        assert loss.dtype == torch.float32
        assert {weight.grad.dtype for weight in one.parameters()} == {torch.float32}
    assert losses[0] == pytest.approx(losses[1], abs=0.02)
    assert losses[0] != losses[1]


def test_augmentation_depends_on_the_seed_and_the_epoch_alone():
    parts = batches([6, 6])
    augment = Augment(AugmentConfig(time_stretch=0.0, gain_db=9.0, mixup=1.0), 4)
    objective = Objective(make_loss(BINARY), augment)
    weights = {
        (seed, first): _weights(parts, objective, seed, first)
        for seed, first in ((0, 1), (1, 1), (0, 2))
    }
    assert torch.equal(weights[0, 1], _weights(parts, objective, 0, 1))
    assert not torch.equal(weights[0, 1], weights[1, 1])
    assert not torch.equal(weights[0, 1], weights[0, 2])


def _weights(parts, objective, seed, epoch):
    model = Linear()
    steps = Optimizer(model, TrainConfig(learning_rate=0.05, seed=seed))
    train_epoch(model, steps, parts, objective, CPU, epoch)
    return model.layer.weight.detach()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_stops_the_training(value):
    with pytest.raises(TrainingError, match=r"loss .*(nan|inf).*train\.learning_rate"):
        require_finite(value, "loss")
    require_finite(1.0, "loss")
