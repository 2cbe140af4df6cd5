"""Sound decoded by FFmpeg, through PyAV."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from earmark.audio.ffmpeg.completeness import check_complete, declared_end
from earmark.audio.ffmpeg.containers import Extent, read_extent
from earmark.audio.ffmpeg.conversion import Converter
from earmark.audio.ffmpeg.packets import Lost, Packets, last_stamp, open_container
from earmark.audio.ffmpeg.timestamps import TOLERANCE_SECONDS, Clock
from earmark.audio.source import Excerpt, Note, Source, block_samples, cut_blocks
from earmark.errors import AudioError

if TYPE_CHECKING:
    import av  # Elsewhere for the files that need it: it takes a tenth of a command's start.
    from av.audio.stream import AudioStream

_STAMPED = ("mov", "matroska", "asf")
"""Formats whose time stamps are those of their writer; others are computed from the data."""
PRIMING_SECONDS = 0.2
"""The first frame of a codec is later than its first packet by less."""
STEADY_PACKETS = 8
"""A packet without sound after so many with sound is damaged, not one that a codec waits for."""


@contextmanager
def ffmpeg_source(path: Path) -> Iterator[Source]:
    """Opens a file with PyAV.

    Raises:
        AudioError: It is not a sound file that FFmpeg knows, or contains no audio stream.
    """
    import av

    undecodable = AudioError(
        f"{path}: not a sound file that soundfile or PyAV can decode; convert it or leave it out"
    )
    try:
        container = open_container(path)
    except (av.error.FFmpegError, ValueError):
        raise undecodable from None
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path}: contains no audio stream; leave it out")
        stream = _best_track(container.streams.audio)
        # FFmpeg may open a file whose codec it does not know; PyAV then lacks the attributes.
        rate, channels = getattr(stream, "rate", None), getattr(stream, "channels", None)
        if not rate or not channels:
            raise undecodable
        codec = f"{container.format.name.split(',')[0]} {stream.codec_context.name}"
        notes = list(_track_notes(container.streams.audio, stream))
        reader = _Reader(path, container, stream, notes)
        yield Source(rate, channels, reader.read, codec, notes, reader.seconds)


def _best_track(tracks: "Iterable[AudioStream]") -> "AudioStream":
    """The track that ``ffmpeg`` and players choose: the default one, else that of most channels."""

    def rank(track: "AudioStream") -> tuple[bool, bool, bool, int]:
        flags = track.disposition
        special = type(flags)["hearing_impaired"] | type(flags)["visual_impaired"]
        special |= type(flags)["comment"]
        return (
            bool(getattr(track, "rate", None)),
            bool(flags & type(flags)["default"]),
            not flags & special,
            getattr(track, "channels", None) or 0,
        )

    return max(tracks, key=rank)


def _track_notes(tracks: "Iterable[AudioStream]", chosen: "AudioStream") -> Iterator[Note]:
    indices = [track.index for track in tracks]
    if len(indices) > 1:
        # MP4 writes "und" where the language is not known.
        language = chosen.language if chosen.language != "und" else None
        title = ", ".join(filter(None, [chosen.metadata.get("title"), language]))
        name = f"{indices.index(chosen.index) + 1}{f' ({title})' if title else ''}"
        yield Note("other_tracks", f"track {name} of {len(indices)}")


@dataclass
class _Reader:
    """Reads one track of an open container."""

    path: Path
    container: "av.container.InputContainer"
    stream: "AudioStream"
    notes: list[Note]

    @property
    def seconds(self) -> float | None:
        """The length that the container declares, or what FFmpeg estimates from its size."""
        extent = read_extent(self.path, self.container.format.name)
        end = declared_end(self.container, self.stream, extent)
        return None if end is None else max(end - (self._zero(extent) or 0.0), 0.0)

    def read(self, excerpt: Excerpt) -> Iterator[np.ndarray]:
        """Decodes an excerpt: all before it is decoded as well, so that it is exact."""
        rate = self.stream.rate
        extent = read_extent(self.path, self.container.format.name)
        end = declared_end(self.container, self.stream, extent)
        clock = Clock(rate, self.stream.channels, self._zero(extent))
        converter = Converter(rate, self.stream.channels)
        packets = Packets(self.path, self.container, self.stream, end)
        num_samples = block_samples(rate, self.stream.channels)
        first = round(excerpt.start * rate)
        last = None if excerpt.end is None else round(excerpt.end * rate)
        try:
            blocks = _joined(self._place(packets, converter, clock), num_samples)
            position = yield from cut_blocks(blocks, first, last)
            if last is None or position < last:
                self.notes += check_complete(self.path, self.container, packets, clock)
        finally:
            self.notes += [*clock.notes(), *converter.notes()]
            if packets.num_distrusted:
                self.notes.append(Note("time_stamps", f"{packets.num_distrusted} packets"))

    def _place(self, packets: Packets, converter: Converter, clock: Clock) -> Iterator[np.ndarray]:
        time_base = float(self.stream.time_base or 0)
        is_stamped = self.container.format.name.startswith(_STAMPED)
        for frame in _decode(packets, time_base):
            if isinstance(frame, Lost):
                if clock.zero is None and is_stamped and self.stream.start_time is not None:
                    clock.zero = self.stream.start_time * time_base
                clock.lose(frame.seconds)
                continue
            is_known = is_stamped and frame.pts is not None
            seconds = float(frame.pts or 0) * time_base if is_known else None
            if clock.zero is None and seconds is not None:
                self._start(clock, seconds)
            blocks = converter.convert(frame, clock.position)
            for number, block in enumerate(blocks, 1):
                # Those before the last are the rest of another rate.
                is_exact = number == len(blocks) and not converter.is_resampling
                yield from clock.place(block, seconds if is_exact else None)
        for block in converter.flush():
            yield from clock.place(block, None)
        yield from clock.finish()

    def _start(self, clock: Clock, first: float) -> None:
        """Starts the time line at the first packet where the sound of that is lost."""
        start = (self.stream.start_time or 0) * float(self.stream.time_base or 0)
        if first - start > PRIMING_SECONDS:
            clock.zero = start
            clock.lose(0.0)

    def _zero(self, extent: Extent) -> float | None:
        """The time stamp where the time line starts; None for where the sound starts.

        Sound that starts with the container starts the time line, whatever delay the codec has.
        """
        start, time_base = self.stream.start_time, float(self.stream.time_base or 0)
        if start is None or not self.container.format.name.startswith(_STAMPED):
            return None
        start *= time_base
        container_start = (self.container.start_time or 0) / 1e6
        if container_start > TOLERANCE_SECONDS and self._counts_from_zero(extent):
            return 0.0
        if start <= container_start:
            return None
        return container_start if container_start > TOLERANCE_SECONDS else 0.0

    def _counts_from_zero(self, extent: Extent) -> bool:
        """Whether the duration of the container includes the time before its first packet.

        It does not in a part of a stream, whose stamps go on from the part before.
        """
        if "mov" in self.container.format.name:
            return extent.has_duration
        end = declared_end(self.container, self.stream, extent)
        return end is not None and last_stamp(self.path, self.stream.index) <= end


def _decode(packets: Packets, time_base: float) -> "Iterator[av.AudioFrame | Lost]":
    """Frames, and the places where packets could not be decoded."""
    import av

    usual = 0.0
    failure, has_sound, num_steady = None, False, 0
    for packet in packets:
        if isinstance(packet, Lost):
            yield packet
            continue
        usual = (packet.duration or 0) * time_base or usual
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            failure, num_steady = error, 0
            yield Lost(usual)
            continue
        if frames:
            has_sound, num_steady = True, num_steady + 1
        elif packet.size:
            if num_steady >= STEADY_PACKETS:
                yield Lost(0.0)
            num_steady = 0
        yield from cast("list[av.AudioFrame]", frames)
    if failure is not None and not has_sound:
        raise failure


def _joined(blocks: Iterable[np.ndarray], num_samples: int) -> Iterator[np.ndarray]:
    """Blocks of at least a number of samples: the codec's own are too short to process singly."""
    waiting: list[np.ndarray] = []
    num_waiting = 0
    for block in blocks:
        waiting.append(block)
        num_waiting += len(block)
        if num_waiting >= num_samples:
            yield np.concatenate(waiting)
            waiting.clear()
            num_waiting = 0
    if waiting:
        yield np.concatenate(waiting)
