"""Log-mel band energies of clips in memory, one thread: earmark against librosa.

``python benchmarks/log_mel.py``
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import time
from collections.abc import Callable

import numpy as np

import peer
from earmark.config import FeatureConfig
from earmark.features.log_mel import LogMel
from machine import describe_machine

SECONDS, NUM_CLIPS, ROUNDS = 30, 128, 5


def main() -> None:
    """Prints audio seconds per second, and how far apart the values are."""
    print(describe_machine("numpy", "scipy", "librosa"))
    print(f"{NUM_CLIPS} clips of {SECONDS} s in memory, one thread, median of {ROUNDS} rounds\n")
    print("| settings | librosa s/s | earmark s/s | ratio | largest difference, dB |")
    print("|---|---|---|---|---|")
    settings = (
        FeatureConfig(sample_rate=22_050, n_fft=1024, win_length=1024, hop_length=512),
        FeatureConfig(),
    )
    for config in settings:
        print(_row(config))


def _row(config: FeatureConfig) -> str:
    rng = np.random.default_rng(0)
    num_samples = SECONDS * config.sample_rate
    clips = rng.standard_normal((NUM_CLIPS, num_samples)).astype(np.float32) * 0.1
    log_mel = LogMel(config)

    def librosa_log_mel(clip: np.ndarray) -> np.ndarray:
        return peer.log_mel(clip, config)

    difference = np.abs(librosa_log_mel(clips[0]) - log_mel(clips[0])).max()
    # Turn about, so that a change of the machine's speed meets both.
    times = np.array(
        [[_time(librosa_log_mel, clips), _time(log_mel, clips)] for _ in range(ROUNDS)]
    )
    theirs, ours = NUM_CLIPS * SECONDS / np.median(times, axis=0)
    ratio = np.median(times[:, 0] / times[:, 1])
    name = f"{config.sample_rate} Hz, {config.n_fft}/{config.hop_length}, {config.n_mels} mels"
    return f"| {name} | {theirs:,.0f} | {ours:,.0f} | {ratio:.2f} | {difference:.1e} |"


def _time(front_end: Callable[[np.ndarray], np.ndarray], clips: np.ndarray) -> float:
    started_at = time.perf_counter()
    for clip in clips:
        front_end(clip)
    return time.perf_counter() - started_at


if __name__ == "__main__":
    main()
