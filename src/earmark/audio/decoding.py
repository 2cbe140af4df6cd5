"""Opens sound files: picks the decoder, checks the header, names what fails.

soundfile reads wav, flac, ogg, opus, mp3, aiff, au and caf; PyAV reads the rest (m4a, aac, wma,
webm, mp4). Both ship their decoders in their wheels.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from earmark.audio.chained import is_chained
from earmark.audio.ffmpeg import ffmpeg_source
from earmark.audio.libsndfile import SequentialFile, libsndfile_source
from earmark.audio.source import MAX_CHANNELS, SAMPLE_RATES, Source
from earmark.errors import AudioError

SOUNDFILE_EXTENSIONS = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"}
    | {".au", ".snd", ".caf", ".w64", ".rf64"}
)
AV_EXTENSIONS = frozenset(
    (".m4a", ".m4b", ".aac", ".wma", ".asf", ".webm", ".mp4", ".mka", ".mkv", ".mov")
)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Opens a sound file with soundfile or, where that fails, with PyAV.

    Raises:
        AudioError: The file is missing, empty or not decodable, or its header declares a sample
            rate or a number of channels outside the limits.
    """
    if _is_chained(path):
        with ffmpeg_source(path) as source:
            yield _within_limits(path, source)
        return
    try:
        # As bytes, because a file name need not be valid text.
        name: Any = os.fsencode(path)
        file = SequentialFile(name)
    except (soundfile.LibsndfileError, TypeError):  # TypeError: a name that ends in .raw
        with ffmpeg_source(path) as source:
            yield _within_limits(path, source)
        return
    with file:
        yield _within_limits(path, libsndfile_source(path, file))


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
