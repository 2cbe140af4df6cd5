"""From the windows of live sound to the moments at which what is heard changes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from earmark.inference.predictions import WindowPrediction
from earmark.models.spec import ModelSpec

HOLD_SECONDS = 0.5
"""How long labels last before they count."""


@dataclass(frozen=True)
class Change:
    """Other labels than before.

    Args:
        time: When it was noticed.
        labels: What is heard now; empty if nothing is, or the model abstains.
        previous: What was heard before.
        probabilities: Of each label, in the last window.
        position_seconds: Of the end of that window, from the start of the sound.
    """

    time: datetime
    labels: tuple[str, ...]
    previous: tuple[str, ...]
    probabilities: dict[str, float]
    position_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The document that is published."""
        return {
            "time": self.time.isoformat(timespec="milliseconds"),
            "label": ";".join(self.labels),
            "labels": list(self.labels),
            "previous": list(self.previous),
            "probabilities": {label: round(one, 4) for label, one in self.probabilities.items()},
            "position_seconds": round(self.position_seconds, 3),
        }


class ChangeDetector:
    """Finds changes of labels that last, so that one window alone is no change.

    Args:
        spec: Of the model.
        hold_seconds: How long labels must last.
    """

    def __init__(self, spec: ModelSpec, hold_seconds: float = HOLD_SECONDS) -> None:
        self._spec, self._hold_seconds = spec, hold_seconds
        self._labels: tuple[str, ...] | None = None
        self._candidate: tuple[tuple[str, ...], float] | None = None

    def add(self, window: WindowPrediction) -> Change | None:
        """Takes the next window.

        Args:
            window: In the order of time.

        Returns:
            The change, if this window completes one. The first labels are a change from none.
        """
        labels = () if window.abstained else window.labels
        if labels == self._labels:
            self._candidate = None
            return None
        if self._candidate is None or self._candidate[0] != labels:
            self._candidate = labels, window.end_seconds
        if window.end_seconds - self._candidate[1] < self._hold_seconds - 1e-6:
            return None
        previous, self._labels, self._candidate = self._labels or (), labels, None
        probabilities = map(float, window.probabilities)
        return Change(
            datetime.now(UTC),
            labels,
            previous,
            dict(zip(self._spec.labels, probabilities, strict=True)),
            window.end_seconds,
        )


def publish_changes(
    windows: Iterable[WindowPrediction], detector: ChangeDetector, sinks: Iterable[Any]
) -> Iterator[WindowPrediction]:
    """The same windows; their changes go to the sinks on the way.

    Args:
        windows: In the order of time.
        detector: Finds the changes.
        sinks: Each an `earmark.events.outbox.Outbox`.
    """
    sinks = list(sinks)
    for window in windows:
        if change := detector.add(window):
            for sink in sinks:
                sink.put(change.to_dict())
        yield window
