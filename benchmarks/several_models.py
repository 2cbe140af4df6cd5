"""Two models on the same files: one command with --model twice, against two commands.

``python benchmarks/several_models.py SOUNDS MODEL OTHER_MODEL``

The commands take turns, and a first round warms the disk cache. ``processor`` is the processor time
of all processes of a command.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from earmark.inference.classifier import load_model
from machine import describe_machine

EARMARK = (sys.executable, "-m", "earmark", "predict", "--json", "--quiet")


def main() -> None:
    """Prints seconds of both ways, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sounds", type=Path)
    parser.add_argument("models", nargs=2)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    first, other = arguments.models
    sounds = str(arguments.sounds)
    ways = {
        "two commands": [(*EARMARK, first, sounds), (*EARMARK, other, sounds)],
        "one command": [(*EARMARK, "--model", first, "--model", other, sounds)],
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for number in range(arguments.rounds + 1):
        for name, commands in ways.items():
            seconds = [run(command) for command in commands]
            if number:
                wall, processor = zip(*seconds, strict=True)
                taken[name].append((sum(wall), sum(processor)))
    configs = [load_model(one, device="cpu").spec.config.features for one in arguments.models]
    print(describe_machine("numpy", "onnxruntime"))
    print(
        f"{first} and {other}: {'one front end' if configs[0] == configs[1] else 'two front ends'}"
    )
    print("\n|  | seconds | processor |\n|---|---|---|")
    least = {
        name: [min(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()
    }
    for name, (wall, processor) in least.items():
        print(f"| {name} | {wall:.2f} | {processor:.2f} |")
    pairs = zip(least["one command"], least["two commands"], strict=True)
    print(f"| ratio | {' | '.join(f'{one / two:.2f}' for one, two in pairs)} |")


def run(command: Sequence[str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command and all that it starts."""
    started_at = time.perf_counter()
    before = os.times()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    # 1: some files failed, as they do for each way.
    if done.returncode > 1:
        sys.exit(f"{' '.join(command)}: exit status {done.returncode}")
    after = os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return time.perf_counter() - started_at, processor


if __name__ == "__main__":
    main()
