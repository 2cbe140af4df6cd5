"""Packets of a container in decoding order, with time stamps that can be believed.

A damaged container leaves holes in its data and stamps far from their place. Both show when all
stamps of a file are seen at once, so the file is read a second time, without decoding, when a stamp
jumps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from earmark.audio.ffmpeg.stamps import LONGEST_PACKET_SECONDS, find_shifts, find_whole_packets
from earmark.audio.ffmpeg.timestamps import LOSS_TOLERANCE_SECONDS, TOLERANCE_SECONDS
from earmark.system.remote.path import RemotePath

if TYPE_CHECKING:
    import av

MAX_FAILURES = 20
"""Failed reads in a row after which nothing more is expected of a file."""
HOLE_BYTES = 512
"""More bytes between two packets than any header takes: packets were lost there."""
HOLE_FRACTION = 0.25
"""Of the bytes that a gap would hold; ASF also has padding between packets."""
STEADY_SECONDS = 0.002
STEADY_PACKETS = 8
"""After so many packets in a row whose stamps deviate by less, a missing one shows."""


# A playlist or a network address inside a file must not make the decoder open other files.
_AV_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,asf,aac,mp3,ogg,wav,flac,aiff,au,caf",
}


class Lost(NamedTuple):
    """A place where sound is missing; how many seconds, where no time stamp follows."""

    seconds: float


def open_container(path: Path) -> "av.container.InputContainer":
    """Opens a file with FFmpeg.

    Raises:
        av.error.FFmpegError: It has none of the formats that earmark reads.
    """
    import av

    # Absolute, because FFmpeg takes a name such as 12:30.m4a for a network address.
    file = path.open("rb") if isinstance(path, RemotePath) else str(path.absolute())
    return av.open(file, "r", options=_AV_OPTIONS, metadata_errors="replace")


@dataclass
class Packets:
    """The packets of a stream, in order.

    Args:
        path: The file.
        container: The same, opened.
        stream: Which stream.
        end: Where it declares to end, in seconds; stamps beyond it are not believed.
    """

    path: Path
    container: "av.container.InputContainer"
    stream: "av.audio.stream.AudioStream"
    end: float | None
    num_distrusted: int = 0
    """Number of time stamps that are not used as they are."""
    num_bytes: int = 0
    """Size of all packets so far."""
    last_byte: int = 0
    """Where in the file the last of them ends."""

    def __iter__(self) -> "Iterator[av.packet.Packet | Lost]":
        """Packets with stamps that can be believed, or with none."""
        time_base = float(self.stream.time_base or 0)
        jitter = _Jitter(time_base)
        table: _Table | None = None
        shifts = np.zeros(0)
        for number, packet in enumerate(_read_packets(self.container, self.stream)):
            if packet.size:
                self.num_bytes += packet.size
                self.last_byte = max((packet.pos or 0) + packet.size, self.last_byte)
            jump = jitter.jump(packet)
            if jump and table is None:
                table = _read_table(self.path, self.stream.index)
                shifts = find_shifts(table.times, table.durations, self.end)
            is_lost = jump is not None
            if table is not None and packet.size and number < len(table.times):
                # Where another file was appended, its header lies between.
                is_joined = shifts[number] != shifts[number - 1]
                is_lost = not is_joined and (jump is False or bool(table.is_after_hole[number]))
                if shifts[number]:  # NaN is true as well.
                    self.num_distrusted += 1
                    packet.pts = _shifted(packet.pts, shifts[number] / time_base)
            if is_lost:
                yield Lost(0.0)
            yield packet


def _shifted(stamp: int | None, shift: float) -> int | None:
    return None if stamp is None or np.isnan(shift) else stamp + round(shift)


class _Jitter:
    """How far time stamps are from where the packets before put them.

    Args:
        time_base: Seconds of a unit of the stamps.
    """

    def __init__(self, time_base: float) -> None:
        self._longest, self._tolerance, self._loss, self._steady = (
            round(seconds / time_base)
            for seconds in (
                LONGEST_PACKET_SECONDS,
                TOLERANCE_SECONDS,
                LOSS_TOLERANCE_SECONDS,
                STEADY_SECONDS,
            )
        )
        self._expected: int | None = None
        self._usual = 0
        self._num_steady = 0

    def jump(self, packet: "av.packet.Packet") -> bool | None:
        """None for no jump, True for one further than jitter, False for a packet that is lost."""
        stamp = packet.pts
        if stamp is None:
            return None
        ahead = 0 if self._expected is None else stamp - self._expected
        duration = min(packet.duration or 0, self._longest)
        # A duration much longer than the one before stands for a gap.
        usual = self._usual if 0 < self._usual < duration / 1.5 else duration
        self._usual = duration
        self._expected = stamp + usual
        if abs(ahead) > self._tolerance:
            self._num_steady = 0
            return True
        is_steady = self._num_steady >= STEADY_PACKETS
        self._num_steady = self._num_steady + 1 if abs(ahead) <= self._steady else 0
        return False if is_steady and ahead > self._loss else None


def last_stamp(path: Path, index: int) -> float:
    """The largest time stamp of a stream, in seconds."""
    return float(np.nanmax(_read_table(path, index).times, initial=0.0))


def _read_packets(
    container: "av.container.InputContainer", stream: "av.audio.stream.AudioStream | None"
) -> "Iterator[av.packet.Packet]":
    """The packets of one stream, or of all; damaged places between them are skipped."""
    import av

    failures = 0
    while failures < MAX_FAILURES:
        try:
            for packet in container.demux(*filter(None, [stream])):
                failures = 0
                yield packet
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            failures += 1
        else:
            return


class _Table(NamedTuple):
    """All packets of a stream: times, durations, and whether data before them were lost."""

    times: np.ndarray
    durations: np.ndarray
    is_after_hole: np.ndarray


def _read_table(path: Path, index: int) -> _Table:
    """Reads a file to its end, without decoding it."""
    rows: list[tuple[float, float, int, int]] = []
    hole, cursor = 0, 0
    with open_container(path) as container:
        time_base = float(container.streams[index].time_base or 0)
        for packet in _read_packets(container, None):
            if not packet.size:
                continue
            position = packet.pos or 0
            if cursor:
                hole += max(position - cursor, 0)
            cursor = max(cursor, position) + packet.size
            if packet.stream_index == index:
                time = np.nan if packet.pts is None else packet.pts * time_base
                rows.append((time, (packet.duration or 0) * time_base, packet.size, hole))
                hole = 0
        # Other formats do not store packets in the order of their times.
        is_asf = container.format.name == "asf"
        has_order = is_asf or container.format.name.startswith("matroska")
    times, durations, sizes, holes = np.array(rows, np.float64).reshape(-1, 4).T
    # A pause takes no bytes; lost packets take about as many as others do in that time.
    steps = np.diff(times, prepend=times[:1]) - np.roll(durations, 1)
    expected = np.nan_to_num(steps) * sizes.sum() / max(durations.sum(), time_base)
    is_hole = (holes > HOLE_BYTES) & (expected > 0) & (holes > HOLE_FRACTION * expected)
    # Positions in ASF are those of data packets, which hold many.
    is_lost = is_hole | (is_asf & find_whole_packets(times))
    return _Table(times, durations, has_order & is_lost)
