"""What `predict --segments` writes is imported without loss, in every format."""

import itertools
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from earmark.audio.source import MIN_SECONDS
from earmark.data.names.spelling import normalize
from earmark.inference.segmentation.formats import FORMATS, Timeline
from earmark.inference.segmentation.segments import Segment
from earmark.labelling.imports.annotations import LabelFile, ReadOptions
from earmark.labelling.imports.excerpts import ExcerptOptions, make_excerpts
from earmark.labelling.imports.label_files import read_label_file
from earmark.labelling.imports.run import import_labels

LABELS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8).filter(
    lambda text: normalize(text) == text and not set(";\u037e\ufeff") & set(text)
)
"""Labels as a manifest has them."""
KEEP_PROBABILITY = {"csv": 1e-4, "json": 0, "rttm": 1e-4}


@st.composite
def timelines(draw):
    """Segments with gaps or without, in one lane or in one a label."""
    names = draw(st.lists(LABELS, min_size=2, max_size=3, unique=True))
    lanes = draw(st.sampled_from([(), tuple(names)]))
    marks = st.lists(st.integers(0, 20_000_000), min_size=2, max_size=9, unique=True)
    segments = [
        Segment(
            *(start / 1000, end / 1000, lane or draw(st.sampled_from(names))),
            draw(st.floats(0, 1)),
        )
        for lane in lanes or [None]
        for start, end in itertools.pairwise(sorted(draw(marks)))
        if draw(st.booleans())
    ]
    segments.sort(key=lambda one: (one.start, one.end, one.label))
    return Timeline(Path("a.wav"), 20_000.5, tuple(segments), lanes)


def imported(name, timeline, folder) -> LabelFile:
    written = FORMATS[name]
    path = folder / f"a.wav{written.suffix}"
    path.write_bytes(written.render(timeline).encode())
    return read_label_file(path, ReadOptions())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labels")


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=20)
@given(timeline=timelines())
def test_segments_read_back(folder, name, timeline):
    # A label track or an RTTM file without any label is empty, and refused as such.
    assume(timeline.segments or name not in ("audacity", "rttm"))
    found = imported(name, timeline, folder)
    # The fields of RTTM are separated by spaces, so it has none.
    spelt = (lambda text: "_".join(text.split())) if name == "rttm" else str
    assert found.problems == []
    annotations = sorted(found.annotations, key=lambda one: (one.start, one.end, one.label))
    expected = sorted(timeline.segments, key=lambda one: (one.start, one.end, spelt(one.label)))
    assert [(one.start, one.end, one.label) for one in annotations] == [
        (one.start, one.end, spelt(one.label)) for one in expected
    ]
    if name in KEEP_PROBABILITY:
        assert [one.probability for one in annotations] == pytest.approx(
            [one.probability for one in expected], abs=KEEP_PROBABILITY[name]
        )


@settings(max_examples=30)
@given(timeline=timelines())
def test_excerpts_keep_each_segment_beside_the_labels_that_it_overlaps(folder, timeline):
    annotations = imported("json", timeline, folder).annotations
    options = ExcerptOptions(whole=True, multi_label=True, background=False)
    long = [one for one in annotations if one.seconds >= MIN_SECONDS]
    found = make_excerpts(long, timeline.duration_seconds, options).excerpts
    own = [(each.start, each.end, each.label) for one in found for each in one.own]
    assert sorted(own) == sorted((one.start, one.end, one.label) for one in long)
    assert all({each.label for each in one.own} <= set(one.labels) for one in found)


def test_the_label_of_an_excerpt_inside_another(tmp_path, write_clip):
    write_clip(tmp_path / "a.wav", 4.0)
    (tmp_path / "a.csv").write_text("start,end,label,probability\n0,4,music,0.5\n1,2,speech,0.75\n")
    options = ExcerptOptions(whole=True, multi_label=True, background=False)
    found = import_labels(tmp_path, options=options).manifest.recordings
    assert [(one.labels, dict(one.extra)) for one in found] == [
        (("music", "speech"), {"probability": "0.5", "annotation": "music"}),
        (("music", "speech"), {"probability": "0.75", "annotation": "speech"}),
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_a_manifest_has_the_segments_as_excerpts(tmp_path, write_clip, name):
    sound = write_clip(tmp_path / "in" / "a.wav", 4.0005)
    segments = Segment(0.0, 1.234, "speech", 0.75), Segment(2.5, 4.001, "music", 0.5)
    timeline = Timeline(sound, 4.0005, segments)
    path = tmp_path / "out" / "in" / f"a.wav{FORMATS[name].suffix}"
    path.parent.mkdir(parents=True)
    path.write_text(FORMATS[name].render(timeline), encoding="utf-8")
    result = import_labels(
        tmp_path / "out",
        audio=tmp_path / "in",
        options=ExcerptOptions(whole=True, background=False),
    )
    assert result.failed == ()
    assert [
        (one.path, one.excerpt.start, one.excerpt.end, one.labels)
        for one in result.manifest.recordings
    ] == [(sound.resolve(), one.start, one.end, (one.label,)) for one in segments]
