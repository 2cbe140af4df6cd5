"""From a cold process to the first label of one file of 30 s: earmark against torch and librosa.

``python benchmarks/cold_start.py path/to/music_speech_subset``

The peer loads the file with librosa and runs a network of the same layers, as a first script would;
its weights are random, which takes the same time. ``RUN`` is weights in PyTorch, the two ``.onnx``
files are the same model, as a graph from the waveform and from log-mel windows, and
``speech-music`` is the one inside the package. The commands take turns, and a first round warms the
disk cache. The minimum is what a command takes on an idle machine; the ratio to ``import torch`` is
of the minima and should be at most 0.24 for ``speech-music``. With ``--quick`` nothing is trained,
and only these two are measured.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.reading import load_audio
from earmark.data.manifest import read_manifest
from machine import describe_machine

PEER = """
import sys, librosa, torch
from torch import nn
waveform, rate = librosa.load(sys.argv[1], sr=16_000)
mel = librosa.feature.melspectrogram(y=waveform, sr=rate, n_fft=1024, hop_length=320, n_mels=40)
log_mel = torch.from_numpy(librosa.power_to_db(mel))[None, None]
model = nn.Sequential(
    nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.BatchNorm2d(16), nn.MaxPool2d((2, 4)),
    nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.BatchNorm2d(32), nn.MaxPool2d((2, 4)),
    nn.AdaptiveAvgPool2d((10, 1)), nn.Flatten(), nn.Linear(320, 1),
).eval()
with torch.no_grad():
    print(torch.sigmoid(model(log_mel)))
"""


EARMARK = (sys.executable, "-m", "earmark")
TORCH, PRETRAINED = "import torch", "earmark predict speech-music FILE"


def main() -> None:
    """Prints seconds of each command, and its ratios to ``import torch`` and to the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "track.wav"
        _write_wav(read_manifest(arguments.data).recordings[0].path, path)
        commands = {
            TORCH: (sys.executable, "-c", "import torch"),
            PRETRAINED: (*EARMARK, "predict", "speech-music", str(path)),
        }
        if not arguments.quick:
            commands |= _other_commands(arguments.data, path, Path(folder))
        rounds = [[_time(one) for one in commands.values()] for _ in range(arguments.rounds + 1)]
    seconds = dict(zip(commands, np.array(rounds[1:]).T, strict=True))
    print(describe_machine("torch", "librosa", "numpy", "onnxruntime"))
    print(f"{arguments.rounds} rounds\n")
    print("| command | median s | minimum s | of import torch |")
    print("|---|---|---|---|")
    for name, own in seconds.items():
        ratio = own.min() / seconds[TORCH].min()
        print(f"| {name} | {np.median(own):.2f} | {own.min():.2f} | {ratio:.2f} |")


def _other_commands(data: Path, path: Path, folder: Path) -> dict[str, tuple[str, ...]]:
    """The peer, and models of a training of one epoch."""
    run = folder / "run"
    train = ("train", str(data), "-o", str(run), "--set", "train.epochs=1", "--quiet")
    subprocess.run([*EARMARK, *train], check=True, stdout=subprocess.DEVNULL)
    models = [run]
    for takes in ("waveform", "log-mel"):
        models.append(folder / f"{takes}.onnx")
        export = ("export", str(run), "-o", str(models[-1]), "--input", takes, "--quiet")
        subprocess.run([*EARMARK, *export], check=True, stdout=subprocess.DEVNULL)
    return {
        "librosa and torch": (sys.executable, "-c", PEER, str(path)),
        **{
            f"earmark predict {one.name.replace('run', 'RUN')} FILE": (
                *(*EARMARK, "predict", str(one), str(path)),
            )
            for one in models
        },
        "earmark --help": (*EARMARK, "--help"),
        "python -c pass": (sys.executable, "-c", "pass"),
    }


def _write_wav(track: Path, path: Path) -> None:
    sound = load_audio(track)
    soundfile.write(path, sound.samples, sound.sample_rate)


def _time(command: Sequence[str]) -> float:
    started_at = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_at


if __name__ == "__main__":
    main()
