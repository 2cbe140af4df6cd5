"""What each architecture costs: parameters, multiply-adds, and a training step on one thread.

``python benchmarks/architectures.py``

A step is forward and backward on 32 windows of 40 bands and 101 frames: 2 s at the default front
end. The architectures take turns, and the fastest round of each counts.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import math
from functools import partial

import torch

from earmark.config import ModelConfig
from earmark.models.architectures.registry import AudioModel, InputShape, build_model
from earmark.models.architectures.summary import describe_models
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import place
from machine import describe_machine, fastest_seconds

SHAPE = InputShape(n_mels=40, num_frames=101)
BATCH_SIZE = 32


def main() -> None:
    """Prints a row for each registered architecture at its default settings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    windows = torch.randn(BATCH_SIZE, 1, SHAPE.n_mels, SHAPE.num_frames)
    architectures = describe_models(SHAPE)
    networks = [_network(one.name) for one in architectures]
    forward, step = ([math.inf] * len(networks) for _ in range(2))
    for _ in range(arguments.rounds):
        for index, network in enumerate(networks):
            step[index] = min(step[index], fastest_seconds(partial(_step, network, windows), 1))
            forward[index] = min(
                forward[index], fastest_seconds(partial(_use, network, windows), 1)
            )
    print(describe_machine("torch"))
    print(f"{BATCH_SIZE} windows of 40 x 101, one thread, fastest of {arguments.rounds} rounds\n")
    print("| architecture | parameters | multiply-adds a window | use, ms | training step, ms |")
    print("|---|---|---|---|---|")
    for one, used, stepped in zip(architectures, forward, step, strict=True):
        costs = f"{one.num_parameters:,} | {one.num_multiply_adds:,}"
        print(f"| {one.name} | {costs} | {used * 1e3:.1f} | {stepped * 1e3:.1f} |")


def _network(name: str) -> AudioModel:
    return place(build_model(ModelConfig(name=name), SHAPE, 1), torch.device("cpu"))


def _step(network: AudioModel, windows: torch.Tensor) -> None:
    network.train()(windows).square().mean().backward()
    network.zero_grad()


def _use(network: AudioModel, windows: torch.Tensor) -> None:
    with torch.inference_mode():
        network.eval()(windows)


if __name__ == "__main__":
    main()
