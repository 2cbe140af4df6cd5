"""Features of one hour of sound: peak memory and time against librosa on the whole file.

``python benchmarks/long_file.py path/to/music_speech_subset``
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.features.log_mel import LogMel, extract
from earmark.system.memory import keep_freed_memory
from machine import describe_machine, peak_megabytes

SECONDS = 3600


def main() -> None:
    """Prints seconds and peak memory, beyond that of the imports, of both sides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", choices=("librosa", "earmark"))
    arguments = parser.parse_args()
    if arguments.side:
        measure = _librosa if arguments.side == "librosa" else _earmark
        print(json.dumps(measure(arguments.data)))
        return
    print(describe_machine("librosa", "soundfile", "soxr", "numpy", "scipy"))
    print("one hour, 22.05 kHz mono; peak memory beyond that of the imports\n")
    print("| file | librosa s | earmark s | ratio | librosa MB | earmark MB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for extension in ("wav", "mp3"):
            path = Path(folder) / f"hour.{extension}"
            write_sound(arguments.data, path, SECONDS)
            (their_s, their_mb), (our_s, our_mb) = (
                _run(side, path) for side in ("librosa", "earmark")
            )
            cells = f"{their_s:.1f} | {our_s:.1f} | {their_s / our_s:.1f}"
            print(f"| {extension} | {cells} | {their_mb:,.0f} | {our_mb:,.0f} |", flush=True)


def _run(side: str, path: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, str(path), "--side", side]
    seconds, megabytes = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    )
    return seconds, megabytes


def write_sound(data: Path, path: Path, seconds: int) -> None:
    """Writes recordings of a data set end to end, 30 s of each, at 22.05 kHz."""
    paths = [one.path for one in read_manifest(data).recordings]
    with soundfile.SoundFile(path, "w", 22_050, 1) as file:
        for number in range(seconds // 30):
            samples, _ = soundfile.read(paths[number % len(paths)], dtype="float32")
            file.write(np.resize(samples, 30 * 22_050))


def _earmark(path: Path) -> tuple[float, float]:
    log_mel = LogMel(FeatureConfig())
    keep_freed_memory()
    before, started_at = peak_megabytes(), time.perf_counter()
    extract(path, log_mel, pipelined=True)
    return time.perf_counter() - started_at, peak_megabytes() - before


def _librosa(path: Path) -> tuple[float, float]:
    import librosa

    import peer

    config = FeatureConfig()
    peer.warm_up(config)
    before, started_at = peak_megabytes(), time.perf_counter()
    waveform, _ = librosa.load(path, sr=config.sample_rate)
    peer.log_mel(waveform, config)
    return time.perf_counter() - started_at, peak_megabytes() - before


if __name__ == "__main__":
    main()
