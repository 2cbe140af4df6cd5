"""The JSON documents of ``earmark predict --segments-to DIR --segments-format json``."""

import json

from earmark.labelling.imports.annotations import Entry, LabelFile

_KEYS = ("start", "end", "label")


def read_segments_json(text: str, found: LabelFile) -> None:
    """Reads the segments of a recording.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        found.fail("file", f"cannot be read as JSON: {error}; write the file anew")
        return
    segments = document.get("segments") if isinstance(document, dict) else None
    if not isinstance(segments, list):
        found.fail("file", "no list of segments, as predict --segments-format json writes it")
        return
    found.media = [str(document["path"])] if document.get("path") else []
    duration = document.get("duration_seconds")
    found.duration = float(duration) if isinstance(duration, int | float) else None
    for number, one in enumerate(segments, start=1):
        if not isinstance(one, dict) or not all(key in one for key in _KEYS):
            found.fail(f"segment {number}", "not an object with start, end and label")
            continue
        times = [_text(one[key]) for key in _KEYS]
        probability = _text(one.get("probability"))
        found.add(Entry(f"segment {number}", *times, probability=probability))


def _text(value: object) -> str:
    return "" if value is None else str(value)
