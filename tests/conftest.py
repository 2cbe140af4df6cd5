"""Fixtures that every test file may use: random numbers, clips and small data sets on disk."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import soundfile

Kind = Literal["tone", "noise", "silence"]
WriteClip = Callable[..., Path]


def _samples(num_samples: int, sample_rate: int, kind: Kind, seed: int) -> np.ndarray:
    seconds = np.arange(num_samples) / sample_rate
    rng = np.random.default_rng(seed)
    if kind == "tone":
        pitch = 200.0 * 2 ** rng.uniform(0, 2)
        return sum(0.3 / n * np.sin(2 * np.pi * n * pitch * seconds) for n in (1, 2, 3))
    if kind == "noise":
        syllables = 0.5 - 0.5 * np.cos(2 * np.pi * rng.uniform(3, 6) * seconds)
        return 0.2 * syllables * rng.standard_normal(num_samples).clip(-3, 3)
    return np.zeros(num_samples)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the store that commands share by default out of the user's own cache."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: folder / name)
    return folder


@pytest.fixture(scope="session")
def write_clip() -> WriteClip:
    """A function that writes a 16-bit clip; its pitch or its noise depends on the seed."""

    def write(
        path: Path,
        seconds: float = 1.0,
        sample_rate: int = 16_000,
        kind: Kind = "tone",
        seed: int = 0,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = _samples(round(seconds * sample_rate), sample_rate, kind, seed)
        soundfile.write(path, samples, sample_rate, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def sound_folder(tmp_path: Path, write_clip: WriteClip) -> Path:
    """SOUNDS/{training,validation,testing}/{music,speech}/*.wav of 6, 3 and 3 clips a label."""
    folder = tmp_path / "sounds"
    seed = 0
    for split, count in {"training": 6, "validation": 3, "testing": 3}.items():
        for label, kind in {"music": "tone", "speech": "noise"}.items():
            for index in range(count):
                seed += 1
                path = folder / split / label / f"{label}_{index}.wav"
                write_clip(path, 0.8 + 0.8 * (seed * 7 % 24) / 23, kind=kind, seed=seed)
    return folder


@pytest.fixture
def flat_folder(tmp_path: Path, write_clip: WriteClip) -> Path:
    """FLAT/{music,speech}/*.wav: no splits, 10 clips a label."""
    folder = tmp_path / "flat"
    for label, kind in {"music": "tone", "speech": "noise"}.items():
        for index in range(10):
            seed = 2 * index + (label == "speech")
            path = folder / label / f"{label}_{index}.wav"
            write_clip(path, 0.8 + 0.08 * index, kind=kind, seed=seed)
    return folder
