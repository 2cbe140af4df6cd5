"""Whether a file was read to its end, and whether the end is there."""

from pathlib import Path
from typing import TYPE_CHECKING

from earmark.audio.ffmpeg.containers import Extent, read_extent
from earmark.audio.ffmpeg.packets import HOLE_BYTES, Packets
from earmark.audio.ffmpeg.timestamps import TOLERANCE_SECONDS, Clock
from earmark.audio.source import MIN_SECONDS, Note, truncated
from earmark.errors import AudioError

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream

MAX_LOST_FRACTION = 0.5
MAX_UNREAD_FRACTION = 0.1
"""Of the bytes of a file; indexes and tags at its end take less."""
MAX_MISSING_FRACTION = 0.02
"""Of the declared duration, where nothing else tells that sound is missing."""
_SEQUENTIAL = ("matroska", "asf")


def declared_end(
    container: "av.container.InputContainer", stream: "AudioStream", extent: Extent
) -> float | None:
    """The time stamp where the sound ends, as the container declares it, in seconds."""
    if not extent.has_duration:
        return None
    for key, value in stream.metadata.items():
        if key.startswith("DURATION"):
            hours, minutes, seconds = value.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    if "mov" in container.format.name and stream.duration:
        return float((stream.start_time or 0) + stream.duration) * float(stream.time_base or 0)
    if extent.seconds is not None:
        return extent.seconds
    return container.duration / 1e6 if container.duration else None


def check_complete(
    path: Path,
    container: "av.container.InputContainer",
    packets: Packets,
    clock: Clock,
) -> list[Note]:
    """Counts what is missing in a file that was read to its end, and notes whether it has an end.

    Raises:
        AudioError: Most of the sound cannot be decoded, or the file was cut.
    """
    length = clock.position / clock.sample_rate
    if clock.losses.seconds > MAX_LOST_FRACTION * length:
        raise AudioError(
            f"{path}: {clock.losses.seconds:.2f} s of {length:.2f} s cannot be decoded; the file "
            "is damaged, replace it",
            "damaged",
        )
    format_name = container.format.name
    if format_name == "aac":
        _count_unread_adts(path, packets, clock)
        return []
    if not format_name.startswith(("mov", *_SEQUENTIAL)):
        return []
    return _check_extent(path, container, packets, clock)


def _check_extent(
    path: Path,
    container: "av.container.InputContainer",
    packets: Packets,
    clock: Clock,
) -> list[Note]:
    """Compares what was read with the size and the duration that a container declares."""
    format_name, held = container.format.name, clock.sound_end / clock.sample_rate
    extent = read_extent(path, format_name)
    end = declared_end(container, packets.stream, extent)
    declared = None if end is None else end - (clock.zero or 0.0)
    num_bytes = path.stat().st_size
    if extent.num_bytes is None or extent.num_bytes > num_bytes:
        is_short = declared is None or held < declared - min(MIN_SECONDS, declared / 10)
        if is_short and declared is not None and extent.num_bytes is not None:
            raise truncated(path, declared, held)
        return [Note("unclosed", f"{held:.2f} s were read")] if is_short else []
    is_alone = len(container.streams) == 1
    if declared is not None and (is_alone or _has_own_duration(container, packets.stream)):
        missing = declared - held
        if missing > max(TOLERANCE_SECONDS, MAX_MISSING_FRACTION * declared):
            clock.losses.add(held, missing)
            return []
    has_order = format_name.startswith(_SEQUENTIAL) or not extent.has_duration
    unread = extent.num_bytes - packets.last_byte
    if is_alone and has_order and unread > MAX_UNREAD_FRACTION * num_bytes:
        clock.losses.add(held, held * unread / max(packets.num_bytes, 1))
    return []


def _has_own_duration(container: "av.container.InputContainer", stream: "AudioStream") -> bool:
    """Whether the declared end is that of the sound, not that of the longest track."""
    return "mov" in container.format.name or any(
        key.startswith("DURATION") for key in stream.metadata
    )


def _count_unread_adts(path: Path, packets: Packets, clock: Clock) -> None:
    """Counts bytes between the frames of a format without time stamps as lost sound."""
    with path.open("rb") as file:
        head = file.read(10)
    tag = 0
    if head.startswith(b"ID3"):
        tag = 10 + sum(byte << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
    unread = path.stat().st_size - tag - packets.num_bytes
    if unread > HOLE_BYTES:
        seconds = clock.sound_end / clock.sample_rate * unread / max(packets.num_bytes, 1)
        clock.losses.add(clock.losses.first, seconds)
