"""How far a training step is from its multiply-adds, and what its optimizer takes.

``python benchmarks/training_step.py``

Processor time of one thread, the least of some epochs, so that a machine with other work gives
nearly what an idle one does. The bounds are the multiply-adds of forward and backward at the speed
of this machine's matrix product, in float32 and in the precision of the network. ``--compile`` adds
the same network through `torch.compile`, and the seconds until its first epoch has ended.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from busy_training import CPU, NETWORKS, Training
from earmark.config import load_config
from earmark.models.architectures.registry import InputShape
from earmark.models.architectures.summary import summarize
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import cpu_threads
from earmark.training.optimizer import MovingAverage, train_epoch
from machine import describe_machine

MATRIX = 1024


def main() -> None:
    """Prints a table of the networks, and one of the parts of an optimizer step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    arguments = parser.parse_args()
    keep_freed_memory()
    print(describe_machine("torch"))
    print("ms a window, processor time of one thread, least of some epochs\n")
    print(
        "| network | step | float32 bound | times | own bound | times | compiled | s to compile |"
    )
    print("|---|---|---|---|---|---|---|---|")
    optimizers = {}
    with cpu_threads(1):
        for name in arguments.networks:
            file, num_clips = NETWORKS[name]
            training = Training(load_config(file), num_clips)
            _report(name, training, arguments.epochs, compiled=arguments.compile)
            optimizers[name] = _optimizer_parts(training)
        print("\nms a step of the optimizer\n")
        print(f"| network | {' | '.join(next(iter(optimizers.values())))} |")
        print("|---|---|---|---|---|")
        for name, parts in optimizers.items():
            print(f"| {name} | {' | '.join(f'{one * 1e3:.3f}' for one in parts.values())} |")


def _report(name: str, training: Training, num_epochs: int, *, compiled: bool) -> None:
    size = len(training.dataset)
    training.epoch(1)
    works: dict[str, Callable[[], object]] = {"step": lambda: training.epoch(1)}
    wait = ""
    if compiled:
        model = cast(nn.Module, torch.compile(training.model))

        def epoch() -> None:
            train_epoch(model, training.optimizer, training.loader, training.objective, CPU)

        started_at = time.perf_counter()
        epoch()
        wait = f"{time.perf_counter() - started_at:.0f}"
        works["compiled"] = epoch
    spent = {key: one / size for key, one in _least_seconds(works, num_epochs).items()}
    bounds = [
        _bound_seconds(training, one) for one in (torch.float32, training.objective.precision)
    ]
    cells = [f"{spent['step'] * 1e3:.3f}"]
    for bound in bounds:
        cells += [f"{bound * 1e3:.3f}", f"{spent['step'] / bound:.1f}"]
    cells += [f"{spent['compiled'] * 1e3:.3f}" if compiled else "", wait]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _bound_seconds(training: Training, precision: torch.dtype) -> float:
    """Seconds of a window's multiply-adds, forward once and backward twice."""
    spec = training.spec
    shape = InputShape(spec.config.features.n_mels, spec.window_frames)
    costs = [one.num_multiply_adds for one in summarize(training.model, shape)]
    # The first layer's input needs no gradient.
    multiply_adds = 3 * sum(costs) - next(one for one in costs if one)
    left, right = (torch.rand(MATRIX, MATRIX).to(precision) for _ in range(2))
    seconds = _least_seconds({"product": lambda: left @ right}, 15)["product"]
    return multiply_adds * seconds / MATRIX**3


def _optimizer_parts(training: Training) -> dict[str, float]:
    """Seconds of AdamW and of the average of the weights, each as PyTorch's default and as ours."""
    model = training.model
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    ours = MovingAverage(model, 0.9)
    return _least_seconds(
        {
            "AdamW, default": torch.optim.AdamW(model.parameters()).step,
            "AdamW, fused": torch.optim.AdamW(model.parameters(), fused=True).step,
            "AveragedModel": lambda: theirs.update_parameters(model),
            "MovingAverage": lambda: ours.update(model),
        },
        rounds=100,
    )


def _least_seconds(works: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Least processor time of each work; they alternate."""
    least = dict.fromkeys(works, float("inf"))
    for _ in range(rounds):
        for name, work in works.items():
            started_at = time.process_time()
            work()
            least[name] = min(least[name], time.process_time() - started_at)
    return least


if __name__ == "__main__":
    main()
