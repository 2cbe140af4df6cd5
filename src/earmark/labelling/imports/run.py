"""The import: sources, to label files, to recordings, to a manifest."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from earmark.audio.reading import is_audio
from earmark.data.folders import walk
from earmark.data.manifest import Manifest
from earmark.data.names.patterns import NamePattern
from earmark.data.recording import Recording
from earmark.errors import AudioError, ConfigError, DataError, FailedFile
from earmark.labelling.imports.annotations import Annotation, LabelFile, ReadOptions
from earmark.labelling.imports.excerpts import ExcerptOptions
from earmark.labelling.imports.file_names import describe_file_names, read_file_names
from earmark.labelling.imports.label_files import (
    find_label_files,
    read_label_file,
)
from earmark.labelling.imports.lengths import read_lengths
from earmark.labelling.imports.placing import Placed, check_recording
from earmark.labelling.imports.readers.tables import ROLES
from earmark.labelling.imports.recordings import SoundFinder
from earmark.labelling.imports.result import ImportedLabels, LeftOut
from earmark.labelling.imports.rows import excerpt_rows
from earmark.system.files import require_utf8_names
from earmark.system.progress import SILENT, Reporter

logger = logging.getLogger(__name__)

Paths = Sequence[Path | str] | Path | str


def import_labels(
    sources: Paths,
    *,
    audio: Path | str | None = None,
    columns: Mapping[str, str] | None = None,
    tiers: Sequence[str] = (),
    options: ExcerptOptions | None = None,
    reporter: Reporter = SILENT,
) -> ImportedLabels:
    r"""Reads label files of other programs: labelled excerpts of the recordings beside them.

    Audacity label tracks, Raven selection tables, Praat TextGrids, ELAN documents, RTTM, WebVTT,
    tables of Kaleidoscope, BirdNET and others, and what ``predict --segments-to`` writes. What
    cannot be used is in ``failed``; a recording about which anything is wrong is left out whole, as
    the rest of it would become background.

    Args:
        sources: Label files, or folders with them.
        audio: The recording, or the folder with the recordings, if they are not beside the label
            files.
        columns: What a column of a table holds (`ROLES`), to its name in the file, such as
            ``{"label": "Species"}``.
        tiers: The tiers to read of Praat and ELAN files; all by default.
        options: How annotations become excerpts.
        reporter: Shows progress.

    Raises:
        ConfigError: An option is wrong.
        DataError: A source or ``audio`` is not there.

    Example:
        >>> import soundfile, tempfile, numpy
        >>> folder = Path(tempfile.mkdtemp())
        >>> soundfile.write(folder / "a.wav", numpy.zeros(24_000), 8000)
        >>> _ = (folder / "a.txt").write_text("1.0\t2.0\twren\n")
        >>> print(import_labels(folder).headline)
        3 excerpts of 1 recording (2 "_background_", 1 wren)
    """
    require_utf8_names()
    options = options or ExcerptOptions()
    unknown = sorted(set(columns or {}) - set(ROLES))
    if unknown:
        raise ConfigError(f"--columns {unknown[0]}=...: unknown; give {', '.join(ROLES)}")
    read = ReadOptions(columns or {}, tuple(tiers), options.multi_label)
    paths = _as_paths(sources)
    work = _Import(SoundFinder(Path(audio) if audio else None), read)
    for source in paths:
        for path in find_label_files(source):
            work.read(path, is_named=source == path)
    return _finish(work, paths, options, reporter)


def import_file_names(sources: Paths, pattern: str) -> ImportedLabels:
    r"""Reads labels and other facts from the names of sound files.

    Args:
        sources: Folders with sound files, or files.
        pattern: As `NamePattern`, such as ``{label}.{number}.wav``. Fields other than ``label``,
            ``group``, ``split`` and ``fold`` become columns; without ``{label}`` the folder gives
            the label.

    Raises:
        ConfigError: The pattern is wrong.
        DataError: A source is not there.
    """
    require_utf8_names()
    paths = _as_paths(sources)
    recordings, failed = read_file_names(paths, NamePattern(pattern))
    for line in describe_file_names(recordings):
        logger.info(line)
    return ImportedLabels(_manifest(paths, recordings), 0, 0, tuple(failed))


def _as_paths(sources: Paths) -> list[Path]:
    given = [sources] if isinstance(sources, Path | str) else sources
    return [Path(one) for one in given]


@dataclass
class _Import:
    """What was read so far."""

    finder: SoundFinder
    options: ReadOptions
    placed: dict[Path, list[Placed]] = field(default_factory=lambda: defaultdict(list))
    failed: list[FailedFile] = field(default_factory=list)
    refused: set[Path] = field(default_factory=set)
    left_out: LeftOut = field(default_factory=LeftOut)
    tiers: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    num_files: int = 0
    num_annotations: int = 0

    def fail(self, path: Path, message: str, recording: Path | None = None) -> None:
        """Notes a problem; the recording is then left out."""
        self.failed.append(FailedFile(path, message))
        if recording:
            self.refused.add(recording)

    def read(self, path: Path, *, is_named: bool) -> None:
        """Reads a label file and finds its recordings."""
        try:
            found = read_label_file(path, self.options)
        except DataError as error:
            self.fail(path, str(error), self._beside(path))
            return
        is_meant = is_named or (bool(self._beside(path)) and not found.is_manifest)
        if not is_meant and (found.is_manifest or not found.is_known):
            self.left_out.ignored.append(path)
            return
        self.num_files += 1
        self.num_annotations += len(found.annotations)
        self.tiers |= dict.fromkeys(found.tiers)
        self.notes += [f"{path}: {note}" for note in found.notes]
        self._place(path, found)

    def _beside(self, path: Path) -> Path | None:
        try:
            return self.finder.for_label_file(path)
        except DataError:
            return None

    def _place(self, path: Path, found: LabelFile) -> None:
        """Assigns annotations and problems to recordings."""
        by_name: dict[str, list[Annotation]] = defaultdict(list)
        for one in found.annotations:
            by_name[one.recording].append(one)
        names = dict.fromkeys(
            [*by_name, *(one.recording for one in found.problems if one.recording)] or [""]
        )
        places: dict[str, Path | None] = dict.fromkeys(names)
        for name in names:
            try:
                places[name] = self._locate(path, name, list(names), found)
            except DataError as error:
                if name or not found.problems:
                    self.fail(path, str(error))
        for problem in found.problems:
            # What concerns the whole file concerns all of its recordings.
            those = [problem.recording] if problem.recording else list(places)
            for name in those:
                if place := places.get(name):
                    self.refused.add(place)
            self.fail(path, f"{path}, {problem.where}: {problem.why}")
        for name, place in places.items():
            if place:
                self.placed[place].append(Placed(path, found, tuple(by_name[name])))

    def _locate(self, path: Path, name: str, names: Sequence[str], found: LabelFile) -> Path:
        if not name:
            return self.finder.for_label_file(path, found.media)
        return self.finder.named(path, name, is_only=len(set(names) - {""}) == 1)


def _finish(
    work: _Import, sources: Sequence[Path], options: ExcerptOptions, reporter: Reporter
) -> ImportedLabels:
    lengths = read_lengths(work.placed, reporter)
    recordings: list[Recording] = []
    for path, placed in work.placed.items():
        seconds = lengths[path]
        if isinstance(seconds, AudioError):
            work.fail(path, str(seconds), path)
            continue
        checked = check_recording(path, placed, seconds, options)
        for label_file, message in checked.problems:
            work.fail(label_file, message, path)
        if path in work.refused:
            continue
        rows, excerpts = excerpt_rows(path, checked, seconds, options)
        recordings += rows
        work.left_out.add(excerpts)
    work.left_out.num_without_labels = _count_unlabelled(sources, set(work.placed) | work.refused)
    if len(work.tiers) > 1 and not work.options.tiers:
        work.notes.append(f"all tiers are read ({', '.join(work.tiers)}); --tier chooses some")
    return ImportedLabels(
        _manifest(sources, recordings),
        *(work.num_files, work.num_annotations, tuple(work.failed), work.left_out),
        (*work.notes, *work.left_out.notes()),
    )


def _count_unlabelled(sources: Sequence[Path], used: set[Path]) -> int:
    real = {path.resolve() for path in used}
    sounds = {
        path.resolve()
        for source in sources
        if source.is_dir()
        for path in walk(source)
        if is_audio(path)
    }
    return len(sounds - real)


def _manifest(sources: Sequence[Path], recordings: Sequence[Recording]) -> Manifest:
    ordered = tuple(sorted(recordings, key=lambda one: (str(one.path), one.excerpt.start)))
    labels = tuple(sorted({label for one in ordered for label in one.labels}))
    return Manifest(sources[0], ordered, labels)
