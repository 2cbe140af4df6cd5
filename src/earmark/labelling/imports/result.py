"""What an import gives: a manifest, what could not be used, and what was left out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earmark.data.manifest import Manifest
from earmark.errors import FailedFile
from earmark.labelling.imports.excerpts import Excerpts
from earmark.system.numbers import counted


@dataclass
class LeftOut:
    """What an import counted but did not use.

    Args:
        num_partial: Windows that annotations touch without covering enough.
        num_mixed: Windows with several labels where only one is allowed.
        lost: Label to the number of its annotations that are in no excerpt.
        ignored: Files below a folder that hold no labels, or are manifests.
        num_without_labels: Recordings in the folders that no label file is about.
    """

    num_partial: int = 0
    num_mixed: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    ignored: list[Path] = field(default_factory=list)
    num_without_labels: int = 0

    def add(self, excerpts: Excerpts) -> None:
        """Counts what the excerpts of a recording left out."""
        self.num_partial += excerpts.num_partial
        self.num_mixed += excerpts.num_mixed
        self.lost += excerpts.lost

    def warnings(self) -> Iterator[str]:
        """What may need other settings, a line each."""
        if self.lost:
            listed = ", ".join(f"{label} {count}" for label, count in self.lost.most_common(8))
            yield (
                f"{counted(self.lost.total(), 'annotation')} in no excerpt ({listed}); lower --hop "
                "or --min-coverage, or give --multi-label or --whole"
            )
        if self.num_mixed:
            yield (
                f"{counted(self.num_mixed, 'window')} with several labels left out; give "
                "--multi-label to keep them"
            )

    def notes(self) -> Iterator[str]:
        """What was left out as it should be, a line each."""
        if self.num_partial:
            yield f"{counted(self.num_partial, 'window')} that no label covers enough left out"
        if self.ignored:
            listed = ", ".join(path.name for path in self.ignored[:3])
            more = ", ..." if self.ignored[3:] else ""
            count = counted(len(self.ignored), "file")
            yield f"{count} without labels, or manifests, left out ({listed}{more})"
        if self.num_without_labels:
            yield f"{counted(self.num_without_labels, 'recording')} without a label file left out"


@dataclass(frozen=True)
class ImportedLabels:
    """What `import_labels` gives.

    Args:
        manifest: The labelled excerpts.
        num_files: Label files that were read.
        num_annotations: Annotations in them.
        failed: What could not be used: label files, recordings, file names; one for each problem.
        left_out: What was counted but not used.
        notes: What was assumed.
    """

    manifest: Manifest
    num_files: int
    num_annotations: int
    failed: tuple[FailedFile, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ImportedLabels({self.headline})"

    @property
    def headline(self) -> str:
        """One line: how much there is."""
        manifest = self.manifest
        recordings = {one.path for one in manifest.recordings}
        text = f"{len(manifest):,} excerpts of {counted(len(recordings), 'recording')}"
        return f"{text} ({manifest.summary()})" if len(manifest) else text

    def write(self, path: Path | str) -> None:
        """Writes the manifest, as `Manifest.write`.

        Args:
            path: The file, ``.csv``.
        """
        self.manifest.write(path)

    def to_dict(self) -> dict[str, Any]:
        """The document that ``--json`` prints."""
        counts = Counter(label for one in self.manifest.recordings for label in one.labels)
        return {
            "num_files": self.num_files,
            "num_annotations": self.num_annotations,
            "num_recordings": len({one.path for one in self.manifest.recordings}),
            "num_excerpts": len(self.manifest),
            "labels": {label: counts[label] for label in self.manifest.labels},
            "num_partial": self.left_out.num_partial,
            "num_mixed": self.left_out.num_mixed,
            "lost": dict(sorted(self.left_out.lost.items())),
            "ignored": [str(path) for path in self.left_out.ignored],
            "num_without_labels": self.left_out.num_without_labels,
            "notes": list(self.notes),
            "failed": [one.to_dict() for one in self.failed],
        }
