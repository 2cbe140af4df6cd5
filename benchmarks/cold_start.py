"""From a cold process to the first label of one file of 30 s: earmark against torch and librosa.

``python benchmarks/cold_start.py path/to/music_speech_subset``

The peer loads the file with librosa and judges it with a network of the same layers, as one would
write it first; its weights are random, which costs the same. ``RUN`` is weights in PyTorch, the two
``.onnx`` files are the same model, as a graph from the waveform and from log-mel windows, and
``speech-music`` is the one inside the package. The files
and libraries were read before, so the disk does not count.
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


def main() -> None:
    """Prints seconds of each command and how many times it is faster than the peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    track = read_manifest(arguments.data).recordings[0].path
    with tempfile.TemporaryDirectory() as folder:
        path, run = Path(folder) / "track.wav", Path(folder) / "run"
        graphs = {takes: Path(folder) / f"{takes}.onnx" for takes in ("waveform", "log-mel")}
        _write_wav(track, path)
        earmark = (sys.executable, "-m", "earmark")
        train = ("train", str(arguments.data), "-o", str(run), "--set", "train.epochs=1", "--quiet")
        subprocess.run([*earmark, *train], check=True, stdout=subprocess.DEVNULL)
        for takes, graph in graphs.items():
            export = ("export", str(run), "-o", str(graph), "--input", takes, "--quiet")
            subprocess.run([*earmark, *export], check=True, stdout=subprocess.DEVNULL)
        commands = {
            "librosa and torch": (sys.executable, "-c", PEER, str(path)),
            "import torch": (sys.executable, "-c", "import torch"),
            "earmark predict RUN FILE": (*earmark, "predict", str(run), str(path)),
            **{
                f"earmark predict {graph.name} FILE": (*earmark, "predict", str(graph), str(path))
                for graph in graphs.values()
            },
            "earmark predict speech-music FILE": (*earmark, "predict", "speech-music", str(path)),
            "earmark --help": (*earmark, "--help"),
            "python -c pass": (sys.executable, "-c", "pass"),
        }
        rounds = [[_time(one) for one in commands.values()] for _ in range(arguments.rounds + 1)]
    medians = np.median(np.array(rounds[1:]), axis=0)
    print(describe_machine("torch", "librosa", "numpy", "scipy", "onnxruntime"))
    print(f"median of {arguments.rounds} rounds\n")
    print("| command | seconds | times faster than the peer |")
    print("|---|---|---|")
    for name, seconds in zip(commands, medians, strict=True):
        print(f"| {name} | {seconds:.2f} | {medians[0] / seconds:.1f} |")


def _write_wav(track: Path, path: Path) -> None:
    sound = load_audio(track)
    soundfile.write(path, sound.samples, sound.sample_rate)


def _time(command: Sequence[str]) -> float:
    started_at = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started_at


if __name__ == "__main__":
    main()
