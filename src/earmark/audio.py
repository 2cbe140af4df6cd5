"""Any sound file to mono samples at one rate, in blocks, so that memory does not grow with length.

soundfile reads wav, flac, ogg, opus, mp3, aiff, au and caf; PyAV reads the rest (m4a, aac, wma,
webm, mp4). Both carry their decoders in their wheels.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from jaxtyping import Float32

from earmark.errors import AudioError

MIN_SECONDS = 0.1
MAX_SECONDS = 100 * 3600.0
MAX_CHANNELS = 64
SAMPLE_RATES = range(1000, 768_001)
BLOCK_SECONDS = 4.0
PRE_ROLL_SECONDS = 1.0
"""Decoded and dropped before an excerpt: mp3 and opus need what came before to find their feet."""
STREAMED_BYTES = 0x7FFF_0000
"""A declared size above this is a placeholder from a writer that did not know the length."""

EXTENSIONS = frozenset(
    [
        ".wav",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
        ".m4a",
        ".m4b",
        ".aac",
        ".wma",
        ".asf",
        ".webm",
        ".mp4",
        ".mka",
        ".mkv",
        ".mov",
    ]
)

# A playlist or a network address inside a file must not make the decoder open anything else.
_AV_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,asf,aac,mp3,ogg,wav,flac,aiff,au,caf",
}

Samples = Float32[np.ndarray, " time"]


@dataclass(frozen=True)
class Audio:
    """Decoded sound: mono samples in [-1, 1] with their rate in Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration_seconds(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a file, in seconds; the whole file by default."""

    start: float = 0.0
    end: float | None = None

    def __str__(self) -> str:
        if self == Excerpt():
            return ""
        return f"[{self.start:g}-{'end' if self.end is None else f'{self.end:g}'} s]"


WHOLE = Excerpt()


@dataclass(frozen=True)
class _Source:
    """An opened file: its rate and a reader of native blocks, (time, channels) each."""

    sample_rate: int
    channels: int
    blocks: Callable[[Excerpt], Iterator[np.ndarray]]


def load(path: Path, sample_rate: int | None = None, excerpt: Excerpt = WHOLE) -> Audio:
    """Decodes a file, or a stretch of it, into memory.

    Args:
        path: Any file that `stream` reads.
        sample_rate: Rate to resample to, in Hz; the file's own when it is not given.
        excerpt: Which part.

    Raises:
        AudioError: As `stream`.
    """
    with _open(path) as source:
        rate = sample_rate or source.sample_rate
        blocks = list(_checked(path, source, rate, excerpt))
    return Audio(np.concatenate(blocks), rate)


def stream(
    path: Path, sample_rate: int | None = None, excerpt: Excerpt = WHOLE
) -> Iterator[Samples]:
    """Decodes a file block by block.

    Channels are averaged; the blocks joined are the same samples as `load` gives, bit for bit.

    Args:
        path: The file.
        sample_rate: Rate to resample to, in Hz; the file's own when it is not given.
        excerpt: Which part.

    Yields:
        Mono samples.

    Raises:
        AudioError: The file is missing, empty, not decodable, truncated, shorter than
            `MIN_SECONDS`, or holds values that are not finite. The message names the file.
    """
    with _open(path) as source:
        yield from _checked(path, source, sample_rate or source.sample_rate, excerpt)


def is_audio(path: Path) -> bool:
    """Whether a folder scan takes a file for sound: by its extension, in any case of letters."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".") and path.is_file()


def content_hash(path: Path) -> str:
    """The BLAKE2b digest (128 bits) of a file's bytes.

    Raises:
        AudioError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}") from None
    return digest.hexdigest()


def _checked(path: Path, source: _Source, rate: int, excerpt: Excerpt) -> Iterator[Samples]:
    num_samples = 0
    native = _mono(path, _guarded(path, source.blocks(excerpt)), source.sample_rate)
    for block in _resample(native, source.sample_rate, rate):
        num_samples += len(block)
        if num_samples > MAX_SECONDS * rate:
            raise AudioError(f"{path}: longer than {MAX_SECONDS / 3600:.0f} hours; cut it up")
        if len(block):
            yield block
    if num_samples < round(MIN_SECONDS * rate):
        raise AudioError(
            f"{path}{excerpt}: lasts {num_samples / rate:.3f} s, and at least {MIN_SECONDS} s "
            "are needed; leave it out"
        )


def _guarded(path: Path, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    try:
        yield from blocks
    except (soundfile.LibsndfileError, av.error.FFmpegError) as error:
        text = error.strerror if isinstance(error, av.error.FFmpegError) else error.error_string
        reason = str(text).removeprefix("Error : ").removesuffix(".")
        raise AudioError(
            f"{path}: decoding stopped part-way ({reason}); the file is damaged, replace it"
        ) from None


def _mono(path: Path, blocks: Iterable[np.ndarray], sample_rate: int) -> Iterator[Samples]:
    num_samples = 0
    for block in blocks:
        # A sum of columns: `mean(axis=1)` is many times slower over so few channels.
        mono = functools.reduce(np.add, block.T)
        if block.shape[1] > 1:
            mono = mono / np.float32(block.shape[1])
        if not np.isfinite(mono).all():
            at = (num_samples + int(np.argmin(np.isfinite(mono)))) / sample_rate
            raise AudioError(f"{path}: the sample at {at:.3f} s is not a finite number; mend it")
        num_samples += len(mono)
        yield np.ascontiguousarray(mono)


def _resample(blocks: Iterable[Samples], in_rate: int, out_rate: int) -> Iterator[Samples]:
    if in_rate == out_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(in_rate, out_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


class _SequentialFile(soundfile.SoundFile):
    """A file without the seek that soundfile makes after each read, which breaks mp3 streams.

    libmpg123 loses the bit reservoir when it seeks, and the next 0.3 s are noise or silence.
    """

    def seekable(self) -> bool:
        return False


@contextmanager
def _open(path: Path) -> Iterator[_Source]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror}") from None
    if size == 0:
        raise AudioError(f"{path}: the file is empty (0 bytes); replace it or leave it out")
    try:
        file = _SequentialFile(path)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        with _open_with_av(path) as source:
            yield _limited(path, source)
        return
    with file:
        yield _limited(
            path,
            _Source(
                file.samplerate,
                file.channels,
                lambda excerpt: _soundfile_blocks(path, file, excerpt),
            ),
        )


def _limited(path: Path, source: _Source) -> _Source:
    if source.sample_rate not in SAMPLE_RATES:
        raise AudioError(
            f"{path}: claims a sample rate of {source.sample_rate} Hz, outside "
            f"{SAMPLE_RATES.start} to {SAMPLE_RATES.stop - 1}; mend its header"
        )
    if not 1 <= source.channels <= MAX_CHANNELS:
        raise AudioError(
            f"{path}: claims {source.channels} channels, outside 1 to {MAX_CHANNELS}; "
            "mend its header"
        )
    return source


def _soundfile_blocks(
    path: Path, file: soundfile.SoundFile, excerpt: Excerpt
) -> Iterator[np.ndarray]:
    _refuse_cut(path, file)
    rate = file.samplerate
    first = round(excerpt.start * rate)
    last = file.frames if excerpt.end is None else min(round(excerpt.end * rate), file.frames)
    if first >= last:
        return
    position = max(first - round(PRE_ROLL_SECONDS * rate), 0)
    if position:
        file.seek(position)
    while position < last:
        block = file.read(
            min(round(BLOCK_SECONDS * rate), last - position), dtype="float32", always_2d=True
        )
        if not len(block):
            raise AudioError(
                f"{path}: declares {file.frames / rate:.2f} s but holds only "
                f"{position / rate:.2f} s; the file is truncated, replace it"
            )
        kept = block[max(first - position, 0) :]
        position += len(block)
        if len(kept):
            yield kept


def _refuse_cut(path: Path, file: soundfile.SoundFile) -> None:
    """Refuses a wav, aiff or au whose end is missing; libsndfile only notes it in its log."""
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
            "the file is truncated, replace it"
        )


@contextmanager
def _open_with_av(path: Path) -> Iterator[_Source]:
    refusal = AudioError(
        f"{path}: not a sound file that soundfile or PyAV can decode; convert it or leave it out"
    )
    try:
        # Absolute, or FFmpeg takes a name such as 12:30.m4a for an address.
        container = av.open(str(path.absolute()), options=_AV_OPTIONS)
    except (av.error.FFmpegError, ValueError):
        raise refusal from None
    with container:
        if not container.streams.audio:
            raise AudioError(f"{path}: holds no sound, only pictures or text; leave it out")
        stream = container.streams.audio[0]
        if not stream.rate or not stream.channels:
            raise refusal
        yield _Source(stream.rate, stream.channels, lambda excerpt: _av_blocks(container, excerpt))


def _av_blocks(container: "av.container.InputContainer", excerpt: Excerpt) -> Iterator[np.ndarray]:
    stream = container.streams.audio[0]
    rate = stream.rate
    first = round(excerpt.start * rate)
    last = None if excerpt.end is None else round(excerpt.end * rate)
    converter = av.AudioResampler(format="fltp")
    position = 0
    for decoded in container.decode(stream):
        for frame in converter.resample(decoded):
            block = frame.to_ndarray().T
            kept = block[max(first - position, 0) : None if last is None else last - position]
            position += len(block)
            if len(kept):
                yield kept
            if last is not None and position >= last:
                return
