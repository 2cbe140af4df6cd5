"""Frames of a decoder to blocks of one sample rate and number of channels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.audio.source import Note, NoteKind

if TYPE_CHECKING:
    import av

MAX_LISTED = 3
PLANAR_CHANNELS = 8


@dataclass
class Converter:
    """Converts frames whose rate or channels may change.

    Args:
        sample_rate: Of all blocks, in Hz.
        channels: Of all blocks. Where the sound has another number, each channel is their mean.
    """

    sample_rate: int
    channels: int
    _format: tuple[int, int, str] = (0, 0, "")
    _packer: Any = None
    _resampler: Any = None
    _changes: dict[NoteKind, list[str]] = field(default_factory=dict)

    def convert(self, frame: "av.AudioFrame", position: int) -> list[np.ndarray]:
        """Blocks of samples in float32, (time, channels).

        Args:
            frame: The next frame of the decoder.
            position: Where it is, in samples, for `notes`.
        """
        num_channels = frame.layout.nb_channels
        found = (frame.sample_rate, num_channels, frame.format.name)
        blocks = []
        if found != self._format:
            blocks = self.flush()
            self._start(found, position)
        for block in self._arrays(frame, num_channels):
            if num_channels != self.channels:
                block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
            if self._resampler is not None:
                block = self._resampler.resample_chunk(block)
            blocks.append(block)
        return blocks

    def _arrays(self, frame: "av.AudioFrame", num_channels: int) -> list[np.ndarray]:
        """The samples of a frame in float32, (time, channels)."""
        if self._packer is None:
            return [frame.to_ndarray().T]
        frame.pts = None  # Without time stamps, gaps between them are no error.
        return [one.to_ndarray().reshape(-1, num_channels) for one in self._packer.resample(frame)]

    def flush(self) -> list[np.ndarray]:
        """What is left of the frames so far."""
        if self._resampler is None:
            return []
        rest = self._resampler.resample_chunk(np.zeros((0, self.channels), np.float32), last=True)
        self._resampler = None
        return [rest]

    @property
    def is_resampling(self) -> bool:
        """Whether blocks come later than their frames."""
        return self._resampler is not None

    def notes(self) -> Iterator[Note]:
        """Which changes there were."""
        for kind, changes in self._changes.items():
            more = f" and {len(changes) - MAX_LISTED} more" if len(changes) > MAX_LISTED else ""
            yield Note(kind, ", ".join(changes[:MAX_LISTED]) + more)

    def _start(self, found: tuple[int, int, str], position: int) -> None:
        import av
        import soxr

        rate, channels, _ = self._format
        at = f"at {position / self.sample_rate:.2f} s"
        if found[0] != (rate or self.sample_rate):
            change = f"from {rate or self.sample_rate} to {found[0]} Hz {at}"
            self._changes.setdefault("rate_change", []).append(change)
        if found[1] != (channels or self.channels):
            change = f"from {channels or self.channels} to {found[1]} {at}"
            self._changes.setdefault("channel_change", []).append(change)
        self._format = found
        # Packed: PyAV reads past the end of its table of planes with 8 channels or more.
        is_planar = found[2] == "fltp" and found[1] < PLANAR_CHANNELS
        self._packer = None if is_planar else av.AudioResampler(format="flt")
        if found[0] != self.sample_rate:
            self._resampler = soxr.ResampleStream(
                found[0], self.sample_rate, self.channels, dtype="float32"
            )
