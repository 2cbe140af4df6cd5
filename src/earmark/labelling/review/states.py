"""What the answers to all clips come to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from earmark.data.recording import Recording
from earmark.labelling.review.answers import Answer, ClipState
from earmark.labelling.review.log import Entry
from earmark.labelling.review.queue import Place, Queue, QueueItem, place_of

VERDICTS = ("open", "labelled", "unsure", "skipped")


@dataclass
class States:
    """The state of each clip that was answered, in whichever queue.

    Args:
        clips: Place to state.
        recordings: Place to clip.
        saved: Id of an answer to whether it counts.
    """

    clips: dict[Place, ClipState] = field(default_factory=dict)
    recordings: dict[Place, Recording] = field(default_factory=dict)
    saved: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of_entries(cls, entries: Iterable[Entry]) -> "States":
        """What a log comes to."""
        states = cls()
        for one in entries:
            states.add(one)
        return states

    def add(self, entry: Entry) -> None:
        """Adds an answer as it was decided."""
        place = place_of(entry.recording.path, entry.recording.excerpt)
        state = self.clips.setdefault(place, ClipState())
        state.add(entry.answer, is_accepted=entry.is_accepted)
        self.saved[entry.answer.id] = entry.is_accepted
        self.recordings[place] = entry.recording

    def of(self, item: QueueItem) -> ClipState:
        """The state of a clip; a new one if nobody answered."""
        return self.clips.get(item.place) or ClipState()

    def labels(self, queue: Queue) -> tuple[str, ...]:
        """The vocabulary: that of the queue, and then the labels of answers."""
        found = dict.fromkeys(queue.labels)
        for state in list(self.clips.values()):
            found |= dict.fromkeys(label for one in state.accepted for label in one.labels)
        return tuple(found)

    def progress(self, queue: Queue) -> dict[str, int]:
        """How many clips of a queue have which verdict; ``open`` ones have none."""
        counts: Counter[str] = Counter()
        for item in queue.items:
            state = self.of(item)
            counts[state.current.verdict if state.current else "open"] += 1
            counts["conflicts"] += bool(state.conflicts)
        return {name: counts[name] for name in (*VERDICTS, "conflicts")}

    def describe(self, item: QueueItem) -> dict[str, Any]:
        """What the page shows of the answers to a clip."""
        state = self.of(item)
        return {
            "revision": state.revision,
            "answer": _document(state.current),
            "conflicts": [_document(one) for one in state.conflicts],
        }


def _document(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    return answer.model_dump(mode="json", exclude={"clip", "revision", "replaces"})
