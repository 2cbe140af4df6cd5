"""Opens sound files: picks the decoder, checks the header, names what fails.

soundfile reads wav, flac, ogg, opus, mp3, aiff, au and caf; PyAV reads the rest (m4a, aac, wma,
webm, mp4). Both ship their decoders in their wheels.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from earmark.audio.chained import Part, chained_source
from earmark.audio.ffmpeg.source import ffmpeg_source
from earmark.audio.formats.pieces import PiecedFile, open_bytes
from earmark.audio.libsndfile import SequentialFile, contradictions, libsndfile_part, pieced_part
from earmark.audio.recordings import examine, flac_source
from earmark.audio.source import MAX_CHANNELS, SAMPLE_RATES, Source
from earmark.errors import AudioError
from earmark.system.missing import stat_file
from earmark.system.remote.path import RemotePath

SOUNDFILE_EXTENSIONS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".aif", ".aiff", ".aifc"}
    | {".au", ".snd", ".caf", ".w64", ".rf64"}
)
AV_EXTENSIONS = frozenset(
    (".m4a", ".m4b", ".aac", ".wma", ".asf", ".webm", ".mp4", ".mka", ".mkv", ".mov")
)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Opens a sound file with soundfile or, where that fails, with PyAV.

    Raises:
        AudioError: The file is missing, empty or not decodable, it holds less than it declares, or
            its header declares a sample rate or a number of channels outside the limits.
    """
    is_local = not isinstance(path, RemotePath)
    size = _num_bytes(path) if is_local else 0
    with ExitStack() as opened:
        file = opened.enter_context(open_bytes(path))
        if not is_local:
            size = _remote_size(path, file)
        examined = examine(path, file, size)
        if examined.parts:
            source = chained_source(examined.parts)
        elif examined.is_for_ffmpeg:
            source = opened.enter_context(ffmpeg_source(path))
        else:
            source = _decoded(path, file, size, opened)
        source.notes.extend(examined.notes)
        yield _within_limits(path, source)


def _decoded(path: Path, content: BinaryIO, size: int, opened: ExitStack) -> Source:
    """A file as one of the decoders reads it."""
    try:
        part, file = _first_part(path, content, size, opened)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        return opened.enter_context(ffmpeg_source(path))
    source = chained_source([part])
    if file.format == "FLAC":
        source = flac_source(path, content, size, part)
    source.notes.extend(contradictions(path, file))
    return source


def _first_part(
    path: Path, content: BinaryIO, size: int, opened: ExitStack
) -> tuple[Part, SequentialFile]:
    """What libsndfile reads of a file."""
    if isinstance(path, RemotePath):
        pieces = [range(size)]
        part = pieced_part(path, content, pieces)
        return part, opened.enter_context(SequentialFile(PiecedFile(content, pieces)))
    # As bytes, because a file name need not be valid text.
    file = opened.enter_context(SequentialFile(os.fsencode(path)))
    return libsndfile_part(path, file), file


def _num_bytes(path: Path) -> int:
    """Length of a file.

    Raises:
        AudioError: It cannot be read, or is empty.
    """
    return _require_bytes(path, stat_file(path).st_size)


def _remote_size(path: Path, file: BinaryIO) -> int:
    """Length of a remote file as it was opened.

    Raises:
        AudioError: It is empty.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return _require_bytes(path, size)


def _require_bytes(path: Path, size: int) -> int:
    if not size:
        raise AudioError(
            f"{path}: the file is empty (0 bytes); replace it or leave it out", "empty"
        )
    return size


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
