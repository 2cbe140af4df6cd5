"""CPU threads of a training: measured at its start where nothing says how many."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from earmark.data.dataset import AudioDataset
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, cpu_threads, place
from earmark.training.head_start import most_threads
from earmark.training.optimizer import Objective, Optimizer

logger = logging.getLogger(__name__)

CLEAR_GAIN = 1.3
"""How many times as fast twice the threads must be. A small network gains a fifth on an idle
machine: too little to make the last digits of its results depend on the load."""
SHORT_SECONDS = 5.0
"""A training that one thread ends within this time is not worth a measurement."""
MIN_ROUNDS, MAX_ROUNDS = 2, 6
MEASURE_SECONDS = 0.5
"""Of the rounds of steps that compare two numbers of threads, after the first two."""


def settle_threads(
    spec: ModelSpec,
    dataset: AudioDataset,
    objective: Objective,
    runtime: Runtime,
    recorded: int | None,
) -> ModelSpec:
    """The specification with the number of threads to train with in its settings.

    A run that resumes takes the number that it began with, so that its results are those of an
    uninterrupted one. On other devices than the CPU, and where several processes train together,
    nothing is measured, and the number that they were started with stays.

    Args:
        spec: Of the network; a number in its settings stands.
        dataset: The training windows.
        objective: The loss of a batch.
        runtime: Where to compute.
        recorded: Number that a training that is resumed began with.
    """
    train = spec.config.train
    if train.num_threads or runtime.device.type != "cpu" or runtime.world_size > 1:
        return spec
    number = recorded
    if number is None:
        num_steps = train.epochs * math.ceil(len(dataset) / train.batch_size)
        with torch.random.fork_rng(devices=()):
            step = _trial_step(spec, dataset, objective, runtime)
            limit = most_threads(has_two_trainings=train.refit)
            number = choose_num_threads(step, num_steps, limit)
    return replace(spec, config=spec.config.with_train(num_threads=number))


def choose_num_threads(step: Callable[[], object], num_steps: int, limit: int) -> int:
    """The number of threads that a training runs fastest with, rather too low than too high.

    Beginning with one, the number is doubled as long as that is clearly faster. The steps of both
    numbers alternate and their sums are compared, not their minima: on a busy machine what counts
    is how long most steps wait.

    Args:
        step: Trains on one batch.
        num_steps: How many steps the training has.
        limit: Most threads to use.

    Example:
        >>> choose_num_threads(lambda: None, num_steps=1000, limit=2)
        1
    """
    chosen = 1
    if limit == 1 or _is_short(step, num_steps):
        return chosen
    while chosen < limit:
        more = min(2 * chosen, limit)
        gain = _gain(step, chosen, more)
        if gain < CLEAR_GAIN:
            break
        chosen = more
    logger.info(f"training with {chosen} of {limit} CPU threads")
    return chosen


def _trial_step(
    spec: ModelSpec, dataset: AudioDataset, objective: Objective, runtime: Runtime
) -> Callable[[], object]:
    """A step of a network of its own."""
    model = place(new_network(spec), runtime.device).train()
    optimizer = Optimizer(model, spec.config.train)
    indices = range(min(spec.config.train.batch_size, len(dataset)))
    rng = np.random.default_rng(0)

    def step() -> None:
        objective(model, dataset.batch(indices), rng, runtime.device).backward()
        optimizer.step(progress=0.5)

    return step


def _is_short(step: Callable[[], object], num_steps: int) -> bool:
    # The first step also prepares what the others use again.
    _seconds(step, 1)
    return _seconds(step, 1) * num_steps < SHORT_SECONDS


def _gain(step: Callable[[], object], few: int, many: int) -> float:
    """How many times as fast a step is with more threads."""
    _seconds(step, many)
    spent = {few: 0.0, many: 0.0}
    for number in range(MAX_ROUNDS):
        if number >= MIN_ROUNDS and sum(spent.values()) > MEASURE_SECONDS:
            break
        for threads in spent:
            spent[threads] += _seconds(step, threads)
    return spent[few] / spent[many]


def _seconds(step: Callable[[], object], num_threads: int) -> float:
    with cpu_threads(num_threads):
        started_at = time.perf_counter()
        step()
        return time.perf_counter() - started_at
