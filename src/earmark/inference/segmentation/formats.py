"""Time lines as files that other programs read, one format a function.

Lanes are what those programs call tiers or tracks: one for labels that exclude one another, or one
a label. A gap between segments is left out where the format allows it.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.segments import DECIMALS, Segment
from earmark.system.files import csv_lines
from earmark.tasks.task import MULTI_LABEL

LANE = "label"
"""Name of the only lane of labels that exclude one another."""


@dataclass(frozen=True)
class Timeline:
    """The segments of a recording.

    Args:
        path: The recording.
        duration_seconds: Its length.
        segments: By their start.
        lanes: The labels, where each has a lane of its own; empty where they exclude one another.
    """

    path: Path
    duration_seconds: float
    segments: tuple[Segment, ...]
    lanes: tuple[str, ...] = ()

    @classmethod
    def from_prediction(cls, prediction: Prediction) -> "Timeline":
        """The time line of a prediction with segments.

        Args:
            prediction: The labels of a multi-label task have a lane each.
        """
        lanes = tuple(prediction.probabilities) if prediction.task is MULTI_LABEL else ()
        segments = prediction.segments or ()
        return cls(prediction.path, prediction.duration_seconds, segments, lanes)

    def by_lane(self) -> dict[str, tuple[Segment, ...]]:
        """The segments of each lane, which do not overlap."""
        if not self.lanes:
            return {LANE: self.segments}
        return {
            lane: tuple(one for one in self.segments if one.label == lane) for lane in self.lanes
        }

    def lane_of(self, segment: Segment) -> str:
        """The lane that a segment lies in."""
        return segment.label if self.lanes else LANE


def to_csv(timeline: Timeline) -> str:
    """A row a segment: ``start`` and ``end`` in seconds, ``label``, ``probability``."""
    rows = [(one.start, one.end, one.label, f"{one.probability:.4f}") for one in timeline.segments]
    return "".join(csv_lines([("start", "end", "label", "probability"), *rows]))


def to_json(timeline: Timeline) -> str:
    """One document: ``path``, ``duration_seconds``, ``lanes`` and ``segments``."""
    document: dict[str, Any] = {
        "path": str(timeline.path),
        "duration_seconds": timeline.duration_seconds,
        "lanes": list(timeline.lanes),
        "segments": [one.to_dict() for one in timeline.segments],
    }
    return json.dumps(document, indent=1) + "\n"


def to_audacity(timeline: Timeline) -> str:
    """Labels for File > Import > Labels: start, end and text between tabs.

    Source:
        Audacity manual, Importing and Exporting Labels, standard format.
    """
    return "".join(
        f"{one.start:.6f}\t{one.end:.6f}\t{_one_line(one.label)}\n" for one in timeline.segments
    )


def to_textgrid(timeline: Timeline) -> str:
    """An interval tier a lane, in Praat's long text format; gaps are intervals without text.

    Source:
        Praat manual, TextGrid file formats: intervals of a tier touch and cover all of its time;
        a double quote in a text is written twice.
    """
    # As segments are: one may not end after its tier, nor a moment too short to be seen be left.
    end = round(timeline.duration_seconds, DECIMALS)
    lanes = timeline.by_lane()
    lines = [
        *('File type = "ooTextFile"', 'Object class = "TextGrid"', ""),
        *("xmin = 0", f"xmax = {end}", "tiers? <exists>", f"size = {len(lanes)}", "item []:"),
    ]
    for number, (lane, segments) in enumerate(lanes.items(), start=1):
        intervals = fill_gaps(segments, end)
        lines += [
            *(f"    item [{number}]:", '        class = "IntervalTier"'),
            *(f"        name = {_praat_text(lane)}", "        xmin = 0", f"        xmax = {end}"),
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start, stop, label) in enumerate(intervals, start=1):
            lines += [
                *(f"        intervals [{index}]:", f"            xmin = {start}"),
                *(f"            xmax = {stop}", f"            text = {_praat_text(label)}"),
            ]
    return "\n".join(lines) + "\n"


def to_elan(timeline: Timeline) -> str:
    """Rows for File > Import > CSV / Tab-delimited Text File: tier, times in seconds, annotation.

    Source:
        ELAN manual, Importing a CSV / Tab-delimited Text file: any columns, of which the types
        annotation, tier, begin time and end time are told in the dialogue.
    """
    rows = [
        (timeline.lane_of(one), f"{one.start:.3f}", f"{one.end:.3f}", one.label)
        for one in timeline.segments
    ]
    return "".join(csv_lines([("Tier", "Begin time", "End time", "Annotation"), *rows]))


def to_rttm(timeline: Timeline) -> str:
    """A line a segment with ten fields between spaces; the label stands where speakers do.

    Source:
        NIST (2009), The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan,
        appendix A: type, file, channel, begin, duration, orthography, subtype, name, confidence,
        look-ahead.
    """
    name = _joined(timeline.path.stem)
    return "".join(
        f"SPEAKER {name} 1 {one.start:.3f} {one.end - one.start:.3f} <NA> <NA> "
        f"{_joined(one.label)} {one.probability:.4f} <NA>\n"
        for one in timeline.segments
    )


def to_webvtt(timeline: Timeline) -> str:
    """A cue a segment, for the track of a player in a browser.

    Source:
        W3C (2019), WebVTT: The Web Video Text Tracks Format, section 4.
    """
    cues = [
        f"{_clock(one.start)} --> {_clock(one.end)}\n{_escaped(one.label)}\n"
        for one in timeline.segments
    ]
    return "\n".join(["WEBVTT\n", *cues])


@dataclass(frozen=True)
class TimelineFormat:
    """A text format: what follows the recording's name, and what writes it."""

    suffix: str
    render: Callable[[Timeline], str]


FORMATS = {
    "csv": TimelineFormat(".csv", to_csv),
    "json": TimelineFormat(".json", to_json),
    "audacity": TimelineFormat(".txt", to_audacity),
    "textgrid": TimelineFormat(".TextGrid", to_textgrid),
    "elan": TimelineFormat(".elan.csv", to_elan),
    "rttm": TimelineFormat(".rttm", to_rttm),
    "webvtt": TimelineFormat(".vtt", to_webvtt),
}


def fill_gaps(segments: Sequence[Segment], end: float) -> list[tuple[float, float, str]]:
    """Start, end and label of the segments of a lane, with empty labels in between.

    Args:
        segments: In order; they do not overlap.
        end: Of the recording, in seconds.

    Example:
        >>> fill_gaps([Segment(1.0, 2.0, "speech", 0.9)], 3.0)
        [(0.0, 1.0, ''), (1.0, 2.0, 'speech'), (2.0, 3.0, '')]
    """
    filled, reached = [], 0.0
    for one in segments:
        if one.start > reached:
            filled.append((reached, one.start, ""))
        filled.append((one.start, one.end, one.label))
        reached = one.end
    return [*filled, (reached, end, "")] if end > reached else filled


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _joined(text: str) -> str:
    """A text without spaces, which part the fields."""
    return "_".join(text.split()) or "<NA>"


def _praat_text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
