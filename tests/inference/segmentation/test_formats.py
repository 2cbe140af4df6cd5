import csv
import io
import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.inference.segmentation.formats import FORMATS, Timeline, fill_gaps
from earmark.inference.segmentation.segments import Segment

LABELS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=8
).filter(str.strip)
"""A manifest's labels have no blanks around them, so none is blank."""


@st.composite
def plans(draw, labels=LABELS):
    """Segments with gaps or without, in one lane or in one a label, as plain values."""
    names = draw(st.lists(labels, min_size=2, max_size=3, unique=True))
    several = draw(st.booleans())
    marks = st.lists(st.integers(0, 20_000_000), min_size=2, max_size=9, unique=True)
    segments = []
    for lane in names if several else [None]:
        edges = sorted(draw(marks))
        segments += [
            (start / 1000, end / 1000, lane or draw(st.sampled_from(names)), draw(st.floats(0, 1)))
            for start, end in itertools.pairwise(edges)
            if draw(st.booleans())
        ]
    segments.sort(key=lambda one: one[:3])
    return segments, names if several else []


def make_timeline(plan):
    segments, lanes = plan
    return Timeline(
        Path("a b.wav"), 20_000.5, tuple(Segment(*one) for one in segments), tuple(lanes)
    )


def as_tuples(segments):
    return [(one.start, one.end, one.label) for one in segments]


@given(plans())
def test_csv_reads_back(plan):
    timeline = make_timeline(plan)
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"].render(timeline), newline="")))
    assert [(float(one["start"]), float(one["end"]), one["label"]) for one in rows] == as_tuples(
        timeline.segments
    )
    for row, one in zip(rows, timeline.segments, strict=True):
        assert float(row["probability"]) == pytest.approx(one.probability, abs=1e-4)


@given(plans())
def test_json_reads_back(plan):
    timeline = make_timeline(plan)
    document = json.loads(FORMATS["json"].render(timeline))
    assert tuple(Segment(**one) for one in document["segments"]) == timeline.segments
    assert tuple(document["lanes"]) == timeline.lanes
    assert document["duration_seconds"] == timeline.duration_seconds


@given(plans())
def test_audacity_reads_start_end_and_text(plan):
    timeline = make_timeline(plan)
    lines = FORMATS["audacity"].render(timeline).split("\n")
    assert lines.pop() == ""
    read = [line.split("\t") for line in lines]
    assert all(re.fullmatch(r"\d+\.\d{6}", cell) for row in read for cell in row[:2])
    assert [(float(a), float(b), text) for a, b, text in read] == [
        (start, end, " ".join(label.split())) for start, end, label in as_tuples(timeline.segments)
    ]


def read_textgrid(text):
    """Praat reads numbers, texts in double quotes and <flags>, and passes over all else."""
    tokens = re.findall(r'"(?:[^"]|"")*"|<\w+>|(?<![^\s])[-+]?\d[\d.e+-]*(?![^\s])', text)
    values = [
        one[1:-1].replace('""', '"') if one[0] == '"' else one if one[0] == "<" else float(one)
        for one in tokens
    ]
    stream = iter(values)
    assert [next(stream), next(stream)] == ["ooTextFile", "TextGrid"]
    start, end, flag, size = (next(stream) for _ in range(4))
    assert (start, flag) == (0, "<exists>")
    tiers = []
    for _ in range(int(size)):
        tier_type, name, tier_start, tier_end, count = (next(stream) for _ in range(5))
        assert (tier_type, tier_start, tier_end) == ("IntervalTier", start, end)
        rows = [(next(stream), next(stream), next(stream)) for _ in range(int(count))]
        tiers.append((name, rows))
    assert list(stream) == []
    return end, tiers


@given(plans())
def test_praat_reads_tiers_whose_intervals_touch_and_cover_everything(plan):
    timeline = make_timeline(plan)
    end, tiers = read_textgrid(FORMATS["textgrid"].render(timeline))
    assert end == timeline.duration_seconds
    for (name, rows), (lane, segments) in zip(tiers, timeline.by_lane().items(), strict=True):
        assert name == lane
        edges = [0.0, *(stop for _, stop, _ in rows)]
        assert [start for start, _, _ in rows] == edges[:-1]
        assert edges[-1] == end
        assert [row for row in rows if row[2]] == as_tuples(segments)


@pytest.mark.parametrize(("seconds", "end"), [(8.000_437_5, 8.0), (8.000_562_5, 8.001)])
def test_praat_reads_a_segment_that_reaches_the_end_of_the_recording(seconds, end):
    timeline = Timeline(Path("a.wav"), seconds, (Segment(0.0, end, "speech", 0.9),))
    found, tiers = read_textgrid(FORMATS["textgrid"].render(timeline))
    assert (found, tiers) == (end, [("label", [(0.0, end, "speech")])])


@given(plans())
def test_elan_finds_a_tier_two_times_and_an_annotation_in_each_row(plan):
    timeline = make_timeline(plan)
    rows = list(csv.DictReader(io.StringIO(FORMATS["elan"].render(timeline), newline="")))
    assert [
        (float(r["Begin time"]), float(r["End time"]), r["Annotation"]) for r in rows
    ] == as_tuples(timeline.segments)
    tiers = [label if timeline.lanes else "label" for _, _, label in as_tuples(timeline.segments)]
    assert [row["Tier"] for row in rows] == tiers


@given(plans())
def test_rttm_has_ten_fields_in_a_line(plan):
    timeline = make_timeline(plan)
    lines = FORMATS["rttm"].render(timeline).split("\n")
    assert lines.pop() == ""
    for line, one in zip(lines, timeline.segments, strict=True):
        (
            record_type,
            name,
            channel,
            begin,
            duration,
            orthography,
            subtype,
            label,
            confidence,
            ahead,
        ) = line.split(" ")
        assert (record_type, name, channel) == ("SPEAKER", "a_b", "1")
        assert {orthography, subtype, ahead} == {"<NA>"}
        assert float(begin) == one.start
        assert float(begin) + float(duration) == pytest.approx(one.end, abs=1e-6)
        assert label == ("_".join(one.label.split()) or "<NA>")
        assert 0 <= float(confidence) <= 1


CUE = re.compile(
    r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3}) --> (\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})\n([^\n]*)\n"
)


@given(plans())
def test_webvtt_keeps_to_its_grammar(plan):
    timeline = make_timeline(plan)
    text = FORMATS["webvtt"].render(timeline)
    head, *cues = text.split("\n\n") if timeline.segments else [text]
    assert head.strip("\n") == "WEBVTT"
    for cue, one in zip(cues, timeline.segments, strict=True):
        found = CUE.fullmatch(cue.rstrip("\n") + "\n")
        *clock, label = found.groups()
        start, end = (
            3600 * int(h) + 60 * int(m) + int(s) + int(ms) / 1000
            for h, m, s, ms in (clock[:4], clock[4:])
        )
        assert (start, end) == pytest.approx((one.start, one.end))
        assert not set(label) & set("<>")
        plain = label.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        assert plain == " ".join(one.label.split())


def test_segments_that_touch_leave_no_gap():
    segments = [Segment(0.0, 1.5, "music", 0.9), Segment(1.5, 4.0, "speech", 0.8)]
    assert fill_gaps(segments, 4.0) == as_tuples(segments)
    assert fill_gaps([], 4.0) == [(0.0, 4.0, "")]
