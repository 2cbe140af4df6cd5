"""Frames of a decoder to blocks of one sample rate and number of channels."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from earmark.audio.source import Note, NoteKind

if TYPE_CHECKING:
    import av

MAX_LISTED = 3


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

    def convert(self, frame: "av.AudioFrame", position: int) -> Iterator[np.ndarray]:
        """Blocks of samples in float32, (time, channels).

        Args:
            frame: The next frame of the decoder.
            position: Where it is, in samples, for `notes`.
        """
        layout = frame.layout
        found = (frame.sample_rate, layout.nb_channels, frame.format.name)
        if found != self._format:
            yield from self.flush()
            self._start(found, position)
        frame.pts = None  # Without time stamps, gaps between them are no error.
        for packed in self._packer.resample(frame):
            block = packed.to_ndarray().reshape(-1, found[1])
            if found[1] != self.channels:
                block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
            yield block if self._resampler is None else self._resampler.resample_chunk(block)

    def flush(self) -> Iterator[np.ndarray]:
        """What is left of the frames so far."""
        if self._resampler is not None:
            rest = np.zeros((0, self.channels), np.float32)
            yield self._resampler.resample_chunk(rest, last=True)
            self._resampler = None

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
        # Packed: PyAV reads past the end of its table of planes with more than 8 channels.
        self._packer = av.AudioResampler(format="flt")
        if found[0] != self.sample_rate:
            self._resampler = soxr.ResampleStream(
                found[0], self.sample_rate, self.channels, dtype="float32"
            )
