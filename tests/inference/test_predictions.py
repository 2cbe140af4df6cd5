from pathlib import Path

from earmark.inference.predictions import Prediction
from earmark.inference.segmentation.segments import Segment
from earmark.tasks.task import MULTI_LABEL

PATH = Path("a.wav")


def test_a_label_or_its_absence_and_the_reason():
    one = Prediction(PATH, ("b",), {"a": 0.4, "b": 0.6}, 2.0)
    assert one.label == "b"
    assert one.to_dict() == {
        "path": "a.wav",
        "label": "b",
        "probabilities": {"a": 0.4, "b": 0.6},
        "duration_seconds": 2.0,
    }
    unsure = Prediction(PATH, (), {"a": 0.5, "b": 0.5}, 2.0, abstained="unsure")
    assert unsure.label is None
    assert unsure.to_dict()["abstained"] == "unsure"


def test_several_labels_are_a_list_and_joined_by_semicolons():
    both = Prediction(PATH, ("a", "b"), {"a": 0.8, "b": 0.6}, 2.0, MULTI_LABEL)
    assert both.label == "a;b"
    assert both.to_dict()["labels"] == ["a", "b"]
    none = Prediction(PATH, (), {"a": 0.1, "b": 0.1}, 2.0, MULTI_LABEL)
    assert none.label == ""


def test_segments_are_part_of_a_result_where_they_were_requested():
    segments = (Segment(0.0, 1.0, "a", 0.9),)
    timed = Prediction(PATH, ("a",), {"a": 0.9}, 2.0, segments=segments)
    assert timed.to_dict()["segments"] == [
        {"start": 0.0, "end": 1.0, "label": "a", "probability": 0.9}
    ]


def test_what_is_shown_names_file_label_and_reason():
    shown = repr(Prediction(PATH, (), {"a": 0.51234}, 2.0, abstained="silence", segments=()))
    for part in ("'a.wav'", "label=None", "abstained='silence'", "'a': 0.512", "segments=<0>"):
        assert part in shown
    assert repr(Segment(0.0, 1.25, "a", 0.98765)) == (
        "Segment(start=0, end=1.25, label='a', probability=0.988)"
    )
