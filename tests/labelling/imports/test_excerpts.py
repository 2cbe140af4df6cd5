import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import ConfigError
from earmark.labelling.imports.annotations import Annotation
from earmark.labelling.imports.excerpts import (
    BACKGROUND,
    ExcerptOptions,
    make_excerpts,
    make_windows,
)


def cut(*annotations, seconds=6.0, **options):
    notes = sorted((Annotation(*one, "row") for one in annotations), key=lambda one: one.start)
    return make_excerpts(notes, seconds, ExcerptOptions(**options))


def labels(found):
    return [";".join(one.labels) for one in found.excerpts]


def test_a_label_that_covers_enough_of_a_window():
    found = cut((0.5, 2.25, "a"), seconds=4.0)
    # 0.5 of the first window, all of the second, a quarter of the third.
    assert labels(found) == ["a", "a", BACKGROUND]
    assert found.num_partial == 1
    assert labels(cut((0.5, 2.25, "a"), seconds=4.0, min_coverage=0.6)) == ["a", BACKGROUND]
    assert labels(cut((0.5, 2.25, "a"), seconds=4.0, min_coverage=0.2)) == [
        "a",
        "a",
        "a",
        BACKGROUND,
    ]
    assert labels(cut((0.5, 2.25, "a"), seconds=4.0, background=False)) == ["a", "a"]


def test_an_annotation_shorter_than_a_window_is_no_background():
    found = cut((1.4, 1.5, "chirp"), (3.9, 4.1, "tick"), seconds=5.0)
    assert labels(found) == [BACKGROUND, "chirp", BACKGROUND, "tick", "tick"]
    assert not found.lost


def test_parts_of_one_label_count_together():
    parts = (0.0, 0.3, "a"), (0.2, 0.4, "a"), (0.8, 1.7, "a")
    (first, second) = cut(*parts, seconds=2.0, min_coverage=0.6).excerpts
    assert (first.start, first.labels, second.labels) == (0.0, ("a",), ("a",))


def test_an_instant_is_in_one_window():
    assert labels(cut((2.0, 2.0, "a"), seconds=3.0)) == [BACKGROUND, BACKGROUND, "a"]
    assert labels(cut((3.0, 3.0, "a"), seconds=3.0)) == [BACKGROUND, BACKGROUND, "a"]


def test_several_labels():
    both = (0.0, 2.0, "a"), (1.0, 2.0, "b")
    assert labels(cut(*both, seconds=3.0, multi_label=True)) == ["a", "a;b", BACKGROUND]
    found = cut(*both, seconds=3.0)
    assert labels(found) == ["a", BACKGROUND]
    assert (found.num_mixed, found.lost) == (1, {"b": 1})


def test_background_that_was_annotated_gives_way_to_labels():
    both = (0.0, 2.0, BACKGROUND), (1.0, 2.0, "b")
    assert labels(cut(*both, seconds=2.0)) == [BACKGROUND, "b"]


def test_what_no_window_covers_enough_is_counted():
    found = cut((0.5, 1.5, "a"), seconds=2.0, min_coverage=0.9)
    assert (labels(found), found.lost, found.num_partial) == ([], {"a": 1}, 2)


def test_whole_annotations_and_background_between_them():
    found = cut((0.2, 1.7, "a"), (3.0, 3.05, "b"), (5.0, 5.0, "c"), whole=True)
    assert [(one.start, one.end, *one.labels) for one in found.excerpts] == [
        (0.2, 1.7, "a"),
        (2.0, 3.0, BACKGROUND),
        # Too short to be used: a window around the middle.
        (2.525, 3.525, "b"),
        (4.0, 5.0, BACKGROUND),
        (4.5, 5.5, "c"),
    ]


def test_equal_spans_are_one_excerpt():
    found = cut((1.0, 2.0, "a"), (1.0, 2.0, "b"), whole=True, multi_label=True, background=False)
    assert labels(found) == ["a;b"]


def test_a_recording_shorter_than_a_window():
    assert make_windows(0.4, ExcerptOptions()) == [(0.0, 0.4)]
    assert labels(cut((0.1, 0.3, "a"), seconds=0.4)) == ["a"]


@given(
    st.floats(0.15, 50),
    st.floats(0.1, 5),
    st.floats(0.2, 1),
)
def test_windows_cover_the_recording_and_stay_within_it(seconds, window, step):
    options = ExcerptOptions(window_seconds=window, hop_seconds=window * step)
    windows = make_windows(seconds, options)
    assert windows[0][0] == 0
    assert seconds - 2e-3 <= windows[-1][1] <= seconds + 1e-9
    for (start, end), (following, _) in itertools.pairwise(windows):
        assert start < following <= end + 1e-5
    assert all(
        end - start == pytest.approx(min(window, seconds), abs=1e-5) for start, end in windows
    )


TIMES = st.integers(0, 600).map(lambda number: number / 100)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(TIMES, TIMES, st.sampled_from("abc")), max_size=8),
    st.sampled_from([0.3, 1.0, 2.5]),
    st.sampled_from([0.5, 1.0]),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_labels_agree_with_counting_samples(spans, window, step, min_coverage):
    """Against a plain count of hundredths of a second."""
    notes = sorted({(min(one[:2]), max(one[:2]), one[2]) for one in spans if one[0] != one[1]})
    options = {"window_seconds": window, "hop_seconds": window * step, "multi_label": True}
    found = cut(*notes, min_coverage=min_coverage, **options)
    got = {(one.start, one.end): one.labels for one in found.excerpts}
    partial = 0
    for start, end in make_windows(6.0, ExcerptOptions(**options)):
        inside = range(round(start * 100), round(end * 100))
        if abs(start * 100 - round(start * 100)) > 1e-6:
            return
        expected, touched = set(), False
        for label in "abc":
            ticks = set()
            for a, b, name in notes:
                own = set(range(round(a * 100), round(b * 100))) & set(inside)
                if name == label and own:
                    ticks |= own
                    touched = True
                    if len(own) >= min_coverage * (round(b * 100) - round(a * 100)) - 1e-6:
                        expected.add(label)
            if ticks and len(ticks) >= min_coverage * len(inside) - 1e-6:
                expected.add(label)
        if touched and not expected:
            partial += 1
            assert (start, end) not in got
        else:
            assert got[start, end] == (tuple(sorted(expected)) if expected else (BACKGROUND,))
    assert found.num_partial == partial
    used = {id(one) for each in found.excerpts for one in each.annotations}
    assert found.lost.total() == len(notes) - len(used)


@pytest.mark.parametrize(
    "options",
    [
        {"window_seconds": 0.05},
        {"window_seconds": float("nan")},
        {"hop_seconds": 0.0},
        {"hop_seconds": 1.5},
        {"min_coverage": 0.0},
        {"min_coverage": 1.01},
    ],
)
def test_wrong_options(options):
    with pytest.raises(ConfigError):
        ExcerptOptions(**options)
