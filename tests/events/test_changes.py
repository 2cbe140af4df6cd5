"""Labels that last are a change; single windows are not."""

import numpy as np
import pytest

from earmark.config import Config
from earmark.events.changes import ChangeDetector, publish_changes
from earmark.inference.predictions import WindowPrediction
from earmark.models.spec import ModelSpec

SPEC = ModelSpec(Config(), ("music", "speech"), 51)


def windows(text, hop_seconds=0.1):
    """A window for each letter: m, s, or - where the model abstains."""
    names = {"m": ("music",), "s": ("speech",), "-": ()}
    for number, letter in enumerate(text):
        start = number * hop_seconds
        abstained = "silence" if letter == "-" else None
        yield WindowPrediction(start, start + 1, np.array([0.25, 0.75]), names[letter], abstained)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mmm", [(2, "music")]),
        ("mmmsmmm", [(2, "music")]),
        ("mmmsss", [(2, "music"), (5, "speech")]),
        ("mmmsms", [(2, "music")]),
        ("mmm---mmm", [(2, "music"), (5, ""), (8, "music")]),
    ],
)
def test_changes(text, expected):
    detector, found = ChangeDetector(SPEC, hold_seconds=0.2), []
    for number, window in enumerate(windows(text)):
        if change := detector.add(window):
            found.append((number, ";".join(change.labels)))
    assert found == expected


def test_the_document_of_a_change():
    detector = ChangeDetector(SPEC, hold_seconds=0.0)
    change, other = [detector.add(one) for one in windows("ms")]
    assert (change.previous, other.previous) == ((), ("music",))
    document = other.to_dict()
    assert document.pop("time").endswith("+00:00")
    assert document == {
        "label": "speech",
        "labels": ["speech"],
        "previous": ["music"],
        "probabilities": {"music": 0.25, "speech": 0.75},
        "position_seconds": 1.1,
    }


def test_windows_pass_and_changes_go_to_every_sink():
    class Sink(list):
        put = list.append

    sinks = [Sink(), Sink()]
    passed = list(publish_changes(windows("mmms"), ChangeDetector(SPEC, 0.1), sinks))
    assert len(passed) == 4
    assert sinks[0] == sinks[1]
    assert [one["label"] for one in sinks[0]] == ["music"]
