"""Sounds as the recipe handles them: read, cut, made equally loud, written."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.ndimage
import soundfile

from datasets import Row
from earmark.audio.reading import load_audio
from earmark.audio.source import WHOLE, Excerpt
from earmark.errors import AudioError
from earmark.system.files import atomic_write
from earmark.system.shapes import Bool
from speech_music.channels import SAMPLE_RATE, Samples

LEVEL_DB = -26.0
"""RMS of every clip below full scale."""
QUIET_DB, BLOCK_LENGTH, KEPT_BLOCKS = -35.0, SAMPLE_RATE // 20, 4
"""Blocks that are softer than the loudest by more than this are silence, and so many of them are
kept before and after what is louder: pauses belong to speech."""


def load(path: Path, excerpt: Excerpt = WHOLE) -> Samples:
    """A recording at the level of all; nothing, and a word about it, when it cannot be used."""
    try:
        samples = load_audio(path, SAMPLE_RATE, start=excerpt.start, end=excerpt.end).samples
    except AudioError as error:
        print(f"left out: {error}", file=sys.stderr)
        return np.zeros(0, np.float32)
    return at_level(samples)


def without_silence(samples: Samples) -> Samples:
    """The blocks that are not much softer than the loudest, and their neighbours."""
    is_kept = scipy.ndimage.binary_dilation(_loud_blocks(samples), iterations=KEPT_BLOCKS)
    return samples[: len(is_kept) * BLOCK_LENGTH].reshape(-1, BLOCK_LENGTH)[is_kept].ravel()


def within(samples: Samples) -> Samples:
    """From the first such block to the last: pauses stay."""
    found = np.flatnonzero(_loud_blocks(samples))
    first, last = (found[0], found[-1] + 1) if len(found) else (0, 0)
    return samples[first * BLOCK_LENGTH : last * BLOCK_LENGTH]


def _loud_blocks(samples: Samples) -> Bool[np.ndarray, " blocks"]:
    """Which blocks are not much softer than the loudest."""
    blocks = samples[: len(samples) // BLOCK_LENGTH * BLOCK_LENGTH].reshape(-1, BLOCK_LENGTH)
    energy = np.mean(blocks**2, axis=1)
    return energy > energy.max(initial=0.0) * 10 ** (QUIET_DB / 10)


def at_level(samples: Samples) -> Samples:
    """The same sound with an RMS of `LEVEL_DB`."""
    rms = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return (samples * (10 ** (LEVEL_DB / 20) / max(rms, 1e-6))).astype(np.float32)


def stretch(samples: Samples, seconds: float, rng: np.random.Generator) -> Samples:
    """A stretch of so many seconds from anywhere; all there is, when that is less."""
    length = round(seconds * SAMPLE_RATE)
    first = int(rng.integers(0, max(0, len(samples) - length), endpoint=True))
    return samples[first : first + length]


def of_kind(rows: Sequence[Row], split: str, label: str) -> list[Row]:
    """The clips of a split in which exactly this is heard."""
    return [row for row in rows if (row["split"], row["label"]) == (split, label)]


def read_any(rows: Sequence[Row], rng: np.random.Generator) -> Samples:
    """Any one of some clips."""
    return read(rows[int(rng.integers(len(rows)))])


def read(row: Row) -> Samples:
    """A clip, as it was written."""
    return soundfile.read(str(row["path"]), dtype="float32")[0]


def write(path: Path, samples: Samples) -> None:
    """Writes a clip, softer if it would not fit."""
    content = io.BytesIO()
    peak = max(1.0, float(np.abs(samples).max()))
    soundfile.write(content, samples / peak, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, content.getvalue())
