"""Opens sound files: picks the decoder, checks the header, reads blocks of native samples.

soundfile reads wav, flac, ogg, opus, mp3, aiff, au and caf; PyAV reads the rest (m4a, aac, wma,
webm, mp4). Both ship their decoders in their wheels.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from earmark.audio.chained import is_chained
from earmark.errors import AudioError

if TYPE_CHECKING:
    import av  # Elsewhere for the files that need it: it takes a tenth of a command's start.

MIN_SECONDS = 0.1
MAX_CHANNELS = 64
SAMPLE_RATES = range(1000, 768_001)
BLOCK_SECONDS = 4.0
PRE_ROLL_SECONDS = 1.0
"""Decoded and dropped before an excerpt: mp3 and opus decoders need the sound before it."""
STREAMED_BYTES = 0x7FFF_0000
"""A larger declared size is the placeholder of a writer that did not know the length."""
_UNKNOWN_LENGTH = (1 << 63) - 1
"""What libsndfile reports for a FLAC file whose writer did not know the length."""
_PCM_16_STEP = np.float32(2.0**-15)

SOUNDFILE_EXTENSIONS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"}
    | {".au", ".snd", ".caf", ".w64", ".rf64"}
)
AV_EXTENSIONS = frozenset(
    (".m4a", ".m4b", ".aac", ".wma", ".asf", ".webm", ".mp4", ".mka", ".mkv", ".mov")
)

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

# A playlist or a network address inside a file must not make the decoder open other files.
_AV_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,asf,aac,mp3,ogg,wav,flac,aiff,au,caf",
}


@dataclass(frozen=True)
class Excerpt:
    """Part of a file, in seconds; the whole file by default."""

    start: float = 0.0
    end: float | None = None

    def __str__(self) -> str:
        if self == Excerpt():
            return ""
        # All digits, so that different excerpts have different names; 3 for 3.0.
        start, end = (str(instant).removesuffix(".0") for instant in (self.start, self.end))
        return f"[{start}-{end.replace('None', 'end')} s]"


WHOLE = Excerpt()


@dataclass(frozen=True)
class Source:
    """An open file: its properties and a reader of native blocks, (time, channels) each.

    Args:
        sample_rate: In Hz.
        channels: Number of channels.
        blocks: Decodes an excerpt.
        codec: File format and sample coding, such as ``WAV PCM_16``, as the decoder names them.
        complaint: An inconsistency in the header of a file that can still be read.
    """

    sample_rate: int
    channels: int
    blocks: Callable[[Excerpt], Iterator[np.ndarray]]
    codec: str
    complaint: str | None = None


class _SequentialFile(soundfile.SoundFile):
    """A file without the seek that soundfile makes after each read and that breaks mp3 streams.

    libmpg123 loses the bit reservoir on a seek, and the next 0.3 s are noise or silence.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Opens a sound file with soundfile or, where that fails, with PyAV.

    Raises:
        AudioError: The file is missing, empty or not decodable, or its header declares a sample
            rate or a number of channels outside the limits.
    """
    if _is_chained(path):
        with _open_with_av(path) as source:
            yield _within_limits(path, source)
        return
    try:
        # As bytes, because a file name need not be valid text.
        name: Any = os.fsencode(path)
        file = _SequentialFile(name)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        with _open_with_av(path) as source:
            yield _within_limits(path, source)
        return
    with file:
        yield _within_limits(
            path,
            Source(
                file.samplerate,
                file.channels,
                lambda excerpt: _soundfile_blocks(path, file, excerpt),
                f"{file.format} {file.subtype}",
                _contradiction(path, file),
            ),
        )


def _is_chained(path: Path) -> bool:
    """Whether a file holds several recordings, one after another.

    Raises:
        AudioError: The file cannot be read, or is empty.
    """
    try:
        if path.stat().st_size:
            return is_chained(path)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name.
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be read: {reason}", "missing") from None
    if not path.is_file():
        raise AudioError(f"{path}: not a regular file; write its content to a file first")
    raise AudioError(f"{path}: the file is empty (0 bytes); replace it or leave it out", "empty")


def _within_limits(path: Path, source: Source) -> Source:
    if source.sample_rate not in SAMPLE_RATES:
        raise AudioError(
            f"{path}: the header declares a sample rate of {source.sample_rate} Hz, outside "
            f"{SAMPLE_RATES.start} to {SAMPLE_RATES.stop - 1}; re-save the file",
            "header",
        )
    if not 1 <= source.channels <= MAX_CHANNELS:
        raise AudioError(
            f"{path}: the header declares {source.channels} channels, outside 1 to "
            f"{MAX_CHANNELS}; re-save the file",
            "header",
        )
    return source


def _soundfile_blocks(
    path: Path, file: soundfile.SoundFile, excerpt: Excerpt
) -> Iterator[np.ndarray]:
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


def _contradiction(path: Path, file: soundfile.SoundFile) -> str | None:
    """An inconsistency between the fields of a header, or between it and the extension."""
    rates = re.search(r"^ *Bytes/sec *: (\d+) \(should be (\d+)", file.extra_info, re.M)
    if rates:
        return f"declares {rates[1]} bytes per second, computed from the other fields: {rates[2]}"
    named = _FORMATS.get(path.suffix.lower())
    if named and file.format not in named:
        return f"extension {path.suffix}, content {file.format}"
    return None


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


@contextmanager
def _open_with_av(path: Path) -> Iterator[Source]:
    import av

    undecodable = AudioError(
        f"{path}: not a sound file that soundfile or PyAV can decode; convert it or leave it out"
    )
    try:
        # Absolute, because FFmpeg takes a name such as 12:30.m4a for a network address.
        container = av.open(str(path.absolute()), options=_AV_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError):
        raise undecodable from None
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path}: contains no audio stream; leave it out")
        stream = container.streams.audio[0]
        # FFmpeg may open a file whose codec it does not know; PyAV then lacks the attributes.
        rate, channels = getattr(stream, "rate", None), getattr(stream, "channels", None)
        if not rate or not channels:
            raise undecodable
        codec = f"{container.format.name.split(',')[0]} {stream.codec_context.name}"
        yield Source(rate, channels, lambda excerpt: _av_blocks(container, excerpt), codec)


def _av_blocks(container: "av.container.InputContainer", excerpt: Excerpt) -> Iterator[np.ndarray]:
    stream = container.streams.audio[0]
    rate = stream.rate
    first = round(excerpt.start * rate)
    last = None if excerpt.end is None else round(excerpt.end * rate)
    position = 0
    for block in _native_blocks(container, round(BLOCK_SECONDS * rate)):
        kept = block[max(first - position, 0) : None if last is None else last - position]
        position += len(block)
        if len(kept):
            yield kept
        if last is not None and position >= last:
            return


def _native_blocks(
    container: "av.container.InputContainer", num_samples: int
) -> Iterator[np.ndarray]:
    """Blocks of at least a number of samples: the codec's own are too short to process singly."""
    import av

    # Packed: PyAV reads past the end of its table of planes when there are more than 8 channels.
    converter = av.AudioResampler(format="flt")
    waiting: list[np.ndarray] = []
    for decoded in container.decode(container.streams.audio[0]):
        decoded.pts = None  # Without time stamps, gaps between them are no error.
        waiting += [
            frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
            for frame in converter.resample(decoded)
        ]
        if sum(map(len, waiting)) >= num_samples:
            yield np.concatenate(waiting)
            waiting.clear()
    if waiting:
        yield np.concatenate(waiting)


def name_damage(path: Path, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yields the blocks; turns an error of the decoder into one that names the file."""
    try:
        yield from blocks
    except AudioError:
        raise
    except Exception as error:  # noqa: BLE001 - decoders raise any type on damaged files
        text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or error
        reason = str(text).removeprefix("Error : ").removesuffix(".")
        raise AudioError(
            f"{path}: decoding failed part-way ({reason}); the file is damaged, replace it",
            "damaged",
        ) from None
