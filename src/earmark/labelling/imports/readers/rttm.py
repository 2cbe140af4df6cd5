"""RTTM files of speaker diarization.

Source:
    NIST (2009), The 2009 (RT-09) Rich Transcription Meeting Recognition Evaluation Plan, appendix
    A.
"""

from collections import Counter

from earmark.labelling.imports.annotations import Entry, LabelFile

_MISSING = "<NA>"
_FIELDS = 9


def read_rttm(text: str, found: LabelFile) -> None:
    """Reads the SPEAKER lines; each names its recording, without the suffix.

    Args:
        text: The file.
        found: Takes the annotations.
    """
    others: Counter[str] = Counter()
    for number, line in enumerate(text.split("\n"), start=1):
        # Only these separate the fields: a no-break space may be part of a name.
        fields = line.replace("\t", " ").strip(" \r").split(" ")
        fields = [one for one in fields if one]
        if not fields or fields[0].startswith(";;"):
            continue
        if fields[0] != "SPEAKER":
            others[fields[0]] += 1
            continue
        if len(fields) < _FIELDS:
            found.fail(f"row {number}", f"{len(fields)} fields; a SPEAKER line has {_FIELDS} or 10")
            continue
        recording, start, duration, name, probability = (fields[at] for at in (1, 3, 4, 7, 8))
        found.add(
            Entry(
                *(f"row {number}", start, "", name.replace(_MISSING, "")),
                duration=duration,
                recording=recording,
                probability=probability.replace(_MISSING, ""),
            )
        )
    unknown = {one for one in others if not one[:1].isupper()}
    if unknown:
        found.fail(
            "file", f"lines of the type {min(unknown)!r}, which RTTM does not have; remove them"
        )
    elif others:
        listed = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        found.notes.append(f"lines of other types left out: {listed}")
