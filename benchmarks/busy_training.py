"""How long epochs take on an idle and on a busy machine, by the number of threads.

``python benchmarks/busy_training.py --busy 8``

Three networks train on random windows: the default one, and those of the best settings for spoken
digits and ESC-10. Busy means that so many other processes only count. Each network is trained with
one thread, with all, and with the number that a training would choose then; their epochs alternate,
and the mean is printed, because slow epochs are part of what a user waits for. The choice is
measured anew in each state of the machine.
"""

import argparse
import os
import time
from pathlib import Path

# As the command line does, before torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch

from earmark.config import Config, load_config
from earmark.data.content import Clip
from earmark.data.dataset import AudioDataset, HeldFrames
from earmark.data.loaders import TrainingLoader
from earmark.features.store import ClipKey
from earmark.features.windows import WindowGrid, crop_frames
from earmark.models.checkpoint import new_network
from earmark.models.spec import ModelSpec
from earmark.system.memory import keep_freed_memory
from earmark.system.runtime import Runtime, cpu_threads, place
from earmark.tasks.task import MULTI_CLASS
from earmark.training.optimizer import Optimizer, make_objective, train_epoch
from earmark.training.threads import settle_threads
from machine import busy_processes, describe_machine

CPU = Runtime(torch.device("cpu"))
LABELS = tuple("abcdefghij")
SETTINGS = Path(__file__).parent / "settings"
NETWORKS = {
    "default": (None, 320),
    "digits": (SETTINGS / "free_spoken_digits_best.toml", 128),
    "ESC-10": (SETTINGS / "esc10_best.toml", 64),
}
"""Settings of each network, and windows of an epoch."""


class Training:
    """A network that trains on random windows.

    Args:
        config: All settings.
        num_clips: Clips of a window each.
    """

    def __init__(self, config: Config, num_clips: int) -> None:
        rng = np.random.default_rng(0)
        window_frames = crop_frames(config)
        size = (window_frames, config.features.n_mels)
        keys = [ClipKey(f"{number:032x}") for number in range(num_clips)]
        frames = {key: rng.normal(-40, 15, size).astype(np.float16) for key in keys}
        clips = [Clip(str(one), key, (one % len(LABELS),)) for one, key in enumerate(keys)]
        held = HeldFrames(config.features, frames)
        self.spec = ModelSpec(config, LABELS, window_frames, MULTI_CLASS)
        self.dataset = AudioDataset(
            held, clips, WindowGrid(window_frames), crops=config, num_labels=len(LABELS)
        )
        self.loader = TrainingLoader(self.dataset, config.train, CPU)
        self.objective = make_objective(self.spec, self.dataset.window_targets, None, CPU)
        self.model = place(new_network(self.spec), CPU.device)
        self.optimizer = Optimizer(self.model, config.train)

    def epoch(self, num_threads: int) -> float:
        """Trains for an epoch; its seconds."""
        with cpu_threads(num_threads):
            started_at = time.perf_counter()
            train_epoch(self.model, self.optimizer, self.loader, self.objective, CPU)
            return time.perf_counter() - started_at

    def choose_threads(self) -> tuple[int, float]:
        """The number of threads that a training would choose now, and the seconds to find it."""
        started_at = time.perf_counter()
        settled = settle_threads(self.spec, self.dataset, self.objective, CPU, None)
        number = settled.config.train.num_threads
        assert number is not None
        return number, time.perf_counter() - started_at


def main() -> None:
    """Prints the mean seconds of an epoch of each network, idle and busy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--busy", type=int, default=8, help="processes that only count")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    arguments = parser.parse_args()
    keep_freed_memory()
    most = torch.get_num_threads()
    print(describe_machine("torch"))
    print(f"mean of {arguments.epochs} epochs, in seconds; load before: {os.getloadavg()[0]:.1f}\n")
    columns = ("1 thread", f"{most} threads", "chosen", "threads", "to choose")
    print(f"| network | windows | busy processes | {' | '.join(columns)} |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.networks:
        file, num_clips = NETWORKS[name]
        training = Training(load_config(file), num_clips)
        for busy in (0, arguments.busy):
            with busy_processes(busy):
                _report(name, busy, training, most, arguments.epochs)


def _report(name: str, busy: int, training: Training, most: int, num_epochs: int) -> None:
    chosen, seconds = training.choose_threads()
    numbers = (1, most, chosen)
    for number in numbers[:2]:
        training.epoch(number)
    times = np.array([[training.epoch(one) for one in numbers] for _ in range(num_epochs)])
    one, more, auto = times.mean(axis=0)
    cells = f"{one:.2f} | {more:.2f} | {auto:.2f} | {chosen} | {seconds:.1f}"
    print(f"| {name} | {len(training.dataset)} | {busy} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
