"""Sound decoded by libsndfile, and FLAC by dr_flac, whose values are the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.source import BLOCK_SECONDS, MIN_SECONDS, Excerpt, Note, Source
from earmark.errors import AudioError

PRE_ROLL_SECONDS = 1.0
"""Decoded and dropped before an excerpt: mp3 and opus decoders need the sound before it."""
STREAMED_BYTES = 0x7FFF_0000
"""A larger declared size is the placeholder of a writer that did not know the length."""
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

    def seekable(self) -> bool:
        """No, as far as soundfile is concerned."""
        return False


def libsndfile_source(path: Path, file: SequentialFile) -> Source:
    """An open file as a source.

    Args:
        path: Its path, for messages.
        file: The file, which stays open while its blocks are read.
    """
    return Source(
        file.samplerate,
        file.channels,
        lambda excerpt: _blocks(path, file, excerpt),
        f"{file.format} {file.subtype}",
        list(_contradictions(path, file)),
    )


def _blocks(path: Path, file: soundfile.SoundFile, excerpt: Excerpt) -> Iterator[np.ndarray]:
    _refuse_truncated(path, file)
    rate = file.samplerate
    first = round(excerpt.start * rate)
    last = file.frames if excerpt.end is None else min(round(excerpt.end * rate), file.frames)
    if first >= last:
        return
    position = max(first - round(PRE_ROLL_SECONDS * rate), 0)
    block_samples = min(round(BLOCK_SECONDS * rate), last - position)
    for block in _read_blocks(path, file, position, block_samples):
        kept = block[max(first - position, 0) : last - position]
        position += len(block)
        if len(kept):
            yield kept
        if position >= last:
            return
    if file.frames != _UNKNOWN_LENGTH:
        raise AudioError(
            f"{path}: declares {file.frames / rate:.2f} s but holds only {position / rate:.2f} s; "
            "the file is damaged or truncated, replace it",
            "truncated",
        )


def _read_blocks(
    path: Path, file: soundfile.SoundFile, position: int, block_samples: int
) -> Iterator[np.ndarray]:
    """Blocks from a position to the end, with the fastest decoder that gives the same values."""
    if file.format == "FLAC" and _is_text(path):
        yield from _read_flac(path, file, position, block_samples)
        return
    if position:
        file.seek(position)
    # numpy converts integers several times faster than libsndfile.
    is_16_bit = file.subtype == "PCM_16"
    dtype = "int16" if is_16_bit else "float32"
    while len(block := file.read(block_samples, dtype=dtype, always_2d=True)):
        yield np.multiply(block, _PCM_16_STEP, dtype=np.float32) if is_16_bit else block


def _read_flac(
    path: Path, file: soundfile.SoundFile, position: int, block_samples: int
) -> Iterator[np.ndarray]:
    """Decodes FLAC with dr_flac, in two thirds of the time of libFLAC.

    It skips damaged frames, so a damaged file ends before its declared length.
    """
    import miniaudio

    blocks = miniaudio.stream_file(
        str(path.absolute()),
        miniaudio.SampleFormat.FLOAT32,
        file.channels,
        file.samplerate,
        block_samples,
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


def _contradictions(path: Path, file: soundfile.SoundFile) -> Iterator[Note]:
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


def _refuse_truncated(path: Path, file: soundfile.SoundFile) -> None:
    """Refuses a truncated wav, aiff or au file; libsndfile only notes it in its log."""
    sizes = re.search(
        r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)", file.extra_info, re.M
    )
    if sizes is None:
        return
    declared, held = map(int, sizes.groups())
    seconds = file.frames / file.samplerate
    declared_seconds = seconds * declared / max(held, 1)
    if declared < STREAMED_BYTES and declared_seconds > seconds + MIN_SECONDS:
        raise AudioError(
            f"{path}: declares {declared_seconds:.2f} s but holds only {seconds:.2f} s; "
            "the file is truncated, replace it",
            "truncated",
        )
