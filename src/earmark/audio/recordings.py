"""Files that a decoder alone reads wrongly: cut, never closed, joined, or of undeclared length."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

from earmark.audio.chained import Part, chained_source, joined_note
from earmark.audio.formats import flac, mpeg, ogg
from earmark.audio.formats.declared import Layout, has_voice_blocks, layouts
from earmark.audio.formats.mpeg_damage import damage
from earmark.audio.formats.tags import tag_bytes
from earmark.audio.libsndfile import mpeg_part, pieced_part
from earmark.audio.source import MIN_SECONDS, Excerpt, Note, Source, truncated
from earmark.errors import AudioError
from earmark.system.remote.path import RemotePath

MPEG_EXTENSIONS = frozenset((".mp3", ".mp2", ".mp1", ".mpa", ".mpga"))
_TOLERATED_FRAMES = 2
"""MPEG frames that may be missing at the end: the last is cut where a stream ends."""
_WAV_MPEG_TAGS = (0x50, 0x55)
_SEARCHED_BYTES = 1 << 16
"""How far a file with the extension of an mp3 may start with something else."""
_STRAY_BYTES = 4096
MAX_STRAY_FRACTION = 0.1
"""More bytes than this after the sound, as a fraction of it, are likely to be sound."""
_TOLERATED_BYTES = 4096
_UNDECLARED = Note("unclosed", "its header declares no length")
_TAG_HEAD_BYTES = 32
_SCANNED_BYTES = 1 << 16
_FLAC_START = b"fLaC\0\0\0\x22"


class Examined(NamedTuple):
    """What a file holds.

    Args:
        parts: Its recordings; None where a decoder reads the file as it is.
        notes: What was noticed.
        is_for_ffmpeg: Whether libsndfile would read less of it than FFmpeg.
    """

    parts: list[Part] | None = None
    notes: tuple[Note, ...] = ()
    is_for_ffmpeg: bool = False


def examine(path: Path, file: BinaryIO, size: int) -> Examined:
    """Looks for what a decoder would read wrongly.

    Args:
        path: The path of the file.
        file: The file, which stays open while its parts are read.
        size: Its length in bytes.

    Raises:
        AudioError: The file holds less than it declares, or in a way that no decoder reads.
    """
    head = file.read(_TAG_HEAD_BYTES)
    if head.startswith(b"OggS"):
        return _ogg(path, file, size)
    if has_voice_blocks(file, head, size):
        raise AudioError(f"{path}: a VOC file whose sound is in several blocks; convert it to WAV")
    found = layouts(file, size)
    if found:
        return _chunked(path, file, found)
    return _mpeg(path, file, size)


def _ogg(path: Path, file: BinaryIO, size: int) -> Examined:
    # Of a file that lies far away, as little as possible is read.
    probed = ogg.probed_link(file, size) if isinstance(path, RemotePath) else None
    links = [probed] if probed else ogg.links(file, size)
    for link in links:
        _refuse_cut_flac(path, link)
    notes = []
    if any(link.open_serials for link in links):
        notes.append(Note("unclosed", "its last page is missing"))
    has_others = any(len(link.serials) > 1 for link in links)
    if len(links) < 2:
        return Examined(None, tuple(notes), is_for_ffmpeg=has_others)
    by_ffmpeg = Examined(None, (*notes, joined_note(len(links))), is_for_ffmpeg=True)
    if has_others:
        return by_ffmpeg
    try:
        parts = [pieced_part(path, file, [range(link.start, link.end)]) for link in links]
    except soundfile.LibsndfileError:
        return by_ffmpeg
    return Examined(parts, tuple(notes))


def _refuse_cut_flac(path: Path, link: ogg.Link) -> None:
    if link.declared is not None and link.num_samples < link.declared.num_samples:
        rate = link.declared.sample_rate
        raise truncated(path, link.declared.num_samples / rate, link.num_samples / rate)


def _chunked(path: Path, file: BinaryIO, found: list[Layout]) -> Examined:
    notes = []
    if any(layout.declared is None for layout in found):
        notes.append(_UNDECLARED)
    notes.extend(_stray_notes(found))
    if len(found) == 1 and _wav_tag(file, found[0]) in _WAV_MPEG_TAGS:
        return _mpeg_in_wav(path, file, found[0], notes)
    is_short = [layout.declared is not None and layout.held < layout.declared for layout in found]
    if len(found) == 1 and found[0].declared is not None and not any(is_short):
        return Examined(None, tuple(notes))
    parts = [_layout_part(path, file, layout) for layout in found]
    if None in parts:
        return Examined(None, tuple(notes))
    return Examined([part for part in parts if part], tuple(notes))


def _stray_notes(found: Sequence[Layout]) -> Iterator[Note]:
    """On bytes after the sound: as many as of a recorder that stopped before it updated a size."""
    stray, declared = max((one.num_stray, one.declared or 0) for one in found)
    if stray <= _STRAY_BYTES:
        return
    if stray > MAX_STRAY_FRACTION * declared:
        yield Note(
            "unread_sound",
            f"{stray} bytes after the {declared} bytes of sound that the header declares are not "
            "read; if they are sound, correct the header",
        )
    else:
        yield Note("header", f"{stray} bytes after the sound that it declares")


def _mpeg_in_wav(path: Path, file: BinaryIO, layout: Layout, notes: list[Note]) -> Examined:
    if layout.declared is not None and layout.held < layout.declared - min(
        _TOLERATED_BYTES, layout.declared // 10
    ):
        raise _holds_only(path, layout.held / layout.declared)
    sound = range(layout.sound, layout.sound + layout.held)
    mpeg_ = _mpeg_examined(path, file, sound)
    return mpeg_._replace(notes=(*notes, *mpeg_.notes))


def _holds_only(path: Path, fraction: float) -> AudioError:
    return AudioError(
        f"{path}: holds only {fraction:.0%} of the sound that it declares; "
        "the file is damaged or truncated, replace it",
        "truncated",
    )


def _wav_tag(file: BinaryIO, layout: Layout) -> int:
    """The format tag in the header of a wav file; 0 in others."""
    file.seek(layout.extent.start)
    header = file.read(min(layout.sound - layout.extent.start, _SEARCHED_BYTES))
    at = header.find(b"fmt ")
    if not header.startswith((b"RIFF", b"RF64", b"BW64")) or at < 0:
        return 0
    return int.from_bytes(header[at + 8 : at + 10], "little")


def _layout_part(path: Path, file: BinaryIO, layout: Layout) -> Part | None:
    """One of the recordings with sizes in their headers; None if libsndfile does not know it.

    Raises:
        AudioError: It holds less than it declares.
    """
    declared, held = layout.declared, layout.held
    is_whole = declared is not None and held == declared
    pieces = [layout.extent] if is_whole else layout.closed(file)
    try:
        part = pieced_part(path, file, pieces)
    except soundfile.LibsndfileError:
        part = None
    if declared is None or is_whole:
        return part
    if part is None or not part.num_samples or not held:
        raise _holds_only(path, held / declared)
    seconds = part.num_samples / part.sample_rate
    if seconds * (declared / held - 1) > MIN_SECONDS:
        raise truncated(path, seconds * declared / held, seconds)
    return part


def _mpeg(path: Path, file: BinaryIO, size: int) -> Examined:
    starts = list(_tag_ends(file))
    if mpeg.is_complete(file, range(starts[0], size)):
        return Examined()
    start = starts[-1]
    file.seek(start)
    head = file.read(4)
    is_named = path.suffix.lower() in MPEG_EXTENSIONS and head != _FLAC_START[:4]
    if not is_named and mpeg.parse(head) is None:
        return Examined()
    searched = range(start, min(start + _SEARCHED_BYTES, size))
    first = next((position for position, *_ in mpeg.frames(file, searched)), None)
    if first is None or (first > start and not is_named):
        return Examined()
    return _mpeg_examined(path, file, range(first, size))


def _tag_ends(file: BinaryIO) -> Iterator[int]:
    """Where the first of the tags in front ends, and the second, to the last; 0 without any."""
    end = 0
    while True:
        file.seek(end)
        length = tag_bytes(file.read(_TAG_HEAD_BYTES))
        end += length
        yield end
        if not length:
            return


def _mpeg_examined(path: Path, file: BinaryIO, extent: range) -> Examined:
    """The recordings in MPEG frames, if there are any.

    Raises:
        AudioError: There are fewer frames than an Info frame declares.
    """
    found = mpeg.recordings(file, extent)
    for declared, held in mpeg.declared_frames(found):
        if held < declared - _TOLERATED_FRAMES:
            seconds = found[0].format.frame_samples / found[0].format.sample_rate
            raise truncated(path, declared * seconds, held * seconds)
    notes = damage(file, found)
    if found and found[-1].is_cut and not found[-1].is_complete:
        notes.append(Note("unclosed", "its last frame is cut"))
    parts = [mpeg_part(path, file, one) for one in found if one.num_samples]
    return Examined(parts or None, tuple(notes))


def flac_source(path: Path, stream: BinaryIO, size: int, first: Part) -> Source:
    """A FLAC file, and those that were joined to its end.

    They are searched for only where an excerpt may reach them: it takes reading the whole file.

    Args:
        path: The path of the file.
        stream: The file, which stays open while its blocks are read.
        size: Its length in bytes.
        first: What a decoder reads of it.
    """
    source = chained_source([first])
    if first.num_samples is None:
        source.notes.append(_UNDECLARED)

    def blocks(excerpt: Excerpt) -> Iterator[np.ndarray]:
        length, end = first.num_samples, excerpt.end
        if length is not None and end is not None and end * first.sample_rate <= length:
            yield from source.blocks(excerpt)
            return
        starts = list(_flac_starts(stream))
        if len(starts) < 2:
            pieces = flac.without_total(stream, size)
            if pieces is None:
                yield from source.blocks(excerpt)
                return
            source.notes.append(Note("header", "declares fewer samples than there are"))
            yield from chained_source([pieced_part(path, stream, pieces)]).blocks(excerpt)
            return
        bounds = pairwise((0, *starts[1:], size))
        parts = [pieced_part(path, stream, [range(*ends)]) for ends in bounds]
        whole = chained_source(parts)
        source.notes.extend(whole.notes)
        yield from whole.blocks(excerpt)

    return replace(source, blocks=blocks)


def _flac_starts(stream: BinaryIO) -> Iterator[int]:
    """Where FLAC streams start."""
    position = 0
    stream.seek(0)
    block = b""
    while more := stream.read(_SCANNED_BYTES):
        # A start may lie across two blocks.
        kept = block[-len(_FLAC_START) + 1 :]
        block = kept + more
        at = block.find(_FLAC_START)
        while at >= 0:
            yield position - len(kept) + at
            at = block.find(_FLAC_START, at + 1)
        position += len(more)
