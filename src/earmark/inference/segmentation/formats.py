"""Writes time lines in formats that other programs read, one function per format.

Lanes are what those programs call tiers or tracks: a single one for labels that exclude one
another, else one per label. Gaps between segments are omitted where the format allows it.
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
"""Name of the single lane of labels that exclude one another."""


@dataclass(frozen=True)
class Timeline:
    """The segments of a recording.

    Args:
        path: The recording.
        duration_seconds: Its length.
        segments: Sorted by start.
        lanes: The labels, if each has its own lane; empty if they exclude one another.
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
        """The segments of each lane; within a lane they do not overlap."""
        if not self.lanes:
            return {LANE: self.segments}
        return {
            lane: tuple(one for one in self.segments if one.label == lane) for lane in self.lanes
        }

    def lane_of(self, segment: Segment) -> str:
        """The lane of a segment."""
        return segment.label if self.lanes else LANE


def to_csv(timeline: Timeline) -> str:
    """One row per segment: ``start`` and ``end`` in seconds, ``label``, ``probability``."""
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
    """Labels for File > Import > Labels: start, end and text, separated by tabs.

    Source:
        Audacity manual, Importing and Exporting Labels, standard format.
    """
    return "".join(
        f"{one.start:.6f}\t{one.end:.6f}\t{_one_line(one.label)}\n" for one in timeline.segments
    )


def to_textgrid(timeline: Timeline) -> str:
    """One interval tier per lane, in Praat's long text format; gaps are intervals without text.

    Source:
        Praat manual, TextGrid file formats: the intervals of a tier are contiguous and cover it;
        a double quote in a text is doubled.
    """
    # Rounded like the segments, so that none ends after its tier or just before its end.
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
        ELAN manual, Importing a CSV / Tab-delimited Text file: any columns; the dialogue asks
        which are annotation, tier, begin time and end time.
    """
    rows = [
        (timeline.lane_of(one), f"{one.start:.3f}", f"{one.end:.3f}", one.label)
        for one in timeline.segments
    ]
    return "".join(csv_lines([("Tier", "Begin time", "End time", "Annotation"), *rows]))


def to_rttm(timeline: Timeline) -> str:
    """One line per segment with ten fields separated by spaces; the label is in the speaker field.

    Source:
        NIST (2009), The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan,
        appendix A: type, file, channel, begin, duration, orthography, subtype, name, confidence,
        look-ahead.
    """
    name = _without_spaces(timeline.path.stem)
    return "".join(
        f"SPEAKER {name} 1 {one.start:.3f} {one.end - one.start:.3f} <NA> <NA> "
        f"{_without_spaces(one.label)} {one.probability:.4f} <NA>\n"
        for one in timeline.segments
    )


def to_webvtt(timeline: Timeline) -> str:
    """One cue per segment, for the text track of a player in a browser.

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
    """A text format: the suffix of the file name, and the function that writes it."""

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
    """Start, end and label of the segments of a lane; gaps have an empty label.

    Args:
        segments: Sorted; they do not overlap.
        end: Length of the recording, in seconds.

    Example:
        >>> fill_gaps([Segment(1.0, 2.0, "speech", 0.9)], 3.0)
        [(0.0, 1.0, ''), (1.0, 2.0, 'speech'), (2.0, 3.0, '')]
    """
    filled, position = [], 0.0
    for one in segments:
        if one.start > position:
            filled.append((position, one.start, ""))
        filled.append((one.start, one.end, one.label))
        position = one.end
    return [*filled, (position, end, "")] if end > position else filled


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _without_spaces(text: str) -> str:
    """A text without spaces, which separate the fields."""
    return "_".join(text.split()) or "<NA>"


def _praat_text(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    return _one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"
