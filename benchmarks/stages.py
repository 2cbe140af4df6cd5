"""Where the time of preparing goes: one thread, a clip, stage by stage, and how far from the bound.

``python benchmarks/stages.py path/to/music_speech_subset``

The bound of the log-mel is its arithmetic at the speed of the machine's matrix product; that of the
digest and of the rounding is to read their bytes once. Decoding and resampling are other people's
libraries: what they take is what there is to take.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soxr

from earmark.audio.reading import load_audio, stream_audio
from earmark.config import FeatureConfig
from earmark.data.manifest import read_manifest
from earmark.features.log_mel import LogMel, extract, mel_filterbank
from earmark.system.hashing import content_hash
from earmark.system.memory import keep_freed_memory
from machine import describe_machine, fastest_seconds

ROUNDS = 5


def main() -> None:
    """Prints milliseconds a clip and the share of the whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=16)
    arguments = parser.parse_args()
    paths = [one.path for one in read_manifest(arguments.data).recordings[: arguments.clips]]
    keep_freed_memory()
    config = FeatureConfig()
    log_mel = LogMel(config)
    native = [load_audio(path) for path in paths]
    resampled = [load_audio(path, config.sample_rate).samples for path in paths]
    frames = [log_mel(samples).T for samples in resampled]
    rate = config.sample_rate
    stages: dict[str, Callable[[int], object]] = {
        "digest of the file": lambda n: content_hash(paths[n]),
        "decode": lambda n: [None for _ in stream_audio(paths[n])],
        "resample": lambda n: soxr.resample(native[n].samples, native[n].sample_rate, rate),
        "log-mel": lambda n: log_mel(resampled[n]),
        "round to float16": lambda n: frames[n].astype(np.float16),
        "all of it": lambda n: (content_hash(paths[n]), extract(paths[n], log_mel)),
    }
    times = {
        name: fastest_seconds(lambda stage=stage: [stage(n) for n in range(len(paths))], ROUNDS)
        / len(paths)
        for name, stage in stages.items()
    }
    print(describe_machine("numpy", "scipy", "soundfile", "soxr"))
    duration = sum(one.duration_seconds for one in native) / len(native)
    print(f"clips of {duration:.0f} s, {native[0].sample_rate} Hz, {paths[0].suffix}; one thread\n")
    bytes_a_second, flops_a_second = _read_speed(), _multiply_speed()
    num_bytes = np.mean([path.stat().st_size for path in paths])
    bounds = {
        "digest of the file": num_bytes / bytes_a_second,
        "log-mel": _flops(config) * np.mean([len(one) for one in frames]) / flops_a_second,
        "round to float16": np.mean([one.nbytes for one in frames]) / bytes_a_second,
    }
    print("| stage | ms a clip | share | bound, ms | times the bound |")
    print("|---|---|---|---|---|")
    for name, seconds in times.items():
        share = f"{seconds / times['all of it']:.0%}"
        bound = bounds.get(name)
        distance = f"{bound * 1e3:.2f} | {seconds / bound:.1f}" if bound else "|"
        print(f"| {name} | {seconds * 1e3:.2f} | {share} | {distance} |")


def _flops(config: FeatureConfig) -> float:
    """Floating-point operations of a frame; a real transform of n points takes 2.5 n log2 n."""
    num_bins = 1 + config.n_fft // 2
    transform = 2.5 * config.n_fft * np.log2(config.n_fft)
    weights = np.count_nonzero(mel_filterbank(config))
    return config.win_length + transform + 3 * num_bins + 2 * weights + config.n_mels


def _read_speed() -> float:
    """Bytes that one thread reads in a second, from memory."""
    block = np.ones(1 << 26, np.float32)
    return block.nbytes / fastest_seconds(block.max, ROUNDS)


def _multiply_speed() -> float:
    """Floating-point operations a second of the matrix product, on one thread."""
    block = np.ones((2048, 2048), np.float32)
    return 2 * 2048**3 / fastest_seconds(lambda: block @ block, ROUNDS)


if __name__ == "__main__":
    main()
