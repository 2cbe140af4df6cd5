"""A recording: a sound file, or an excerpt of one, with what is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from earmark.audio.source import WHOLE, Excerpt

SPLITS = ("train", "validation", "test")
SPLIT_NAMES = {
    **dict.fromkeys(("training", "train"), "train"),
    **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
    **dict.fromkeys(("testing", "test"), "test"),
}
"""Names of the splits in data, in lower case, to the names that earmark uses."""
SPLIT_TITLES = {"train": "training", "validation": "validation", "test": "test"}
"""Names of the splits in messages."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, or an excerpt of one, with what is known about it.

    Args:
        path: The file.
        name: Its path below the data folder, followed by the excerpt if it is one.
        labels: Its labels; in binary and multi-class tasks exactly one.
        group: Recordings of one group (speaker, piece, session) never straddle splits.
        split: ``train``, ``validation``, ``test``, or None when not yet assigned.
        fold: The fold that the manifest names.
        excerpt: Which part of the file.
        extra: Every other column of the manifest.
    """

    path: Path
    name: str
    labels: tuple[str, ...]
    group: str
    split: str | None = None
    fold: str | None = None
    excerpt: Excerpt = WHOLE
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """The path of its file below the data folder."""
        excerpt = str(self.excerpt)
        return self.name.removesuffix(f" {excerpt}") if excerpt else self.name

    @property
    def has_group(self) -> bool:
        """Whether a group was given; otherwise it is the file."""
        return self.group != self.file_name
