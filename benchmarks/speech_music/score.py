"""How well time lines of speech and of music agree with known ones, label by label.

``PYTHONPATH=benchmarks python -m speech_music.score LINES NAME=MODEL NAME=FOUND.csv...``

``LINES`` is what `timelines.py` wrote; ``MODEL`` is a run folder or a checkpoint, and ``FOUND.csv``
what a peer found (`peers/time_lines.py`). Counts are added up over the recordings. The last two
columns tell how late an onset and an offset are found, by the median; less than nothing is early.
"""

import argparse
import csv
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from pathlib import Path

from earmark.errors import EarmarkError
from earmark.inference.classifier import Classifier
from event_scores import Agreement, Event, compare_events, compare_segments
from machine import describe_machine

LABELS = ("speech", "music")
COLLARS_SECONDS = (0.2, 1.0)
SAME_SECONDS = 1e-3
"""Stretches of a label that are this near are one event."""
NEAR_SECONDS = 1.5
"""An instant that is found farther away than this is another one."""
Events = Mapping[str, Sequence[Event]]
"""By name of the recording."""


def main() -> None:
    """Prints a row a model and label."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lines", type=Path, help="folder with events.csv")
    parser.add_argument("found", nargs="+", help="NAME=MODEL or NAME=FOUND.csv")
    arguments = parser.parse_args()
    annotated = read_events(arguments.lines / "events.csv")
    print(describe_machine("torch", "numpy", "scipy"))
    print(f"\n{len(annotated)} recordings\n")
    collars = (f"F1 of events, {seconds:g} s" for seconds in COLLARS_SECONDS)
    shares = ("F1 of 10 ms", "precision", "recall")
    columns = ("model", "label", "events", "found", *shares, *collars, "onset s", "offset s")
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    try:
        for one in arguments.found:
            name, path = one.split("=", 1)
            found = (
                read_events(Path(path))
                if path.endswith(".csv")
                else find_events(path, [arguments.lines / recording for recording in annotated])
            )
            for label in LABELS:
                if not any(of_label(found, label).values()):
                    continue  # A peer that knows nothing of music.
                row = figures(of_label(annotated, label), of_label(found, label))
                print(f"| {' | '.join((name, label, *row))} |", flush=True)
    except EarmarkError as error:
        sys.exit(f"{parser.prog}: {error}")


def read_events(path: Path) -> Events:
    """The events of each recording; one that is silent throughout has none."""
    events: dict[str, list[Event]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            own = events[row["path"]]
            if row["label"]:
                own.append((float(row["start"]), float(row["end"]), row["label"]))
    return events


def find_events(model: str, recordings: Iterable[Path]) -> Events:
    """What a model hears in the recordings."""
    classifier = Classifier.load(model, device="cpu")
    return {
        path.name: [
            (one.start, one.end, one.label)
            for one in classifier.predict(path, segments=True).segments or ()
        ]
        for path in recordings
    }


def of_label(events: Events, label: str) -> Events:
    """The events of one label, those that touch as one: speech goes on when music begins."""
    chosen: dict[str, list[Event]] = {}
    for name, all_events in events.items():
        own = chosen.setdefault(name, [])
        for onset, offset, _ in sorted(one for one in all_events if one[2] == label):
            if own and onset - own[-1][1] < SAME_SECONDS:
                own[-1] = (own[-1][0], max(offset, own[-1][1]), label)
            else:
                own.append((onset, offset, label))
    return chosen


def figures(annotated: Events, found: Events) -> list[str]:
    """The cells of a row."""
    pairs = [(annotated[name], found.get(name, ())) for name in annotated]
    nothing = Agreement(0, 0, 0)
    segments = sum((compare_segments(*pair) for pair in pairs), nothing)
    events = [
        sum(
            (compare_events(*pair, collar_seconds=one, share_of_length=0.0) for pair in pairs),
            nothing,
        )
        for one in COLLARS_SECONDS
    ]
    return [
        str(events[0].num_annotated),
        str(events[0].num_found),
        *(f"{share:.3f}" for share in (segments.f1, segments.precision, segments.recall)),
        *(f"{one.f1:.3f}" for one in events),
        *(f"{median_lateness(pairs, at):+.2f}" for at in (itemgetter(0), itemgetter(1))),
    ]


def median_lateness(
    pairs: Iterable[tuple[Sequence[Event], Sequence[Event]]], at: Callable[[Event], float]
) -> float:
    """Seconds from each annotated instant to the nearest that is found, `NEAR_SECONDS` off at most.

    Args:
        pairs: The annotated and the found events of each recording, of one label.
        at: The instant of an event: its onset or its offset.
    """
    nearest = [
        min((at(other) - at(event) for other in found), key=abs, default=math.inf)
        for annotated, found in pairs
        for event in annotated
    ]
    near = [one for one in nearest if abs(one) <= NEAR_SECONDS]
    return statistics.median(near) if near else math.nan


if __name__ == "__main__":
    main()
