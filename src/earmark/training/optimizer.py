"""Optimization: the loss of a batch, and the steps that lower it."""

import copy
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from earmark.config import TrainConfig
from earmark.data.dataset import Batch
from earmark.errors import TrainingError
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, pick_precision
from earmark.system.shapes import Float
from earmark.tasks.task import MULTI_LABEL, class_weights
from earmark.training.augment.augment import Augment
from earmark.training.distillation import Teachers
from earmark.training.losses import Loss, make_loss

MOMENTUM = 0.9
"""AdamW's usual first beta."""
ONE_CYCLE_MOMENTUM = (0.85, 0.95)
"""At the highest and the lowest learning rate: Smith (2018), arXiv:1803.09820, section 4.3."""


@runtime_checkable
class Batches(Protocol):
    """Batches of windows, and how many of them."""

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int: ...


def lr_multiplier(progress: float, config: TrainConfig) -> float:
    """The learning rate during training, as a multiple of ``train.learning_rate``.

    Args:
        progress: Fraction of ``train.epochs`` that has passed, in [0, 1].
        config: The schedule and its warm-up.

    Source:
        Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts,
        arXiv:1608.03983, equation 5, for the cosine.

    Example:
        >>> config = TrainConfig(lr_schedule="cosine", warmup_fraction=0.2)
        >>> [round(lr_multiplier(one, config), 3) for one in (0.0, 0.1, 0.2, 0.6, 1.0)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < config.warmup_fraction:
        return progress / config.warmup_fraction
    if config.lr_schedule == "constant":
        return 1.0
    return 0.5 + 0.5 * math.cos(
        math.pi * (progress - config.warmup_fraction) / (1 - config.warmup_fraction)
    )


def momentum_at(progress: float, config: TrainConfig) -> float:
    """AdamW's first beta: constant, or in ``one_cycle`` low while the learning rate is high.

    Args:
        progress: Fraction of ``train.epochs`` that has passed, in [0, 1].
        config: The schedule.
    """
    if config.lr_schedule != "one_cycle":
        return MOMENTUM
    low, high = ONE_CYCLE_MOMENTUM
    return high - (high - low) * lr_multiplier(progress, config)


class MovingAverage(nn.Module):
    """Exponential moving average of the weights and statistics of a network, in a copy of it.

    It is PyTorch's `AveragedModel` without the work in Python for each tensor at every step, which
    took as long as AdamW itself; its state has the same names.

    Args:
        model: The network, on its device.
        decay: How much of the average stays at each update.
    """

    n_averaged: Tensor

    def __init__(self, model: nn.Module, decay: float) -> None:
        super().__init__()
        self.module = copy.deepcopy(model)
        # On the CPU, where asking for it waits for nothing.
        self.register_buffer("n_averaged", torch.tensor(0))
        self._decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Moves the average towards the network; the first time it becomes the network.

        Args:
            model: The network.
        """
        averages, values = _floats(self.module), _floats(model)
        if self.n_averaged:
            torch._foreach_lerp_(averages, values, 1 - self._decay)
        else:
            torch._foreach_copy_(averages, values)
        self.n_averaged += 1


def _floats(model: nn.Module) -> list[Tensor]:
    """All weights and statistics; those that are counted are not averaged."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    return [one for one in tensors if one.is_floating_point()]


class Optimizer:
    """AdamW with a schedule, gradient clipping and a moving average of the weights.

    Args:
        model: The network on its device, not wrapped for several processes.
        config: Learning rate, schedule, clipping and averaging.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        self._model = model
        self.config = config
        # Fused: the weights of a small network are many small tensors, on which operations one by
        # one take longer than the arithmetic.
        self.adamw = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.average = MovingAverage(model, config.ema_decay) if config.ema_decay else None

    def step(self, progress: float) -> None:
        """Updates the weights and clears the gradients.

        Args:
            progress: Fraction of ``train.epochs`` that has passed, in [0, 1].
        """
        config = self.config
        for group in self.adamw.param_groups:
            group["lr"] = config.learning_rate * lr_multiplier(progress, config)
            group["betas"] = (momentum_at(progress, config), group["betas"][1])
        if config.max_grad_norm:
            nn.utils.clip_grad_norm_(self._model.parameters(), config.max_grad_norm)
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self._model)


@dataclass(frozen=True)
class Objective:
    """The loss of a batch: augmentation, the network, and the comparison with the targets.

    Args:
        loss: From `make_loss`.
        augment: Random changes of the windows, if any.
        teachers: Whose predictions are mixed into the targets, if any.
        precision: Type of the numbers in the layers.
    """

    loss: Loss
    augment: Augment | None = None
    teachers: Teachers | None = None
    precision: torch.dtype = torch.float32

    def __call__(
        self, model: nn.Module, batch: Batch, rng: np.random.Generator, device: torch.device
    ) -> Float[Tensor, ""]:
        """The mean loss of a batch, in nats.

        Args:
            model: The network, wrapped by `Runtime.wrap`.
            batch: Windows as the data set gives them.
            rng: Draws the augmentation.
            device: Where the network is.
        """
        batch = batch._replace(log_mel=batch.log_mel.to(device), targets=batch.targets.to(device))
        if self.augment is not None:
            batch = self.augment(batch, rng)
        if self.teachers is not None:
            batch = self.teachers(batch)
        if self.precision is torch.float32:
            return self.loss(model(batch.log_mel), batch.targets)
        with torch.autocast(device.type, self.precision):
            logits = model(batch.log_mel)
        return self.loss(logits.float(), batch.targets)


def make_objective(
    spec: ModelSpec,
    targets: Float[np.ndarray, "windows labels"],
    teachers: Teachers | None,
    runtime: Runtime,
) -> Objective:
    """The objective that the settings describe.

    Args:
        spec: Of the network.
        targets: Of all training windows, for ``train.balance = "weights"``.
        teachers: From `load_teachers`.
        runtime: Where to compute.
    """
    config = spec.config.train
    weights = class_weights(spec.task, targets) if config.balance == "weights" else None
    return Objective(
        make_loss(spec.task, label_weights=weights, label_smoothing=config.label_smoothing),
        Augment(spec.config.augment, spec.window_frames, union=spec.task is MULTI_LABEL),
        teachers,
        pick_precision(config.precision, runtime.device),
    )


def train_epoch(
    model: nn.Module,
    optimizer: Optimizer,
    loader: Batches,
    objective: Objective,
    runtime: Runtime,
    epoch: int = 1,
) -> float:
    """Trains on every batch once; the mean loss over their windows, in nats.

    Args:
        model: The network, wrapped by `Runtime.wrap`; put in training mode.
        optimizer: Updates its weights.
        loader: Batches of windows.
        objective: The loss of a batch.
        runtime: Where to compute.
        epoch: Number of the epoch, counted from 1; augmentation and schedule depend on it.

    Raises:
        TrainingError: The loss is not finite.
    """
    model.train()
    config = optimizer.config
    rng = np.random.default_rng((config.seed, epoch, 2, runtime.rank))
    num_steps = math.ceil(len(loader) / config.grad_accumulation_steps)
    losses, counts = [], []
    for number, group in enumerate(_groups(loader, config.grad_accumulation_steps)):
        group_size = sum(len(batch.targets) for batch in group)
        for batch in group:
            size = len(batch.targets)
            with runtime.sync_gradients(model, enabled=batch is group[-1]):
                loss = objective(model, batch, rng, runtime.device)
                (loss * (size / group_size)).backward()
            # Kept on the device: reading it here would make every step wait for the last.
            losses.append(loss.detach())
            counts.append(size)
        # At the middle of the step: at an end, the first or the last one would have a rate of 0.
        optimizer.step((epoch - 1 + (number + 0.5) / num_steps) / config.epochs)
    numbers = torch.tensor(counts, dtype=torch.float64)
    loss_sum = (torch.stack(losses).cpu().double() * numbers).sum()
    mean = float(runtime.all_sum(loss_sum) / runtime.all_sum(numbers.sum()))
    require_finite(mean, "training loss")
    return mean


def _groups(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    """The batches of each step; the last step may have fewer."""
    remaining = iter(batches)
    while group := list(itertools.islice(remaining, size)):
        yield group


def require_finite(value: float, what: str) -> None:
    """Stops a training that has diverged.

    Args:
        value: A loss, or a sum of outputs.
        what: Its name in the message.

    Raises:
        TrainingError: It is not finite.
    """
    if not math.isfinite(value):
        raise TrainingError(
            f"the {what} is {value}; lower train.learning_rate (the last good epoch is kept)"
        )
