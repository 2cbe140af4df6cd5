"""The clips to review, in order, with what a model predicts for each."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import xxhash

from earmark.audio.source import Excerpt
from earmark.data.recording import Recording
from earmark.system.remote.path import RemotePath

Place = tuple[str, float, float | None]
"""What a clip is, whichever queue lists it: its file, and where it starts and ends in seconds."""


def place_of(path: Path, excerpt: Excerpt) -> Place:
    """The same for all spellings of a path.

    Args:
        path: The file.
        excerpt: Which part of it.
    """
    if isinstance(path, RemotePath):
        return str(path), excerpt.start, excerpt.end
    return f"{_real(path.parent)}{os.sep}{path.name}", excerpt.start, excerpt.end


@cache
def _real(folder: Path) -> str:
    return os.path.realpath(folder)


@dataclass(frozen=True)
class QueueItem:
    """A clip to review.

    Args:
        recording: The clip, with the labels that it has so far.
        predicted: What a model predicts, joined as in a manifest.
        probability: Of the predicted label.
        score: Of what ordered the queue.
        reason: Why the clip is in the queue, for people.
    """

    recording: Recording
    predicted: str = ""
    probability: float | None = None
    score: float | None = None
    reason: str = ""

    @cached_property
    def key(self) -> str:
        """What the clip is called in addresses: the same for the same queue, and no path."""
        return xxhash.xxh3_64_hexdigest(self.recording.name.encode(errors="surrogateescape"))

    @property
    def place(self) -> Place:
        """What the clip is, whichever queue lists it."""
        return place_of(self.recording.path, self.recording.excerpt)


@dataclass(frozen=True)
class Queue:
    """Clips to review.

    Args:
        title: What was given, for people.
        items: The clips, in order.
        labels: The vocabulary, in order.
        is_multi_label: Whether a clip may have any number of labels.
        others: Recordings of the same data set that nobody is asked about.
    """

    title: str
    items: tuple[QueueItem, ...]
    labels: tuple[str, ...]
    is_multi_label: bool
    others: tuple[Recording, ...] = field(default=(), repr=False)

    @cached_property
    def by_key(self) -> Mapping[str, QueueItem]:
        """Key to clip."""
        return {one.key: one for one in self.items}

    @cached_property
    def by_place(self) -> Mapping[Place, QueueItem]:
        """Place to clip."""
        return {one.place: one for one in self.items}

    @cached_property
    def by_file(self) -> Mapping[str, Sequence[QueueItem]]:
        """File, as in a place, to its clips."""
        found: dict[str, list[QueueItem]] = defaultdict(list)
        for one in self.items:
            found[one.place[0]].append(one)
        return found


def make_queue(
    title: str,
    items: Iterable[QueueItem],
    *,
    labels: Iterable[str] = (),
    is_multi_label: bool = False,
    others: Iterable[Recording] = (),
) -> Queue:
    """A queue whose vocabulary is that of its clips and predictions.

    Args:
        title: What was given, for people.
        items: The clips, in order.
        labels: The first labels of the vocabulary, in this order.
        is_multi_label: Whether a clip may have several labels; it may also if one has.
        others: Recordings of the same data set that nobody is asked about.

    Example:
        >>> one = Recording(Path("a.wav"), "a.wav", ("speech",), group="a.wav")
        >>> make_queue("two", [QueueItem(one, predicted="music")], labels=["noise"]).labels
        ('noise', 'music', 'speech')
    """
    items, others = tuple(items), tuple(others)
    recordings = [*(one.recording for one in items), *others]
    known = {label for one in recordings for label in one.labels}
    known |= {label for one in items for label in one.predicted.split(";") if label}
    return Queue(
        title,
        items,
        tuple(dict.fromkeys((*labels, *sorted(known)))),
        is_multi_label or any(len(one.labels) > 1 for one in recordings),
        others,
    )
