"""Where the time of a training step goes: operations of one epoch, and how far from their bounds.

``python benchmarks/training_stages.py path/to/music_speech_subset``

The bound of a convolution is its multiply-adds at the speed of the matrix product; that of every
other operation is to read its inputs and to write its output once, at the speed of this machine's
memory.
"""

import argparse
import tempfile
import time
from collections import defaultdict
from math import prod
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from earmark.data.dataset import AudioDataset
from earmark.data.loaders import TrainingLoader
from earmark.features.windows import WindowGrid, crop_frames
from earmark.models.architectures.registry import InputShape
from earmark.models.architectures.summary import summarize
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import place
from earmark.tasks.task import BINARY
from earmark.training.losses import make_loss
from earmark.training.optimizer import Objective, Optimizer, train_epoch
from machine import describe_machine, fastest_seconds
from training_epoch import CONFIG, CPU, default_network, multiply_add_seconds, prepare_clips

STAGES = {
    "convolution, forward": ("aten::mkldnn_convolution",),
    "convolution, backward": ("aten::convolution_backward",),
    "normalisation, forward": ("aten::native_batch_norm",),
    "normalisation, backward": ("aten::native_batch_norm_backward",),
    "ReLU, forward": ("aten::clamp_min",),
    "ReLU, backward": ("aten::threshold_backward",),
    "pooling, forward": ("aten::max_pool2d_with_indices",),
    "pooling, backward": ("aten::max_pool2d_with_indices_backward", "aten::fill_"),
    "windows from the store": ("enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__",),
}
WARM_UP_EPOCHS = 4
PASSES = {
    "normalisation, forward": 3,
    "normalisation, backward": 5,
    "ReLU, forward": 2,
    "ReLU, backward": 3,
    "pooling, forward": 1,
    "pooling, backward": 1,
}
"""How often the tensor at full size is read or written: statistics need a pass of their own."""


def main() -> None:
    """Prints milliseconds a clip, the share of the epoch and the bound of each operation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as root:
        store, clips = prepare_clips(arguments.data, Path(root))
        dataset = AudioDataset(store, clips, WindowGrid(crop_frames(CONFIG)), crops=CONFIG)
        loader = TrainingLoader(dataset, CONFIG.train, CPU)
        model = place(default_network(), CPU.device)
        steps = Optimizer(model, CONFIG.train)
        objective = Objective(make_loss(BINARY))
        for _ in range(WARM_UP_EPOCHS):
            train_epoch(model, steps, loader, objective, CPU)
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            started_at = time.perf_counter()
            train_epoch(model, steps, loader, objective, CPU)
            whole = (time.perf_counter() - started_at) / len(clips)
    spent: dict[str, float] = defaultdict(float)
    for event in profiled.key_averages():
        spent[event.key] += event.self_cpu_time_total * 1e-6 / len(clips)
    bounds = _bounds()
    print(describe_machine("torch"))
    print(f"whole tracks of 30 s, {torch.get_num_threads()} threads\n")
    print("| operation | ms a clip | share | bound, ms | times the bound |")
    print("|---|---|---|---|---|")
    rest = whole
    for name, keys in STAGES.items():
        seconds = sum(spent[key] for key in keys)
        rest -= seconds
        bound = bounds.get(name)
        distance = f"{bound * 1e3:.2f} | {seconds / bound:.1f}" if bound else "|"
        print(f"| {name} | {seconds * 1e3:.2f} | {seconds / whole:.0%} | {distance} |")
    print(f"| everything else | {rest * 1e3:.2f} | {rest / whole:.0%} | | |")
    total = sum(bounds.values())
    print(f"| the epoch | {whole * 1e3:.2f} | 100% | {total * 1e3:.2f} | {whole / total:.1f} |")


def _bounds() -> dict[str, float]:
    """Seconds a clip of each operation, at the least."""
    layers = summarize(default_network(), InputShape(CONFIG.features.n_mels, crop_frames(CONFIG)))
    costs = [one.num_multiply_adds for one in layers if one.type == "Conv2d"]
    sizes = [prod(one.output_size) for one in layers if one.type == "Conv2d"]
    block = torch.rand(1 << 26)
    negate_seconds = fastest_seconds(lambda: torch.neg(block, out=block), rounds=8)
    byte_seconds = negate_seconds / (2 * 4 * len(block))
    one_seconds = multiply_add_seconds()
    bounds = {
        "convolution, forward": sum(costs) * one_seconds,
        # The first layer's input needs no gradient.
        "convolution, backward": (2 * sum(costs) - costs[0]) * one_seconds,
    }
    for name, passes in PASSES.items():
        bounds[name] = passes * 4 * sum(sizes) * byte_seconds
    return bounds


if __name__ == "__main__":
    main()
