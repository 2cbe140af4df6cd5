"""A review: the queue, the answers to it, and the labels that they come to."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from earmark.audio.source import Excerpt
from earmark.data.recording import Recording
from earmark.data.tables.table import read_table
from earmark.errors import ConfigError, DataError
from earmark.labelling.review.answers import Answer, ClipState, checked
from earmark.labelling.review.lengths import Lengths
from earmark.labelling.review.log import AnswerLog, Entry
from earmark.labelling.review.queue import Place, Queue, QueueItem, place_of
from earmark.labelling.review.sources import OPINIONS
from earmark.labelling.review.states import States
from earmark.labelling.review.table import LabelsFile

REVIEWED = "reviewed"
"""The column of ``labels.csv`` that tells which labels a person gave."""


class Review:
    """A queue and the answers to it; for use by several threads.

    Args:
        queue: The clips.
        labels: The table that is written, ``labels.csv``; the log lies beside it.

    Raises:
        ConfigError: The table is not one that a review wrote, or another process writes it.
        DataError: The log is damaged.
    """

    def __init__(self, queue: Queue, labels: Path) -> None:
        self.queue = queue
        if labels.is_dir() or labels.suffix.lower() != ".csv":
            raise ConfigError(
                f"{labels}: labels are written as CSV; give a file such as labels.csv"
            )
        if labels.exists() and not AnswerLog.path_of(labels).exists():
            raise ConfigError(f"{labels}: exists and has no log of answers; choose another -o")
        self.log = AnswerLog(labels)
        self._lock = threading.Lock()
        self.changes: list[str] = []
        """Keys of the clips that were answered, in order, since the review was opened."""
        self._lengths = Lengths()
        try:
            self.states = States.of_entries(self.log.read())
            self._earlier = _not_reviewed(labels)
            self._file = LabelsFile(labels, self.recordings)
        except BaseException:
            self.log.close()
            raise

    def close(self) -> None:
        """Writes the labels for the last time."""
        self._file.close()
        self.log.close()
        self._lengths.close()

    def __enter__(self) -> "Review":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def save(self, answer: Answer) -> bool:
        """Saves an answer; when this returns, it is on disk.

        One to an earlier revision of the clip is kept, but does not count, unless it repeats what
        holds already. One that was saved before is not saved again.

        Args:
            answer: As it came.

        Returns:
            Whether it counts.

        Raises:
            DataError: It cannot be an answer to a clip of the queue, or its segment ends after the
                file of the clip.
            OSError: It cannot be written.
        """
        item, answer = self._checked(answer)
        with self._lock:
            state = self.states.of(item)
            if answer.id in self.states.saved:
                return self.states.saved[answer.id]
            self._refuse(item, answer)
            is_accepted = state.takes(answer)
            if not is_accepted and answer.is_same_as(state.current):
                return True
            entry = Entry(answer, is_accepted, item.recording)
            self.log.append(entry)
            self.states.add(entry)
            self.changes.append(item.key)
        self._file.renew()
        return is_accepted

    def take(self, answers: Sequence[Answer], source: Path) -> tuple[int, int]:
        """Saves the answers of a page that worked alone; none if one is wrong by itself.

        Args:
            answers: As the page handed them back.
            source: Their file, for messages.

        Returns:
            How many count, and how many are in conflict with others.

        Raises:
            DataError: One cannot be an answer to a clip of the queue; its number is named.
        """
        for number, one in enumerate(answers, start=1):
            with _numbered(source, number):
                self._checked(one)
        num_accepted = 0
        for number, one in enumerate(answers, start=1):
            with _numbered(source, number):
                num_accepted += self.save(one)
        return num_accepted, len(answers) - num_accepted

    def _checked(self, answer: Answer) -> tuple[QueueItem, Answer]:
        """The clip of an answer, and the answer with its labels as manifests write them."""
        item = self.queue.by_key.get(answer.clip)
        if item is None:
            raise DataError("answer: no such clip in this queue; load the page again")
        answer = checked(answer, is_multi_label=self.queue.is_multi_label)
        if answer.start is not None and answer.id not in self.states.saved:
            segment = Excerpt(answer.start, answer.end)
            self._lengths.refuse_beyond(item.recording.path, segment)
        return item, answer

    def recordings(self) -> list[Recording]:
        """What ``labels.csv`` lists: clips with a label, and which of them a person gave.

        A clip that was skipped or not answered keeps the labels that it had; one that nobody is
        sure of is left out. One without a group gets that of another clip of its file. Where some
        have a split, one without gets that of its group, or else is for training, as a manifest has
        a split for all or for none. Where some have a fold, one without gets that of its group; if
        that does not give one to all, none has one.
        """
        with self._lock:
            known = dict(self._known())
            groups = {_file_of(place): one.group for place, one in known.items() if one.has_group}
            found = [
                replace(labelled, group=groups.get(_file_of(place), one.group))
                for place, one in known.items()
                if (labelled := _labelled(one, self.states.clips.get(place))) is not None
            ]
        if not any(len(one.labels) > 1 for one in found):
            # Such a manifest could not be read: a label would be missing.
            found = [one for one in found if one.labels]
        return sorted(
            _with_folds(_with_splits(found)), key=lambda one: (one.name, one.excerpt.start)
        )

    def _known(self) -> Iterator[tuple[Place, Recording]]:
        """All clips: of the table, of the log, of the data set, and of the queue."""
        earlier, listed = (
            {place_of(one.path, one.excerpt): one for one in recordings}
            for recordings in (
                self._earlier,
                [*(one.recording for one in self.queue.items), *self.queue.others],
            )
        )
        yield from {**earlier, **self.states.recordings, **listed}.items()

    def _refuse(self, item: QueueItem, answer: Answer) -> None:
        """Refuses what no table of labels could hold."""
        name = item.recording.name
        if name != name.encode(errors="replace").decode():
            raise DataError("the name of the file is not UTF-8; rename it")
        before = self.states.of(item)
        after = replace(before, accepted=[*before.accepted], conflicts=[])
        after.add(answer, is_accepted=True)
        wanted = _segment_of(item.recording, after)
        if wanted == _segment_of(item.recording, before):
            return
        for place, one in self._known():
            if place != item.place and wanted == _segment_of(one, self.states.clips.get(place)):
                raise DataError("another clip is exactly this segment; choose a different one")


@contextmanager
def _numbered(source: Path, number: int) -> Iterator[None]:
    """Names the answer that an error is about."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{source}, answer {number}: {error}") from None


def _file_of(place: Place) -> str:
    return place[0]


def _not_reviewed(labels: Path) -> tuple[Recording, ...]:
    """The clips of a table that no answer is about: those of earlier queues stay in it."""
    if not labels.exists():
        return ()
    try:
        found = read_table(labels).recordings
    except DataError:
        # It has no rows, or somebody has edited it, and then a copy is kept.
        return ()
    return tuple(one for one in found if one.extra.get(REVIEWED) != "yes")


def _segment_of(recording: Recording, state: ClipState | None) -> Place:
    """What a clip is after its answers, which may have moved it."""
    current, excerpt = state.current if state else None, recording.excerpt
    return place_of(recording.path, current.segment(excerpt) if current else excerpt)


def _with_splits(recordings: Sequence[Recording]) -> list[Recording]:
    splits = {one.group: one.split for one in recordings if one.split}
    if not splits:
        return list(recordings)
    return [
        one if one.split else replace(one, split=splits.get(one.group, "train"))
        for one in recordings
    ]


def _with_folds(recordings: Sequence[Recording]) -> list[Recording]:
    folds = {one.group: one.fold for one in recordings if one.fold}
    filled = [replace(one, fold=one.fold or folds.get(one.group)) for one in recordings]
    if all(one.fold for one in filled):
        return filled
    return [replace(one, fold=None) for one in recordings]


def _labelled(recording: Recording, state: ClipState | None) -> Recording | None:
    """A clip with the labels that the answers give it; None if it is left out."""
    extra = {name: cell for name, cell in recording.extra.items() if name not in OPINIONS}
    current = state.current if state else None
    if current is None or current.verdict == "skipped":
        has_labels = len(recording.labels) > 0
        return replace(recording, extra={**extra, REVIEWED: "no"}) if has_labels else None
    if current.verdict == "unsure":
        return None
    segment = current.segment(recording.excerpt)
    return replace(
        recording,
        name=f"{recording.file_name} {segment}".strip(),
        labels=current.labels,
        excerpt=segment,
        extra={**extra, REVIEWED: "yes"},
    )
