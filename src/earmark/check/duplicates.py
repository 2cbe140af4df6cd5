"""The same sound twice: exact copies, near copies and excerpts, and how bad each is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from earmark.check.findings import Finding, Kind
from earmark.check.fingerprints import Fingerprint
from earmark.check.listening import SILENT_PEAK, Facts
from earmark.check.matches import Match, find_matches
from earmark.manifest import Manifest, Recording

WHOLE_SHARE = 0.8
"""Two recordings that each hold this much of the other are copies; else one is an excerpt."""


def duplicate_findings(
    manifest: Manifest, heard: Mapping[str, tuple[Recording, tuple[Facts, Fingerprint]]]
) -> list[Finding]:
    """All recordings that share sound.

    Stretches of one file are the manifest's own doing and are not compared, unless they are equal.

    Args:
        manifest: The data.
        heard: What could be read, by name.
    """
    same: dict[str, list[Recording]] = defaultdict(list)
    for recording, (facts, _) in heard.values():
        if facts.peak >= SILENT_PEAK:
            same[facts.digest].append(recording)
    undivided = {one.name for one in manifest.undivided}
    found = [
        _finding("duplicate", recordings, undivided)
        for recordings in same.values()
        if len(recordings) > 1
    ]
    distinct = list(same.values())
    for match in find_matches([heard[one[0].name][1][1] for one in distinct]):
        recordings = distinct[match.first] + distinct[match.second]
        if len({one.path for one in recordings}) > 1:
            found.append(_finding(_kind(match), recordings, undivided, match))
    return found


def _kind(match: Match) -> Kind:
    return "near_duplicate" if min(match.coverage) >= WHOLE_SHARE else "excerpt"


def _finding(
    kind: Kind, recordings: Sequence[Recording], undivided: set[str], match: Match | None = None
) -> Finding:
    names = tuple(one.name for one in recordings)
    listed = ", ".join(names)
    what = "the same sound"
    if match:
        what = "nearly the same sound" if kind == "near_duplicate" else "a stretch of one sound"
        listed += f" (from {match.offset_seconds:.2f} s, correlation {match.correlation:.2f})"
    if len({one.labels for one in recordings}) > 1:
        message = f"{what} has different labels: {listed}; correct the label"
    elif len({one.split for one in recordings}) > 1:
        message = f"{what} is in different splits: {listed}; keep one of them"
    elif len({one.group for one in recordings if one.name in undivided}) > 1:
        message = (
            f"{what} is in different groups: {listed}; keep one, or a split may put "
            "them on both sides"
        )
    else:
        message = f"{what} is there {len(names)} times: {listed}; keep one of them"
        return Finding(kind, "warning", names, message)
    return Finding(kind, "error", names, message)
