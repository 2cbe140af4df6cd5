"""Where the time of preparing goes: one thread, a clip, stage by stage.

``python benchmarks/stages.py path/to/music_speech_subset``
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from earmark import audio
from earmark.config import FeatureConfig
from earmark.features import LogMel, extract
from earmark.manifest import read_manifest
from machine import describe_machine

ROUNDS = 5


def main() -> None:
    """Prints milliseconds a clip and the share of the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    arguments = parser.parse_args()
    paths = [one.path for one in read_manifest(arguments.data).recordings[: arguments.clips]]
    config = FeatureConfig()
    log_mel = LogMel(config)
    native = [audio.load(path) for path in paths]
    resampled = [audio.load(path, config.sample_rate).samples for path in paths]
    frames = [log_mel(samples).T for samples in resampled]
    rate = config.sample_rate
    stages: dict[str, Callable[[int], object]] = {
        "digest of the file": lambda n: audio.content_hash(paths[n]),
        "decode": lambda n: [None for _ in audio.stream(paths[n])],
        "resample": lambda n: soxr.resample(native[n].samples, native[n].sample_rate, rate),
        "log-mel": lambda n: log_mel(resampled[n]),
        "round to float16": lambda n: frames[n].astype(np.float16),
        "all of it": lambda n: (audio.content_hash(paths[n]), extract(paths[n], log_mel)),
    }
    times = {
        name: min(_time(stage, len(paths)) for _ in range(ROUNDS)) for name, stage in stages.items()
    }
    print(describe_machine("numpy", "scipy", "soundfile", "soxr"))
    seconds = sum(one.duration_seconds for one in native) / len(native)
    print(f"clips of {seconds:.0f} s, {native[0].sample_rate} Hz, {paths[0].suffix}; one thread\n")
    print("| stage | ms a clip | share |")
    print("|---|---|---|")
    for name, elapsed_seconds in times.items():
        print(
            f"| {name} | {elapsed_seconds * 1e3:.2f} | {elapsed_seconds / times['all of it']:.0%} |"
        )


def _time(stage: Callable[[int], object], num_clips: int) -> float:
    started_at = time.perf_counter()
    for number in range(num_clips):
        stage(number)
    return (time.perf_counter() - started_at) / num_clips


if __name__ == "__main__":
    main()
