import json

import pytest

SEGMENT = {"start": 0.5, "end": 2.25, "label": "music", "probability": 0.875}


def write(*segments):
    return json.dumps({"path": "in/a.wav", "duration_seconds": 9.5, "segments": segments})


def test_segments_and_their_recording(read, rows):
    found = read("a.json", write(SEGMENT, {**SEGMENT, "start": 3, "end": 4}))
    assert rows(found) == [(0.5, 2.25, "music"), (3.0, 4.0, "music")]
    assert (found.media, found.duration) == (["in/a.wav"], 9.5)
    assert found.annotations[0].probability == 0.875


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{",
        '{"segments": 5}',
        write(5),
        write({"start": 0, "end": 1}),
        write({**SEGMENT, "end": None}),
        write({**SEGMENT, "label": ""}),
        write({**SEGMENT, "start": float("nan")}),
    ],
)
def test_bad_documents(read, content):
    assert read("a.json", content).problems
