"""One epoch of the default network on whole tracks: earmark's loop against plain eager PyTorch.

``python benchmarks/training_epoch.py path/to/music_speech_subset``

The peer is the same network in plain layers and the default memory layout, fed by a `DataLoader`
over ``.npy`` files, as one would write it first. Each side runs in a fresh process, because the
allocator's settings are those of a process. The bound is what the multiply-adds of forward and
backward would take at the speed of this machine's matrix product.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from earmark.config import load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import TrainingLoader
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings, usable_clips
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid, crop_frames
from earmark.models.architectures.registry import InputShape
from earmark.models.architectures.summary import summarize
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime, place
from earmark.tasks.task import BINARY
from earmark.training.losses import make_loss
from earmark.training.optimizer import Objective, Optimizer, train_epoch
from machine import describe_machine, fastest_seconds

CONFIG = load_config(settings=["train.crop_seconds=30.0"])
CPU = Runtime(torch.device("cpu"))
LABELS = ("music", "speech")


def main() -> None:
    """Prints milliseconds a clip of each side, the ratio and the distance to the bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--side", choices=("peer", "earmark"))
    parser.add_argument("--store", type=Path)
    arguments = parser.parse_args()
    if arguments.side:
        seconds = (
            _peer(arguments.store, arguments.epochs)
            if arguments.side == "peer"
            else _earmark(arguments.data, arguments.store, arguments.epochs)
        )
        print(json.dumps(seconds))
        return
    print(describe_machine("torch"))
    with tempfile.TemporaryDirectory() as store:
        _write_arrays(arguments.data, Path(store))
        rounds = [
            [_run(side, arguments, store) for side in ("peer", "earmark")]
            for _ in range(arguments.rounds)
        ]
    theirs, ours = np.median(np.array(rounds), axis=0)
    bound = _bound_seconds()
    print(f"whole tracks of 30 s, batches of {CONFIG.train.batch_size}, {torch.get_num_threads()}")
    print("threads; milliseconds a clip, median of rounds of the fastest epoch\n")
    print("| plain PyTorch | earmark | ratio | multiply-add bound | times the bound |")
    print("|---|---|---|---|---|")
    print(
        f"| {theirs * 1e3:.1f} | {ours * 1e3:.1f} | {theirs / ours:.2f} "
        f"| {bound * 1e3:.1f} | {ours / bound:.1f} |"
    )


def _run(side: str, arguments: argparse.Namespace, store: str) -> float:
    command = [sys.executable, __file__, str(arguments.data), "--side", side, "--store", store]
    command += ["--epochs", str(arguments.epochs)]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def prepare_clips(data: Path, root: Path) -> tuple[FeatureStore, list[Clip]]:
    """The training tracks, their features in a store."""
    manifest = read_manifest(data)
    store = FeatureStore(root, CONFIG.features)
    prepared = prepare_recordings(manifest.split("train"), store)
    return store, usable_clips(manifest, prepared, "train")


def _write_arrays(data: Path, root: Path) -> None:
    """The peer's files; it must not call `prepare`, which changes the allocator's settings."""
    store, clips = prepare_clips(data, root)
    for clip in clips:
        np.save(root / f"{clip.targets[0]}-{clip.key}.npy", store[clip.key].T.astype(np.float32))


def _plain_network() -> nn.Module:
    torch.manual_seed(0)
    channels, layers = 1, []
    for block in CONFIG.model.blocks:
        layers += [
            nn.Conv2d(channels, block.channels, block.kernel_size, padding=block.padding),
            nn.ReLU(),
            nn.BatchNorm2d(block.channels),
            nn.MaxPool2d(block.pool_size),
        ]
        channels = block.channels
    shape = 1, 1, CONFIG.features.n_mels, crop_frames(CONFIG)
    features = nn.Sequential(*layers).eval()
    *_, bands, frames = features(torch.zeros(shape)).shape
    return nn.Sequential(
        features,
        nn.AvgPool2d((1, frames)),
        nn.Flatten(),
        nn.Dropout(CONFIG.model.dropout),
        nn.Linear(channels * bands, 1),
    )


def default_network() -> nn.Module:
    """The network of the default settings for whole tracks."""
    torch.manual_seed(0)
    return new_network(ModelSpec(CONFIG, LABELS, crop_frames(CONFIG)))


def _earmark(data: Path, root: Path, epochs: int) -> float:
    keep_freed_memory()
    store, clips = prepare_clips(data, root)
    dataset = AudioDataset(store, clips, WindowGrid(crop_frames(CONFIG)), crops=CONFIG)
    loader = TrainingLoader(dataset, CONFIG.train, CPU)
    model = place(default_network(), CPU.device)
    steps = Optimizer(model, CONFIG.train)
    times = []
    for epoch in range(epochs + 1):
        loader.set_epoch(epoch)
        started_at = time.perf_counter()
        train_epoch(model, steps, loader, Objective(make_loss(BINARY)), CPU)
        times.append(time.perf_counter() - started_at)
    return min(times[1:]) / len(clips)


class _Files(Dataset):
    def __init__(self, paths: list[Path], targets: list[int]) -> None:
        self.paths, self.targets = paths, targets

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        frames = np.load(self.paths[index])[:, : crop_frames(CONFIG)]
        return np.resize(frames, (1, len(frames), crop_frames(CONFIG))), self.targets[index]


def _peer(root: Path, epochs: int) -> float:
    paths = sorted(root.glob("*.npy"))
    files = _Files(paths, [int(path.name[0]) for path in paths])
    loader = DataLoader(files, CONFIG.train.batch_size, shuffle=True)
    model = _plain_network()
    mean, std = np.float32(-40.0), np.float32(20.0)
    loss_function = nn.BCEWithLogitsLoss()
    optimizer = torch.optim.AdamW(model.parameters())
    times = []
    for _ in range(epochs + 1):
        started_at = time.perf_counter()
        model.train()
        for log_mel, targets in loader:
            optimizer.zero_grad()
            loss_function(model((log_mel - mean) / std)[:, 0], targets.float()).backward()
            optimizer.step()
        times.append(time.perf_counter() - started_at)
    return min(times[1:]) / len(paths)


def _bound_seconds() -> float:
    """Seconds that the multiply-adds of one clip take, forward once and backward twice."""
    shape = InputShape(CONFIG.features.n_mels, crop_frames(CONFIG))
    layers = summarize(default_network(), shape)
    # The first layer's input needs no gradient.
    first = next(one.num_multiply_adds for one in layers if one.num_multiply_adds)
    multiply_adds = 3 * sum(one.num_multiply_adds for one in layers) - first
    return multiply_adds * multiply_add_seconds()


def multiply_add_seconds() -> float:
    """Seconds of a multiply-add in this machine's matrix product."""
    size = 2048
    left, right = torch.rand(size, size), torch.rand(size, size)
    return fastest_seconds(lambda: left @ right, rounds=8) / size**3


if __name__ == "__main__":
    main()
