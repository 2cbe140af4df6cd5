"""Sound decoded by libsndfile, and FLAC by dr_flac, whose values are the same."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile

from earmark.audio.chained import Part
from earmark.audio.formats.mpeg import INDEX_STEP, Recording
from earmark.audio.formats.pieces import Piece, PiecedFile
from earmark.audio.source import Note, block_samples, cut_blocks, truncated
from earmark.errors import AudioError

PRE_ROLL_SECONDS = 1.0
"""Decoded and dropped before an excerpt: mp3 and opus decoders need the sound before it."""
PRE_ROLL_FRAMES = 32
"""The same for MPEG frames that are found without a decoder."""
_ENDLESS_BYTES = 1 << 40
_UNKNOWN_LENGTH = (1 << 63) - 1
"""What libsndfile reports for a FLAC file whose writer did not know the length."""
_PCM_16_STEP = np.float32(2.0**-15)

_FORMATS = {
    ".wav": {"WAV", "WAVEX", "RF64", "W64"},
    ".flac": {"FLAC"},
    ".ogg": {"OGG"},
    ".oga": {"OGG", "FLAC"},
    ".opus": {"OGG"},
    ".mp3": {"MPEG", "MP3"},
    ".aif": {"AIFF"},
    ".aiff": {"AIFF"},
}
"""The formats, as libsndfile names them, that a file with each extension may have."""


class SequentialFile(soundfile.SoundFile):
    """A file without the seek that soundfile makes after each read and that breaks mp3 streams.

    libmpg123 loses the bit reservoir on a seek, and the next 0.3 s are noise or silence.
    """

    def __init__(self, file: bytes | PiecedFile) -> None:
        super().__init__(cast("Any", file))

    def seekable(self) -> bool:
        """No, as far as soundfile is concerned."""
        return False

    @property
    def length(self) -> int | None:
        """Samples that the file declares; None if it does not."""
        return None if self.frames == _UNKNOWN_LENGTH else self.frames


def libsndfile_part(path: Path, file: SequentialFile) -> Part:
    """An open file as the only recording in it.

    Args:
        path: Its path.
        file: The file, which stays open while its blocks are read.
    """
    return Part(
        file.samplerate,
        file.channels,
        file.length,
        lambda first, last: decode(path, file, first, last),
        _codec(file),
    )


def pieced_part(path: Path, stream: BinaryIO, pieces: Sequence[Piece]) -> Part:
    """A recording in pieces of a file.

    Args:
        path: The path of the file, for messages.
        stream: The file, which stays open while its blocks are read.
        pieces: The recording.

    Raises:
        soundfile.LibsndfileError: libsndfile does not know its format.
    """
    with _opened(PiecedFile(stream, pieces)) as opened:
        rate, channels, length = opened.samplerate, opened.channels, opened.length
        codec = _codec(opened)

    def read(first: int, last: int | None) -> Iterator[np.ndarray]:
        with _opened(PiecedFile(stream, pieces)) as file:
            yield from decode(path, file, first, last, is_named=False)

    return Part(rate, channels, length, read, codec)


@contextmanager
def _opened(pieced: PiecedFile) -> Iterator[SequentialFile]:
    """A pieced file as libsndfile reads it; what kept it from reading is raised first."""
    try:
        with SequentialFile(pieced) as file:
            yield file
    except (AudioError, soundfile.LibsndfileError):
        if pieced.error is not None:
            raise pieced.error from None
        raise
    if pieced.error is not None:
        raise pieced.error


def mpeg_part(path: Path, stream: BinaryIO, recording: Recording) -> Part:
    """Some MPEG frames as a recording, decoded by libmpg123 to the last of them.

    Args:
        path: The path of the file, for messages.
        stream: The file, which stays open while its blocks are read.
        recording: The frames.
    """
    rate, channels, frame_samples = recording.format[1:]

    def read(first: int, last: int | None) -> Iterator[np.ndarray]:
        length = recording.num_samples if last is None else min(last, recording.num_samples)
        first, last = first + recording.num_skipped, length + recording.num_skipped
        step = max(first // frame_samples - PRE_ROLL_FRAMES, 0) // INDEX_STEP
        position = step * INDEX_STEP * frame_samples
        pieced = PiecedFile(stream, recording.pieces(step), beyond=_ENDLESS_BYTES)
        with _opened(pieced) as file:
            for block in _read(file, max(last - position, 0)):
                kept = block[max(first - position, 0) : max(last - position, 0)]
                position += len(block)
                if len(kept):
                    yield kept
                if position >= last:
                    return
        if position < last - frame_samples:
            raise truncated(path, length / rate, (position - recording.num_skipped) / rate)

    codec = f"MP3 MPEG_LAYER_{'I' * recording.format.layer}"
    return Part(rate, channels, recording.num_samples, read, codec)


def contradictions(path: Path, file: SequentialFile) -> Iterator[Note]:
    """Inconsistencies between the fields of a header, and between it and the extension."""
    rates = re.search(r"^ *Bytes/sec *: (\d+) \(should be (\d+)", file.extra_info, re.M)
    if rates:
        yield Note(
            "header",
            f"declares {rates[1]} bytes per second, computed from the other fields: {rates[2]}",
        )
    named = _FORMATS.get(path.suffix.lower())
    if named and file.format not in named:
        yield Note("header", f"extension {path.suffix}, content {file.format}")


def _codec(file: SequentialFile) -> str:
    return f"{file.format} {file.subtype}"


def decode(
    path: Path, file: SequentialFile, first: int, last: int | None, *, is_named: bool = True
) -> Iterator[np.ndarray]:
    """Decodes from one sample to another, or to the end.

    Args:
        path: The path of the file, for messages.
        file: The file, before its first sample.
        first: Where to start.
        last: Where to end.
        is_named: Whether the path leads to the same content.

    Yields:
        Blocks of (time, channels).

    Raises:
        AudioError: The file holds less than it declares.
    """
    length = _UNKNOWN_LENGTH if file.length is None else file.length
    last = length if last is None else min(last, length)
    if first >= last:
        return
    position = max(first - round(PRE_ROLL_SECONDS * file.samplerate), 0)
    # Without a length, FLAC decoders seek to the wrong place.
    position = 0 if file.length is None else position
    if file.format == "FLAC" and is_named and _is_text(path):
        blocks = _read_flac(path, file, position, last)
    else:
        position = _seek(file, position)
        blocks = _read(file, last - position)
    position = yield from cut_blocks(blocks, first, last, position)
    if position < last and file.length is not None:
        raise truncated(path, length / file.samplerate, position / file.samplerate)


def _seek(file: SequentialFile, position: int) -> int:
    """Seeks, and returns where it got: to the start in codecs that cannot seek."""
    if not position:
        return 0
    try:
        return file.seek(position)
    except soundfile.LibsndfileError:
        return 0


def _read(file: SequentialFile, num_samples: int) -> Iterator[np.ndarray]:
    # numpy converts integers several times faster than libsndfile.
    is_16_bit = file.subtype == "PCM_16"
    dtype = "int16" if is_16_bit else "float32"
    longest = min(block_samples(file.samplerate, file.channels), num_samples)
    while len(block := file.read(longest, dtype=dtype, always_2d=True)):
        yield np.multiply(block, _PCM_16_STEP, dtype=np.float32) if is_16_bit else block


def _read_flac(path: Path, file: SequentialFile, position: int, last: int) -> Iterator[np.ndarray]:
    """Decodes FLAC with dr_flac, in two thirds of the time of libFLAC.

    It skips damaged frames, so a damaged file ends before its declared length.
    """
    import miniaudio

    blocks = miniaudio.stream_file(
        str(path.absolute()),
        miniaudio.SampleFormat.FLOAT32,
        file.channels,
        file.samplerate,
        min(block_samples(file.samplerate, file.channels), last - position),
        seek_frame=position,
    )
    for block in blocks:
        yield np.frombuffer(block, np.float32).reshape(-1, file.channels)


def _is_text(path: Path) -> bool:
    """Whether a name is valid text, which miniaudio requires."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
