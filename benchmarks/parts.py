"""What the parts of preparing cost by themselves, with the alternatives that were tried.

``python benchmarks/parts.py path/to/music_speech_subset``

One thread. Log-mel in microseconds a frame, the others in milliseconds for 30 s.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import av
import miniaudio
import numpy as np
import scipy.fft
import soundfile
import soxr

from earmark.config import FeatureConfig
from earmark.features.log_mel import FLOOR, GROUP_FRAMES, hann_window, mel_filterbank
from earmark.system.memory import keep_freed_memory
from machine import describe_machine, fastest_seconds
from prepare import FORMATS, write_clips

SECONDS, CLIPS, ROUNDS = 30, 6, 5


def main() -> None:
    """Prints a table of each kind of part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    keep_freed_memory()
    print(describe_machine("numpy", "scipy", "soundfile", "soxr", "av", "miniaudio"))
    _print("log-mel", "us a frame", _log_mel_parts(), 1e6 / GROUP_FRAMES)
    _print("resample to 16 kHz", "ms for 30 s", _resamplers(), 1e3)
    for name, kind in FORMATS.items():
        with tempfile.TemporaryDirectory() as folder:
            write_clips(arguments.data, Path(folder), CLIPS, *kind)
            paths = sorted(Path(folder).rglob(f"*.{kind[0]}"))
            _print(f"decode {name}", "ms for 30 s", _decoders(paths), 1e3 / CLIPS)


def _print(title: str, unit: str, parts: dict[str, Callable[[], object]], scale: float) -> None:
    print(f"\n| {title} | {unit} |\n|---|---|")
    for name, part in parts.items():
        print(f"| {name} | {fastest_seconds(part, ROUNDS) * scale:.2f} |", flush=True)


def _log_mel_parts() -> dict[str, Callable[[], object]]:
    config = FeatureConfig()
    rng = np.random.default_rng(0)
    frames = rng.standard_normal((GROUP_FRAMES, config.n_fft)).astype(np.float32)
    window = hann_window(config.win_length, config.n_fft).astype(np.float32)
    spectrum = scipy.fft.rfft(frames, axis=1)
    energy = spectrum.real**2 + spectrum.imag**2
    weights = mel_filterbank(config).astype(np.float32).T
    mel = energy @ weights
    return {
        "window": lambda: frames * window,
        "transform, scipy": lambda: scipy.fft.rfft(frames, axis=1),
        "transform, numpy": lambda: np.fft.rfft(frames, axis=1),
        "power": lambda: spectrum.real**2 + spectrum.imag**2,
        "power by abs()": lambda: np.abs(spectrum) ** 2,
        "bands, one dense product": lambda: energy @ weights,
        "floor and logarithm": lambda: np.log(np.maximum(mel, FLOOR)),
    }


def _resamplers() -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)

    def resampler(rate: int, quality: str) -> Callable[[], object]:
        samples = rng.standard_normal(SECONDS * rate).astype(np.float32)
        return lambda: soxr.resample(samples, rate, 16_000, quality=quality)

    return {
        f"{rate} Hz, {quality}": resampler(rate, quality)
        for rate in (22_050, 44_100)
        for quality in ("HQ", "MQ")
    }


def _decoders(paths: list[Path]) -> dict[str, Callable[[], object]]:
    def with_soundfile(dtype: Literal["float32", "int16"]) -> None:
        for path in paths:
            soundfile.read(path, dtype=dtype)

    def with_miniaudio() -> None:
        for path in paths:
            info = soundfile.info(path)
            miniaudio.decode_file(
                str(path), miniaudio.SampleFormat.FLOAT32, info.channels, info.samplerate
            )

    def with_av() -> None:
        for path in paths:
            with av.open(str(path)) as container:
                for _ in container.decode(audio=0):
                    pass

    decoders: dict[str, Callable[[], object]] = {"PyAV, without its arrays": with_av}
    if paths[0].suffix != ".m4a":
        decoders["soundfile, float32"] = lambda: with_soundfile("float32")
        decoders["soundfile, int16"] = lambda: with_soundfile("int16")
        decoders["miniaudio"] = with_miniaudio
    return decoders


if __name__ == "__main__":
    main()
