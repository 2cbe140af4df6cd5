"""What is heard and seen of a clip: its sound, its spectrogram, and both around it."""

import base64
import io
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Literal, NamedTuple

import numpy as np
import soundfile
import soxr

from earmark.audio.decoding import open_source
from earmark.audio.downmix import Downmix
from earmark.audio.encoding import encode
from earmark.audio.isolation import DecoderPool, Job
from earmark.audio.reading import read_mono
from earmark.audio.source import MIN_SECONDS, Excerpt
from earmark.config import FeatureConfig
from earmark.errors import AudioError
from earmark.features.log_mel import LogMel, hz_to_mel
from earmark.system.shapes import Float32, UInt8
from earmark.system.workers.worker import Send

MAX_SECONDS = 120.0
"""The longest sound that is shown at once."""
FIRST_SECONDS = 60.0
"""What is shown first of a longer clip."""
MAX_PLAYED_RATE = 48_000
MAX_FRAMES, MOST_FRAMES_PER_SECOND = 1600, 200
NUM_BANDS = 96
WINDOW_SECONDS = 0.04
TICKS_HZ = (100, 200, 500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000)
NUM_TICKS = 5
LOWEST_PEAK_DB = -40.0
"""Sound whose loudest band is below this is shown as quiet."""
LONGEST_DECODING_SECONDS = 120.0
NUM_HELD = 24
"""Views that are held in memory: those around the clip that is shown."""

Codec = Literal["wav", "mp3"]
MP3_BIT_RATE = 64_000
MEDIA_TYPES: dict[Codec, str] = {"wav": "audio/wav", "mp3": "audio/mpeg"}


class Span(NamedTuple):
    """Part of a file, from one instant to another, in seconds."""

    start: float
    end: float


@dataclass(frozen=True)
class View:
    """The sound of a part of a file, and its picture.

    Args:
        span: Which part, as far as the file goes.
        is_at_end: Whether the file ends there.
        seconds: Length of the file, where its header gives it.
        sample_rate: Of the file, in Hz.
        sound: The sound as a file, mono.
        media_type: Of this file.
        bands: The spectrogram, in bytes: 255 is the loudest, and 2 are a decibel.
        frames_per_second: Of the spectrogram.
        notes: What was noticed in the file, for people.
    """

    span: Span
    is_at_end: bool
    seconds: float | None
    sample_rate: int
    sound: bytes
    media_type: str
    bands: UInt8[np.ndarray, "frames bands"]
    frames_per_second: float
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """What the page gets besides the sound."""
        return {
            "start": self.span.start,
            "end": self.span.end,
            "is_at_end": self.is_at_end,
            "seconds": self.seconds,
            "sample_rate": self.sample_rate,
            "bands": self.bands.shape[1],
            "ticks": _ticks(self.sample_rate),
            "frames_per_second": self.frames_per_second,
            "notes": self.notes,
            "picture": base64.b64encode(self.bands.tobytes()).decode(),
        }


class _Order(NamedTuple):
    path: Path
    excerpt: Excerpt
    span: Span
    codec: Codec


def first_span(excerpt: Excerpt, context_seconds: float) -> Span:
    """What is shown first of a clip: the clip and what surrounds it.

    Args:
        excerpt: The clip.
        context_seconds: How much is shown before and after it.

    Example:
        >>> first_span(Excerpt(2.0, 5.0), 3.0), first_span(Excerpt(), 3.0)
        (Span(start=0.0, end=8.0), Span(start=0.0, end=60.0))
    """
    start = max(0.0, excerpt.start - context_seconds)
    end = math.inf if excerpt.end is None else excerpt.end + context_seconds
    return Span(start, min(end, start + FIRST_SECONDS))


class Sounds:
    """Views of clips, decoded in processes that may die; the last ones are held.

    Args:
        codec: Of their sound.
        is_isolated: Whether files are decoded in other processes; otherwise in this one, which a
            damaged file may end.
    """

    def __init__(self, codec: Codec = "wav", *, is_isolated: bool = True) -> None:
        self._codec: Codec = codec
        self._pool = (
            DecoderPool(_make_view, patience_seconds=LONGEST_DECODING_SECONDS)
            if is_isolated
            else None
        )
        self._held: OrderedDict[tuple[Path, Excerpt, Span], View] = OrderedDict()
        self._lock = Lock()

    def __enter__(self) -> "Sounds":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the processes."""
        if self._pool:
            self._pool.close()

    def view(self, path: Path, excerpt: Excerpt, span: Span) -> View:
        """The view of a part of a file.

        Args:
            path: The file.
            excerpt: The clip. If the span covers its end, the file must, too.
            span: Which part is shown; it may go beyond the end of the file.

        Raises:
            AudioError: The file cannot be decoded, or ends before the span or the clip does.
        """
        key = (path, excerpt, span)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key]
        order = _Order(path, excerpt, span, self._codec)
        if self._pool:
            *_, view = self._pool.stream(Job(path, order))
        else:
            view = _make_view(order, lambda _: None)
        with self._lock:
            self._held[key] = view
            while len(self._held) > NUM_HELD:
                self._held.popitem(last=False)
        return view


def _make_view(order: _Order, send: Send) -> View:
    """Runs in the worker."""
    path, span = order.path, order.span
    with open_source(path) as source:
        rate = source.sample_rate
        mono = Downmix().mono(path, source)
        blocks, ends = [], False
        try:
            for block in read_mono(path, mono, rate, Excerpt(*span)):
                blocks.append(block)
                send(None)
        except AudioError as error:
            needed = min(span.end, order.excerpt.end or 0.0)
            if error.fault != "short" or not _covers(blocks, rate, span.start, needed):
                raise
            ends = True
    samples = np.concatenate(blocks)
    end = span.start + len(samples) / rate
    bands, frames_per_second = draw_bands(samples, rate)
    return View(
        Span(span.start, end),
        ends or (source.seconds is not None and source.seconds <= end + 1e-3),
        source.seconds,
        rate,
        _encode(samples, rate, order.codec),
        MEDIA_TYPES[order.codec],
        bands,
        frames_per_second,
        tuple(note.text for note in source.notes),
    )


def _covers(blocks: list[np.ndarray], rate: int, start: float, needed: float) -> bool:
    seconds = sum(map(len, blocks)) / rate
    return seconds > 0 and start + seconds >= needed - MIN_SECONDS


def draw_bands(
    samples: Float32[np.ndarray, " time"], sample_rate: int
) -> tuple[UInt8[np.ndarray, "frames bands"], float]:
    """The spectrogram of a sound, on the mel scale up to half its rate.

    Args:
        samples: The sound.
        sample_rate: In Hz.

    Returns:
        Bytes, of which 255 is the loudest and 2 are a decibel, and the frames in a second.

    Example:
        >>> bands, frames_per_second = draw_bands(np.zeros(16_000, np.float32), 16_000)
        >>> bands.shape, bands.dtype.name, frames_per_second
        ((201, 96), 'uint8', 200.0)
    """
    seconds = len(samples) / sample_rate
    hop = round(sample_rate / min(MOST_FRAMES_PER_SECOND, MAX_FRAMES / seconds)) or 1
    window = max(2, round(WINDOW_SECONDS * sample_rate))
    config = FeatureConfig(
        sample_rate=sample_rate,
        win_length=window,
        # Long enough that each band holds a bin, also at low rates.
        n_fft=max(1024, 1 << (window - 1).bit_length()),
        hop_length=hop,
        n_mels=NUM_BANDS,
    )
    levels = LogMel(config)(samples).T
    loudest = max(float(levels.max()), LOWEST_PEAK_DB)
    return (255 + 2 * (levels - loudest)).clip(0, 255).astype(np.uint8), sample_rate / hop


def _ticks(sample_rate: int) -> list[tuple[int, float]]:
    """Frequencies in Hz, and how far up the picture each is, from 0 to 1."""
    scale = FeatureConfig().mel_scale
    top = float(hz_to_mel(np.array(sample_rate / 2), scale))
    shown = [one for one in TICKS_HZ if one < 0.95 * sample_rate / 2]
    return [
        (one, float(hz_to_mel(np.array(float(one)), scale)) / top) for one in shown[-NUM_TICKS:]
    ]


def _encode(samples: Float32[np.ndarray, " time"], rate: int, codec: Codec) -> bytes:
    if codec == "mp3":
        return encode(samples, rate, "mp3", MP3_BIT_RATE)
    if rate > MAX_PLAYED_RATE:
        samples, rate = soxr.resample(samples, rate, MAX_PLAYED_RATE), MAX_PLAYED_RATE
    file = io.BytesIO()
    soundfile.write(file, samples, rate, "PCM_16", format="WAV")
    return file.getvalue()
