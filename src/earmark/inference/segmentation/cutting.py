"""Splits a recording into one sound file per segment, in one pass.

WAV, FLAC, AIFF, AU and CAF are copied sample by sample, in their own format and encoding; other
containers of uncompressed samples become WAV. Lossy files (mp3, Ogg, Opus, m4a and others) are
decoded and written as 24-bit FLAC, or as WAV if they have more channels than FLAC allows: a packet
of such a file depends on the packets before it, so cuts between packets are neither exact nor free
of clicks. The extension is always one of the format, whatever the recording is called.
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

from earmark.audio.decoding import name_damage, open_source
from earmark.audio.formats.pieces import PiecedFile, open_bytes
from earmark.audio.source import WHOLE
from earmark.data.recording import SPLIT_NAMES
from earmark.errors import AudioError
from earmark.inference.segmentation.segments import Segment
from earmark.system.files import atomic_open, fit_name, place_below, plain_path
from earmark.system.remote.path import RemotePath

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
"""Encodings that are copied without loss, and the type of their samples in memory."""
_SUFFIXES = {
    "WAV": (".wav",),
    "WAVEX": (".wav",),
    "RF64": (".wav", ".rf64"),
    "W64": (".w64",),
    "FLAC": (".flac",),
    "AIFF": (".aiff", ".aif", ".aifc"),
    "AU": (".au", ".snd"),
    "CAF": (".caf",),
}
"""The extensions of the formats that are written, the usual one first."""
FLAC_CHANNELS = 8


@dataclass(frozen=True)
class _Source:
    """A recording that can be read once, and the format of its segments."""

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
    """Writes every segment of a recording to ``FOLDER/LABEL/RECORDING/START-END.EXT``.

    `read_manifest` reads the folder as a data set with labels and groups. Tags are not copied. Each
    file is written atomically.

    Args:
        path: The recording.
        segments: Segments of the recording; they may overlap. One that ends after the recording is
            cut at its end.
        folder: The output folder.
        labels: The vocabulary; `label_folders` names the folder of each label.
        name: Name of the recording; by default its path.
        recordings: The folder names of earlier recordings, which this one must not share.

    Returns:
        The files, in the order of the segments.

    Raises:
        AudioError: The recording cannot be decoded, a segment starts after its end, or its format
            cannot be written.
    """
    with ExitStack() as opened:
        source = _open_exact(path, opened) or _open_decoded(path, opened)
        # One folder per recording below each label, so that its segments form one group.
        group = (recordings or RecordingFolders()).name(name or path)
        folders = label_folders(labels)
        files = [
            folder / folders[one.label] / group / f"{one.start:.3f}-{one.end:.3f}{source.suffix}"
            for one in segments
        ]
        try:
            num_samples = _write_segments(source, segments, files)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"{name or path}: segments cannot be written as {source.format} "
                f"({error.error_string}); convert the file to WAV first"
            ) from None
    for one in segments:
        if round(one.start * source.sample_rate) >= num_samples:
            raise AudioError(
                f"{name or path}: the sound ends after {num_samples / source.sample_rate:.3f} s, "
                f"before the segment {one.start:.3f}-{one.end:.3f} s; give the segments of this "
                "recording",
                "short",
            )
    return files


def label_folders(labels: Sequence[str]) -> dict[str, str]:
    """A folder name for each label, all different.

    It is the label itself, with slashes replaced and without leading dots, so that it stays inside
    the folder, and shortened by `fit_name`. A number is appended to names that would be equal
    otherwise, also if they differ by case only, as some file systems ignore case, and to ``train``
    and the like, which name splits.

    Args:
        labels: The vocabulary; the same one always gives the same names.

    Example:
        >>> label_folders(["rain", "rain/wind", "rain_wind"])
        {'rain': 'rain', 'rain_wind': 'rain_wind', 'rain/wind': 'rain_wind_2'}
    """
    plain = {label: fit_name(label.replace("/", "_").lstrip(".") or "_") for label in labels}
    folders: dict[str, str] = {}
    # `read_manifest` would read a folder of such a name as a split.
    taken = set(SPLIT_NAMES)
    # Labels that need no replacement come first, so that they keep their names.
    for label in sorted(labels, key=lambda one: plain[one] != one):
        names = _numbered(plain[label])
        folders[label] = next(name for name in names if name.casefold() not in taken)
        taken.add(folders[label].casefold())
    return folders


class RecordingFolders:
    """A folder name for each recording, all different.

    It is the path, with ``__`` for slashes and without leading dots, shortened by `fit_name`. A
    number is appended where an earlier recording has the same name, also if they differ by case
    only.

    Example:
        >>> folders = RecordingFolders()
        >>> [folders.name(Path(one)) for one in ("a/b.wav", "a__b.wav", "./a/b.wav")]
        ['a__b.wav', 'a__b.wav_2', 'a__b.wav']
    """

    def __init__(self) -> None:
        self._recordings: dict[str, Path] = {}

    def name(self, path: Path) -> str:
        """The folder name of a recording; always the same for the same path."""
        relative = place_below(Path(), path)
        recording = plain_path(path)
        return next(
            name
            for name in _numbered(fit_name("__".join(relative.parts).lstrip(".") or "_"))
            if self._recordings.setdefault(name.casefold(), recording) == recording
        )


def _numbered(name: str) -> Iterator[str]:
    """The name itself, then the name with numbers from 2."""
    return itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))


def _write_segments(source: _Source, segments: Sequence[Segment], files: Sequence[Path]) -> int:
    """Writes the segments that start within the recording; returns its length in samples."""
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
                at = waiting.pop()
                opened = unfinished.enter_context(ExitStack())
                writing[at] = opened, _create(files[at], source, opened)
            for at, (opened, file) in list(writing.items()):
                first, last = bounds[at]
                file.write(block[max(first - position, 0) : last - position])
                if last <= end:
                    del writing[at]
                    opened.close()
            position = end
    return position


class _Sink:
    """A file that libsndfile writes to. It hides errors of the callbacks; `check` raises them."""

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


def _create(path: Path, source: _Source, opened: ExitStack) -> soundfile.SoundFile:
    sink: Any = _Sink(opened.enter_context(atomic_open(path)))
    opened.callback(sink.check)
    return opened.enter_context(
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
    """Reads the samples as they are stored; None for a lossy or unknown encoding."""
    remote = None
    if isinstance(path, RemotePath):
        content = opened.enter_context(open_bytes(path))
        remote = PiecedFile(content, [range(content.seek(0, os.SEEK_END))])
    try:
        # As bytes, because a file name need not be valid text.
        name: Any = remote or os.fsencode(path)
        file = opened.enter_context(soundfile.SoundFile(name))
    except (soundfile.LibsndfileError, TypeError):
        return None
    if file.subtype not in _EXACT_TYPES:
        return None
    dtype = _EXACT_TYPES[file.subtype]
    container, subtype = file.format, file.subtype
    if container not in _SUFFIXES:
        container = "WAV"
        # WAV has no signed samples of 8 bits.
        subtype = subtype if soundfile.check_format("WAV", subtype) else "PCM_16"
    suffixes = _SUFFIXES[container]
    suffix = path.suffix if path.suffix.lower() in suffixes else suffixes[0]

    def blocks() -> Iterator[np.ndarray]:
        while len(block := file.read(BLOCK_SAMPLES, dtype=dtype, always_2d=True)):
            yield block
        if remote is not None and remote.error is not None:
            raise remote.error

    return _Source(
        *(file.samplerate, file.channels, container, subtype),
        suffix,
        name_damage(path, blocks()),
    )


def _open_decoded(path: Path, opened: ExitStack) -> _Source:
    source = opened.enter_context(open_source(path))
    blocks = name_damage(path, source.blocks(WHOLE))
    container = "FLAC" if source.channels <= FLAC_CHANNELS else "WAV"
    suffix = _SUFFIXES[container][0]
    return _Source(source.sample_rate, source.channels, container, "PCM_24", suffix, blocks)
