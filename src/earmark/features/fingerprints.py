"""Fingerprints of recordings, 1 to 2 kB per second, to find copies and excerpts.

Hashes find candidates: the signs of differences between bands and instants. One-bit samples verify
them: two sounds whose samples nearly all have the same sign are the same sound.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.signal import butter, sosfilt

from earmark.audio.reading import Block, Samples
from earmark.system.shapes import Bool, Float, Float32, Int, UInt32

FINGERPRINT_VERSION = 3
"""Increased whenever the same sound gives another fingerprint."""
SAMPLE_RATE = 8000
HOP_LENGTH = 128
N_FFT = 1024
NUM_BANDS = 13
NUM_LATER_BANDS = 9
"""Wider bands of the later bits, as these tell apart what the others do not."""
BAND_EDGES_HZ = 300.0, 3000.0
LAG_FRAMES = 4
"""Between the two instants of a difference, and between the two differences of a hash."""
ACTIVE_DB = -50.0
"""Frames this far below the loudest one of their segment are ignored."""
SEGMENT_SECONDS = 60
SHORT_FRAMES = 125
"""Sounds of fewer frames, about two seconds, have a hash at every frame, longer ones fewer."""
NUM_FLIPS = 4
"""The least certain bits of a short hash, which are looked up both ways."""
NUM_LATER_FLIPS = 3
"""The same of the later bits."""
SHORT_BITS = 2 * (NUM_BANDS - 1)
"""Bits of a short hash; the rest, of a later instant, distinguish hashes among very many."""
SHORT_HASH = np.uint32((1 << SHORT_BITS) - 1)
"""Mask of the short hash."""

WAVE_BAND_HZ = 300.0, 2000.0
"""Band of the samples whose signs are kept: far below half the sample rate, so that a shift by half
a sample, as from resampling, changes few of them."""

Hashes = UInt32[np.ndarray, " hashes"]


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a recording.

    Args:
        hashes: 32 bits each: a short hash of 24, over about a quarter of a second, and 8 of the
            next tenth of a second.
        frames: Position of each hash, in hops of 16 ms.
        weak: Bit mask of the least certain bits of each hash.
        signs: Signs of the samples from 300 Hz to 2 kHz, eight per byte.
        active: Which frames are loud enough to compare, eight per byte.
    """

    hashes: Hashes
    frames: UInt32[np.ndarray, " hashes"]
    weak: UInt32[np.ndarray, " hashes"]
    signs: np.ndarray
    active: np.ndarray

    @property
    def num_frames(self) -> int:
        """Length in hops, rounded up to whole bytes."""
        return 8 * len(self.active)

    @property
    def num_bytes(self) -> int:
        """Memory that its arrays take."""
        parts = (self.hashes, self.frames, self.weak, self.signs, self.active)
        return sum(part.nbytes for part in parts)

    @classmethod
    def empty(cls) -> "Fingerprint":
        """The fingerprint of no sound, which matches nothing."""
        none = np.zeros(0, np.uint32)
        return cls(none, none, none, np.zeros(0, np.uint8), np.zeros(0, np.uint8))

    def to_bytes(self) -> bytes:
        """The fingerprint as bytes, for `from_bytes`."""
        parts = (self.hashes, self.frames, self.weak, self.signs, self.active)
        sizes = np.array([len(self.hashes), len(self.signs), len(self.active)], np.uint32)
        return sizes.tobytes() + b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Fingerprint":
        """The fingerprint that `to_bytes` wrote."""
        num_hashes, num_signs, num_active = (int(one) for one in np.frombuffer(content[:12], "u4"))
        words = np.frombuffer(content, np.uint32, 3 * num_hashes, 12).reshape(3, num_hashes)
        signs = np.frombuffer(content, np.uint8, num_signs, 12 + words.nbytes)
        active = np.frombuffer(content, np.uint8, num_active, 12 + words.nbytes + num_signs)
        return cls(words[0], words[1], words[2], signs, active)

    def wave(self, first: int, last: int) -> Float32[np.ndarray, " samples"]:
        """One-bit samples of some frames: 1, -1, or 0 where the sound is too quiet to compare."""
        start, stop = first * HOP_LENGTH, min(last * HOP_LENGTH, 8 * len(self.signs))
        signs = np.unpackbits(self.signs[start // 8 : -(-stop // 8)])[: stop - start]
        loud = np.repeat(np.unpackbits(self.active)[first:last], HOP_LENGTH)[: len(signs)]
        return (np.float32(2) * signs - np.float32(1)) * loud

    def loud_fraction(self, first: int, last: int) -> float:
        """Fraction of the loud frames between two frames."""
        loud = np.unpackbits(self.active)
        return float(loud[first:last].sum() / max(loud.sum(), 1))


def fingerprint(blocks: Iterable[Block]) -> Fingerprint:
    """The fingerprint of a sound.

    Segments of a minute are processed one by one, so that memory does not grow with the length.

    Args:
        blocks: Mono samples at `SAMPLE_RATE`.

    Source:
        Haitsma and Kalker (2002), A highly robust audio fingerprinting system, for the signs of
        differences and for looking up the least certain bits both ways; Wolff, Thomas and Williams
        (1962) and others for the polarity-coincidence correlator.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    start = 0
    for segment in _segments(blocks):
        power = _power(segment)
        energies = power @ _BANDS
        active = _are_loud(energies.sum(axis=1))
        hashes, frames, weak = _hashes(energies, power @ _LATER_BANDS, active)
        signs, loud = _signs(segment)
        parts.append((hashes, (frames + start).astype(np.uint32), weak, signs, loud))
        start += len(active)
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    hashes, frames, weak, signs, active = columns
    return Fingerprint(hashes, frames, weak, np.packbits(signs), np.packbits(active))


def probes(hashes: Hashes, weak: Hashes, num_flips: int) -> Iterator[Hashes]:
    """Each hash with its least certain bits set in all ways; first as it is.

    Args:
        hashes: Hashes.
        weak: Bit mask of the least certain bits of each hash.
        num_flips: How many bits each mask has.
    """
    rest, bits = weak, []
    for _ in range(num_flips):
        bits.append(rest & (~rest + np.uint32(1)))
        rest = rest ^ bits[-1]
    yield hashes
    for step in range(1, 1 << num_flips):
        # In the order of a Gray code one bit changes at a time.
        hashes = hashes ^ bits[(step & -step).bit_length() - 1]
        yield hashes


def _segments(blocks: Iterable[Block]) -> Iterator[Block]:
    """Segments of whole hops; the last one is shorter and padded with silence."""
    size = SEGMENT_SECONDS * SAMPLE_RATE // HOP_LENGTH * HOP_LENGTH
    waiting: list[Block] = []
    num_waiting = 0
    for block in blocks:
        waiting.append(block)
        num_waiting += len(block)
        while num_waiting >= size:
            joined = np.concatenate(waiting)
            yield joined[:size]
            waiting, num_waiting = [joined[size:]], num_waiting - size
    joined = np.concatenate(waiting) if waiting else np.zeros(0, np.float32)
    if num_waiting or not waiting:
        yield np.pad(joined, (0, -len(joined) % HOP_LENGTH or HOP_LENGTH * (not len(joined))))


def _power(segment: Samples) -> Float32[np.ndarray, "frames bins"]:
    padded = np.pad(segment, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[: len(segment) : HOP_LENGTH]
    return (np.abs(np.fft.rfft(frames * _WINDOW)) ** 2).astype(np.float32)


def _triangles(num_bands: int) -> Float[np.ndarray, "bins bands"]:
    """Bands of equal width in octaves, overlapping by half."""
    low, high = np.log(BAND_EDGES_HZ)
    step = (high - low) / num_bands
    centres = low + step * (np.arange(num_bands) + 0.5)
    bins = np.log(np.maximum(np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE), 1.0))
    distance = np.abs(bins[:, None] - centres) / step
    return np.maximum(0.0, 1.0 - distance).astype(np.float32)


def _are_loud(powers: Float[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    return (powers > powers.max() * 10 ** (ACTIVE_DB / 10)) & (powers > 0)


def _hashes(
    energies: Float[np.ndarray, "frames bands"],
    later_energies: Float[np.ndarray, "frames later_bands"],
    active: Bool[np.ndarray, " frames"],
) -> tuple[Hashes, Int[np.ndarray, " hashes"], Hashes]:
    changes = _changes(energies)
    if len(changes) <= LAG_FRAMES:
        return np.zeros(0, np.uint32), np.zeros(0, np.int64), np.zeros(0, np.uint32)
    pairs = np.concatenate([changes[:-LAG_FRAMES], changes[LAG_FRAMES:]], axis=1)
    margins = np.abs(pairs)
    num_kept = len(pairs)
    loud = active[:num_kept] & active[LAG_FRAMES:][:num_kept] & active[2 * LAG_FRAMES :]
    # Where even the least certain bits have large margins, a codec changes none of them.
    certainty = np.sort(margins, axis=1)[:, :NUM_FLIPS].mean(axis=1)
    if len(active) > SHORT_FRAMES:
        loud &= certainty >= maximum_filter1d(certainty, 3)
    frames = np.flatnonzero(loud)
    later = _changes(later_energies)[np.minimum(frames + 2 * LAG_FRAMES, len(changes) - 1)]
    hashes, weak = _pack(pairs[frames], NUM_FLIPS)
    later_hashes, later_weak = _pack(later, NUM_LATER_FLIPS)
    shift = np.uint32(SHORT_BITS)
    return hashes | (later_hashes << shift), frames, weak | (later_weak << shift)


def _changes(energies: Float[np.ndarray, "frames bands"]) -> Float[np.ndarray, "instants slopes"]:
    """How the differences between bands change, in natural logarithms."""
    levels = np.log(energies + energies.max() * 1e-7 + np.float32(1e-30))
    slopes = np.diff(levels, axis=1)
    return slopes[LAG_FRAMES:] - slopes[:-LAG_FRAMES]


def _pack(values: Float[np.ndarray, "hashes bits"], num_flips: int) -> tuple[Hashes, Hashes]:
    """The signs of values as bits, and the bit mask of the smallest ones."""
    places = np.uint32(1) << np.arange(values.shape[1], dtype=np.uint32)
    least = np.argpartition(np.abs(values), num_flips, axis=1)[:, :num_flips]
    hashes, weak = (values > 0) @ places, places[least].sum(axis=1)
    return hashes.astype(np.uint32), weak.astype(np.uint32)


def _signs(segment: Samples) -> tuple[Bool[np.ndarray, " samples"], Bool[np.ndarray, " frames"]]:
    """Signs of the samples, and the frames that are loud without their neighbours.

    The windows of the hashes are longer than a frame and overlap the silence beside it.
    """
    wave = np.asarray(sosfilt(_LOW_PASS, sosfilt(_HIGH_PASS, segment)))
    return wave > 0, _are_loud(np.square(wave).reshape(-1, HOP_LENGTH).mean(axis=1))


_WINDOW = np.hanning(N_FFT).astype(np.float32)
_BANDS, _LATER_BANDS = _triangles(NUM_BANDS), _triangles(NUM_LATER_BANDS)
_HIGH_PASS: Any = butter(4, WAVE_BAND_HZ[0], "highpass", fs=SAMPLE_RATE, output="sos")
_LOW_PASS: Any = butter(6, WAVE_BAND_HZ[1], "lowpass", fs=SAMPLE_RATE, output="sos")
