"""Very many clips of one second: `prepare` twice, then an epoch; memory must not grow with them.

``python benchmarks/many_clips.py --clips 10000 100000``

The clips are noise of two colours, 16 kHz wav. Each size runs in a fresh process.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from earmark.config import Config
from earmark.data.dataset import AudioDataset
from earmark.data.loaders import TrainingLoader
from earmark.data.manifest import read_manifest
from earmark.data.preparation import prepare_recordings, usable_clips
from earmark.features.store import FeatureStore
from earmark.features.windows import WindowGrid, choose_window_frames
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.runtime import Runtime, place, start
from earmark.tasks.task import BINARY
from earmark.training.losses import make_loss
from earmark.training.optimizer import Objective, Optimizer, train_epoch
from machine import describe_machine, peak_megabytes

SAMPLE_RATE = 16_000
CONFIG = Config()


def main() -> None:
    """Prints clips per second and peak memory of both stages, a row a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--data", type=Path)
    arguments = parser.parse_args()
    if arguments.data:
        with tempfile.TemporaryDirectory() as root:
            print(json.dumps(_measure(arguments.data, Path(root))))
        return
    print(describe_machine("torch", "numpy", "scipy", "soundfile"))
    print("clips of 1 s; memory is the peak beyond that of the imports\n")
    print("| clips | prepare, clips/s | MB | again, clips/s | one epoch, clips/s | MB |")
    print("|---|---|---|---|---|---|")
    for num_clips in arguments.clips:
        with tempfile.TemporaryDirectory() as folder:
            _write_clips(Path(folder), num_clips)
            command = [sys.executable, __file__, "--data", folder]
            output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        prepare_s, prepare_mb, again_s, epoch_s, epoch_mb = json.loads(output)
        speeds = [f"{num_clips / seconds:,.0f}" for seconds in (prepare_s, again_s, epoch_s)]
        cells = (f"{num_clips:,}", speeds[0], f"{prepare_mb:,.0f}", *speeds[1:], f"{epoch_mb:,.0f}")
        print(f"| {' | '.join(cells)} |", flush=True)


def _write_clips(folder: Path, num_clips: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(4 * SAMPLE_RATE + num_clips) * 0.1
    brown = np.convolve(noise, np.ones(8) / 3, mode="same")
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        for number in range(num_clips):
            source, label = (noise, "white") if number % 2 else (brown, "brown")
            name = f"{number // 1000}/{number}.wav"
            (folder / name).parent.mkdir(exist_ok=True)
            soundfile.write(folder / name, source[number:][:SAMPLE_RATE], SAMPLE_RATE)
            writer.writerow((name, label, "train"))


def _measure(data: Path, root: Path) -> tuple[float, ...]:
    before = peak_megabytes()
    with start("cpu") as runtime:
        manifest = read_manifest(data / "manifest.csv")
        store = FeatureStore(root, CONFIG.features)
        started_at = time.perf_counter()
        prepared = prepare_recordings(manifest.recordings, store)
        prepare_s, prepare_mb = time.perf_counter() - started_at, peak_megabytes() - before
        clips = usable_clips(manifest, prepared, "train")
        # As the next command opens the store: the frames are read to compare their checksums.
        started_at = time.perf_counter()
        store = FeatureStore(root, CONFIG.features)
        prepare_recordings(manifest.recordings, store)
        again_s = time.perf_counter() - started_at
        epoch_s = _epoch_seconds(store, clips, runtime)
    return prepare_s, prepare_mb, again_s, epoch_s, peak_megabytes() - before


def _epoch_seconds(store: FeatureStore, clips: list, runtime: Runtime) -> float:
    window_frames = choose_window_frames([store.num_frames(clips[0].key)], CONFIG)
    dataset = AudioDataset(store, clips, WindowGrid(window_frames), crops=CONFIG)
    loader = TrainingLoader(dataset, CONFIG.train, runtime)
    torch.manual_seed(0)
    model = new_network(ModelSpec(CONFIG, ("brown", "white"), window_frames))
    place(model, runtime.device)
    steps = Optimizer(model, CONFIG.train)
    loader.set_epoch(1)
    started_at = time.perf_counter()
    train_epoch(model, steps, loader, Objective(make_loss(BINARY)), runtime)
    return time.perf_counter() - started_at


if __name__ == "__main__":
    main()
