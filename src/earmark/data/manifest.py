"""The table of recordings: the labels of each file, and its split, fold and group."""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from earmark.data.folders import read_folder
from earmark.data.names.guesses import NAMING_HELP, guess_naming, sound_names
from earmark.data.names.naming import NO_NAMING, Naming, describe_naming
from earmark.data.overlap import refuse_group_overlap, refuse_sound_overlap
from earmark.data.recording import SPLIT_TITLES, SPLITS, Recording
from earmark.data.tables.table import read_table
from earmark.data.writing import manifest_table, stored_table
from earmark.errors import ConfigError, DataError
from earmark.features.store import ClipKey
from earmark.system.files import atomic_write, require_utf8_names
from earmark.system.notebook import html_lines, html_table
from earmark.system.remote.path import to_path

logger = logging.getLogger(__name__)

_MANIFEST_NAMES = ("manifest.csv", "manifest.jsonl", "manifest.parquet")


@dataclass(frozen=True)
class Manifest:
    """All recordings of a data set, with the label vocabulary in its fixed order.

    Args:
        source: The folder or file that it was read from.
        recordings: In the order of their names.
        labels: The vocabulary, sorted; the index of a label is its target.
        notes: What was assumed while reading.
        folder: The data folder, which is never written to; None when a table alone was given.
        naming: The patterns of file names that it was read with.

    Example:
        >>> one = Recording(Path("sounds/music/a.wav"), "music/a.wav", ("music",), group="a")
        >>> manifest = Manifest(Path("sounds"), (one,), ("music", "speech"))
        >>> len(manifest), manifest.has_splits
        (1, False)
    """

    source: Path
    recordings: tuple[Recording, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()
    folder: Path | None = None
    naming: Naming = NO_NAMING

    def __len__(self) -> int:
        return len(self.recordings)

    def __repr__(self) -> str:
        return f"Manifest({str(self.source)!r}: {len(self)} recordings; {self.summary()})"

    def _repr_html_(self) -> str:
        """A table of labels and splits for notebooks."""
        columns = {SPLIT_TITLES[split]: counts for split, counts in self.counts().items() if counts}
        if not columns:
            columns = {"recordings": self._totals()}
        rows = ((label, *(counts[label] for counts in columns.values())) for label in self.labels)
        title = html_lines(f"{self.source}: {len(self)} recordings")
        return title + html_table(("label", *columns), rows)

    @property
    def given(self) -> Path:
        """The data as they were named: the folder, also where a table inside it was read."""
        folder = self.folder
        return folder if folder and self.source.is_relative_to(folder) else self.source

    @property
    def has_splits(self) -> bool:
        """Whether every recording has a split."""
        return all(recording.split for recording in self.recordings)

    @property
    def undivided(self) -> tuple[Recording, ...]:
        """What is still to be divided by group: everything, or training without validation."""
        if not self.has_splits:
            return self.recordings
        return () if self.split("validation") else self.split("train")

    def split(self, name: str) -> tuple[Recording, ...]:
        """The recordings of a split, in order."""
        return tuple(recording for recording in self.recordings if recording.split == name)

    @property
    def without_test(self) -> "Manifest":
        """What training may look at: all but the test split."""
        return replace(
            self, recordings=tuple(one for one in self.recordings if one.split != "test")
        )

    def targets(self, recording: Recording) -> tuple[int, ...]:
        """Indices of a recording's labels in the vocabulary."""
        return tuple(self.labels.index(label) for label in recording.labels)

    def counts(self) -> dict[str, Counter[str]]:
        """Split to how many of its recordings have which label."""
        return {
            split: Counter(label for one in self.split(split) for label in one.labels)
            for split in SPLITS
        }

    def summary(self) -> str:
        """One line: how many recordings of which label are in which split."""
        counts = {split: found for split, found in self.counts().items() if found}
        parts = [
            f"{split} " + " + ".join(_counted_label(found[label], label) for label in self.labels)
            for split, found in counts.items()
        ]
        totals = self._totals()
        return ", ".join(parts or [_counted_label(totals[label], label) for label in self.labels])

    def _totals(self) -> Counter[str]:
        return Counter(label for one in self.recordings for label in one.labels)

    def to_csv(self, keys: Mapping[str, ClipKey], folder: Path) -> str:
        """The text of ``recordings.csv``, which `read_manifest` reads.

        Args:
            keys: Name of a recording to the key of its features, where they are stored.
            folder: Where the table will lie; the paths are relative to it.
        """
        return stored_table(self.recordings, keys, folder)

    def write(self, path: Path | str) -> None:
        """Writes a CSV manifest that reads as this one does.

        Args:
            path: The file, ``.csv``. Paths in it are relative to its folder. It has a column for
                everything that the recordings have: splits, folds, groups, excerpts and other
                columns.

        Raises:
            DataError: A file name is no text, so that no table can hold it.
            OSError: The file cannot be written.

        Example:
            >>> import earmark, tempfile
            >>> from earmark.data.demo import demo_data
            >>> with demo_data() as data, tempfile.TemporaryDirectory() as folder:
            ...     earmark.read_manifest(data).write(f"{folder}/all.csv")
            ...     len(earmark.read_manifest(f"{folder}/all.csv"))
            130
        """
        path = Path(path)
        if path.suffix.lower() != ".csv":
            raise DataError(f"{path}: a manifest is written as CSV; give a name with .csv")
        atomic_write(path, manifest_table(self.recordings, path.parent))


def read_manifest(
    data: Path | str | Manifest, *, label_from: str | None = None, group_from: str | None = None
) -> Manifest:
    """Reads a data set: a folder of either layout, or a CSV, JSON Lines or Parquet manifest.

    Args:
        data: ``DATA/{training,validation,testing}/LABEL/**``, ``DATA/LABEL/**``, a folder that
            holds a ``manifest.csv`` (``.jsonl``, ``.parquet``), or the manifest itself. In both
            layouts the folder below the label, if there is one, is the group. A `Manifest` is
            returned as it is.
        label_from: A pattern of file names with the label in it, such as ``{label}_*``, for data
            without label folders. `NamePattern` describes the patterns. Other fields in it are the
            group, except ``{split}`` and ``{fold}``.
        group_from: A pattern with the group in it, such as ``{speaker}_nohash_*``. A group may
            have several labels.

    Raises:
        ConfigError: A pattern is wrong, or this Python does not read file names as UTF-8.
        DataError: Nothing usable is there, groups or sound overlap between splits, or file names
            do not fit ``label_from``.

    Example:
        >>> from earmark.data.demo import demo_data
        >>> with demo_data() as folder:
        ...     read_manifest(folder).labels
        ('music', 'speech')
    """
    naming = Naming(label_from, group_from)
    if isinstance(data, Manifest):
        if naming:
            raise ConfigError(f"{data.source}: already read; pass {naming} to read_manifest")
        return data
    require_utf8_names()
    data = to_path(data)
    _require_data(data)
    table, rows = _find_table(data), {}
    if table is None:
        recordings, notes = read_folder(data, naming)
    else:
        found = read_table(table, naming)
        recordings, rows = found.recordings, found.rows
        notes = [*([f"taken from {table.name}"] if table != data else []), *found.notes]
    ordered = tuple(sorted(recordings, key=lambda one: (one.name, one.excerpt.start)))
    labels = tuple(sorted({label for one in ordered for label in one.labels}))
    folder = data if data.is_dir() else None
    manifest = Manifest(table or data, ordered, labels, tuple(notes), folder, naming)
    for line in describe_naming(naming, ordered) if naming else ():
        logger.info(line)
    _check(manifest, rows)
    return manifest


def _require_data(data: Path) -> None:
    try:
        is_there = data.exists()
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"{data}: cannot be read: {error.strerror}") from None
    if not is_there:
        raise DataError(f"{data}: no such file or folder")


def _counted_label(count: int, label: str) -> str:
    """A label after the number of its recordings.

    Example:
        >>> _counted_label(20, "speech"), _counted_label(20, "3"), _counted_label(20, "a, b")
        ('20 speech', '20 "3"', '20 "a, b"')
    """
    is_plain = label[:1].isalpha() and "," not in label
    return f"{count} {label}" if is_plain else f'{count} "{label}"'


def _nothing_found(manifest: Manifest) -> DataError:
    """Why there are no recordings, with the pattern that would find some."""
    source = manifest.source
    names = sound_names(source) if source.is_dir() else []
    if not names:
        found = f" ({'; '.join(manifest.notes)})" if manifest.notes else ""
        return DataError(
            f"{source}: no sound files found; expected DATA/LABEL/*.wav, "
            "DATA/{training,validation,testing}/LABEL/*.wav or a manifest with path and label"
            f"{found}"
        )
    guess = guess_naming(names)
    advice = str(guess) if guess else NAMING_HELP
    options = str(guess.naming) if guess else ""
    found = f"{len(names)} sound file{'' if len(names) == 1 else 's'}"
    return DataError(f"{source}: {found}, but no label folders; {advice}", options)


def _find_table(data: Path) -> Path | None:
    """The manifest file that the data are or hold."""
    if data.is_file():
        return data
    return next((data / name for name in _MANIFEST_NAMES if (data / name).is_file()), None)


def _check(manifest: Manifest, rows: Mapping[str, int]) -> None:
    """Checks that there are recordings, and that their splits share neither groups nor sound.

    Args:
        manifest: What was read.
        rows: Name of a recording to its row in the manifest file, if it was read from one.

    Raises:
        DataError: They do not pass.
    """
    if not manifest.recordings:
        raise _nothing_found(manifest)
    if any(recording.split for recording in manifest.recordings) and not manifest.has_splits:
        without = next(one for one in manifest.recordings if not one.split)
        raise DataError(
            f"{manifest.source}: {without.name} has no split but others have; fill in every split"
        )
    refuse_group_overlap(manifest.source, manifest.recordings, "split")
    refuse_sound_overlap(manifest.source, manifest.undivided, "group", rows)
    if manifest.has_splits:
        refuse_sound_overlap(manifest.source, manifest.recordings, "split", rows)
