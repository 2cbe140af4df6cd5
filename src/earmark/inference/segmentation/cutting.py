"""A recording cut up by its labels: a sound file a segment, in one pass over the recording.

WAV, FLAC, AIFF and their like are copied sample by sample in their own encoding. What was
compressed with loss (mp3, Ogg, Opus, m4a and others) is decoded and written as FLAC of 24 bits, or
as WAV if it has more channels than FLAC holds: a packet of such a file needs the packets before it,
so a cut between packets is neither exact nor free of clicks.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import soundfile

from earmark.audio.decoding import WHOLE, name_damage, open_source
from earmark.audio.reading import has_sound_name
from earmark.data.recording import SPLIT_NAMES
from earmark.errors import AudioError
from earmark.inference.segmentation.segments import Segment
from earmark.system.files import atomic_open, place_below, plain_path

BLOCK_SAMPLES = 1 << 16
_EXACT_TYPES: dict[str, Literal["int16", "int32", "float64"]] = {
    "PCM_U8": "int32",
    "PCM_S8": "int32",
    "PCM_16": "int32",
    "PCM_24": "int32",
    "PCM_32": "int32",
    "ULAW": "int16",
    "ALAW": "int16",
    "FLOAT": "float64",
    "DOUBLE": "float64",
}
"""Encodings whose samples stay the same when they are read as these numbers and written again."""
_SUFFIXES = {"WAVEX": ".wav", "RF64": ".wav"}
FLAC_CHANNELS = 8


@dataclass(frozen=True)
class _Source:
    """A recording that is read once, and how its parts are written."""

    sample_rate: int
    channels: int
    format: str
    subtype: str
    suffix: str
    blocks: Iterator[np.ndarray]


def split_audio(
    path: Path,
    segments: Sequence[Segment],
    folder: Path,
    *,
    labels: Sequence[str],
    name: Path | None = None,
    recordings: "RecordingFolders | None" = None,
) -> list[Path]:
    """Writes every segment to ``FOLDER/LABEL/RECORDING/START-END.EXT``.

    So the folder is one of labels and groups that `read_manifest` reads. Tags are not copied.
    Each file is written whole.

    Args:
        path: The recording.
        segments: Of the recording; they may overlap.
        folder: Where to write.
        labels: The vocabulary; `label_folders` names the folder of each label.
        name: What to call the recording; by default its own path.
        recordings: The folders of the recordings before it, so that it has one of its own.

    Returns:
        The files, in the order of the segments.

    Raises:
        AudioError: The recording cannot be decoded, or its parts cannot be written in its format.
    """
    with ExitStack() as opened:
        source = _open_exact(path, opened) or _open_decoded(path, opened)
        # One folder a recording below each label, so that its parts are one group.
        group = (recordings or RecordingFolders()).name(name or path)
        folders = label_folders(labels)
        places = [
            folder / folders[one.label] / group / f"{one.start:.3f}-{one.end:.3f}{source.suffix}"
            for one in segments
        ]
        try:
            _write_parts(source, segments, places)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{name or path}: its parts cannot be written as {source.format} "
                f"({error.error_string}); convert it to WAV first"
            ) from None
    return places


def label_folders(labels: Sequence[str]) -> dict[str, str]:
    """The name of a folder for each label, two never the same.

    It is the label itself, but for slashes and for dots in front, which must not lead elsewhere. A
    number follows the names that would be the same then, capitals and small letters apart: not
    every file system tells those apart. One follows ``train`` and the like too, which name splits.

    Args:
        labels: The vocabulary; the same one always gives the same names.

    Example:
        >>> label_folders(["rain", "rain/wind", "rain_wind"])
        {'rain': 'rain', 'rain_wind': 'rain_wind', 'rain/wind': 'rain_wind_2'}
    """
    plain = {label: label.replace("/", "_").lstrip(".") or "_" for label in labels}
    folders: dict[str, str] = {}
    # A folder that is called as a split would be taken for one.
    taken = set(SPLIT_NAMES)
    # A label that can be the name of a folder is so, whatever else would have its name.
    for label in sorted(labels, key=lambda one: plain[one] != one):
        names = _numbered(plain[label])
        folders[label] = next(name for name in names if name.casefold() not in taken)
        taken.add(folders[label].casefold())
    return folders


class RecordingFolders:
    """The name of a folder for each recording, two never the same.

    It is the path, with ``__`` for slashes and without dots in front. A number follows where an
    earlier recording has that name, capitals and small letters apart.

    Example:
        >>> folders = RecordingFolders()
        >>> [folders.name(Path(one)) for one in ("a/b.wav", "a__b.wav", "./a/b.wav")]
        ['a__b.wav', 'a__b.wav_2', 'a__b.wav']
    """

    def __init__(self) -> None:
        self._recordings: dict[str, Path] = {}

    def name(self, path: Path) -> str:
        """The folder of a recording; always the same for the same path."""
        place = place_below(Path(), path)
        recording = plain_path(path)
        return next(
            name
            for name in _numbered("__".join(place.parts).lstrip(".") or "_")
            if self._recordings.setdefault(name.casefold(), recording) == recording
        )


def _numbered(name: str) -> Iterator[str]:
    """The name itself, then with numbers from 2."""
    return itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))


def _write_parts(source: _Source, segments: Sequence[Segment], places: Sequence[Path]) -> None:
    bounds = [
        (round(one.start * source.sample_rate), round(one.end * source.sample_rate))
        for one in segments
    ]
    waiting = sorted(range(len(segments)), key=lambda at: bounds[at], reverse=True)
    writing: dict[int, tuple[ExitStack, soundfile.SoundFile]] = {}
    position = 0
    with ExitStack() as unfinished:
        for block in source.blocks:
            end = position + len(block)
            while waiting and bounds[waiting[-1]][0] < end:
                part = waiting.pop()
                files = unfinished.enter_context(ExitStack())
                writing[part] = files, _create(places[part], source, files)
            for part, (files, file) in list(writing.items()):
                first, last = bounds[part]
                file.write(block[max(first - position, 0) : last - position])
                if last <= end:
                    del writing[part]
                    files.close()
            position = end


class _Sink:
    """What libsndfile writes to. An error cannot pass through it, so that it waits for `check`."""

    def __init__(self, file: BinaryIO) -> None:
        self.tell = file.tell
        self._file = file
        self._error: OSError | None = None

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except OSError as error:
            self._error = error
            return offset

    def write(self, data: bytes) -> int:
        try:
            self._file.write(data)
        except OSError as error:
            self._error = error
        return len(data)

    def check(self) -> None:
        if self._error is not None:
            raise self._error


def _create(place: Path, source: _Source, files: ExitStack) -> soundfile.SoundFile:
    sink: Any = _Sink(files.enter_context(atomic_open(place)))
    files.callback(sink.check)
    return files.enter_context(
        soundfile.SoundFile(
            sink,
            "w",
            source.sample_rate,
            source.channels,
            source.subtype,
            format=source.format,
        )
    )


def _open_exact(path: Path, opened: ExitStack) -> _Source | None:
    """The samples as they are stored; None where they are not stored as samples."""
    try:
        # As bytes, because a name need not be text.
        name: Any = os.fsencode(path)
        file = opened.enter_context(soundfile.SoundFile(name))
    except (soundfile.LibsndfileError, TypeError):
        return None
    if file.subtype not in _EXACT_TYPES:
        return None
    dtype = _EXACT_TYPES[file.subtype]
    # What comes from a pipe has no name of its own.
    suffix = path.suffix if has_sound_name(path) else _SUFFIXES.get(file.format)

    def blocks() -> Iterator[np.ndarray]:
        while len(block := file.read(BLOCK_SAMPLES, dtype=dtype, always_2d=True)):
            yield block

    return _Source(
        *(file.samplerate, file.channels, file.format, file.subtype),
        suffix or f".{file.format.lower()}",
        name_damage(path, blocks()),
    )


def _open_decoded(path: Path, opened: ExitStack) -> _Source:
    source = opened.enter_context(open_source(path))
    blocks = name_damage(path, source.blocks(WHOLE))
    kind = "FLAC" if source.channels <= FLAC_CHANNELS else "WAV"
    suffix = f".{kind.lower()}"
    return _Source(source.sample_rate, source.channels, kind, "PCM_24", suffix, blocks)
