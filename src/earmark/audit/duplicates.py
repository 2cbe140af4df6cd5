"""The same sound twice: exact copies, near copies and excerpts, and how bad each is."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from earmark.audit.findings import Finding, FindingType
from earmark.audit.fingerprints import Fingerprint
from earmark.audit.matches import Match, find_matches
from earmark.audit.signal import SILENT_PEAK, SignalStats
from earmark.data.manifest import Manifest, Recording

WHOLE_SHARE = 0.8
"""Two recordings that each hold this much of the other are copies; else one is an excerpt."""
MOST_NAMES = 20
"""So many are named in a message; all of them are in the finding."""
_WHAT: dict[FindingType, str] = {
    "duplicate": "the same sound",
    "near_duplicate": "nearly the same sound",
    "excerpt": "a stretch of one sound",
}


def duplicate_findings(
    manifest: Manifest, heard: Mapping[str, tuple[Recording, tuple[SignalStats, Fingerprint]]]
) -> list[Finding]:
    """All recordings that share sound, a finding for each lot that hangs together.

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
    prints = [heard[recordings[0].name][1][1] for recordings in distinct]
    for matches in _clusters(find_matches(prints), distinct):
        members = sorted({number for one in matches for number in (one.first, one.second)})
        recordings = [one for number in members for one in distinct[number]]
        is_copy = all(min(one.coverage) >= WHOLE_SHARE for one in matches)
        details = _details(matches, distinct)
        kind: FindingType = "near_duplicate" if is_copy else "excerpt"
        found.append(_finding(kind, recordings, undivided, details))
    return found


def _clusters(
    matches: Iterable[Match], distinct: Sequence[Sequence[Recording]]
) -> Iterator[list[Match]]:
    """Matches that hang together by way of what they share, in the order of the data."""
    found = [
        match
        for match in matches
        if len({one.path for one in (*distinct[match.first], *distinct[match.second])}) > 1
    ]
    pairs = np.array([(one.first, one.second) for one in found], np.int64).reshape(-1, 2)
    ones, shape = np.ones(len(found)), (len(distinct), len(distinct))
    _, clusters = connected_components(coo_array((ones, pairs.T), shape), directed=False)
    by_cluster: dict[int, list[Match]] = defaultdict(list)
    for match in sorted(found, key=lambda one: (one.first, one.second)):
        by_cluster[clusters[match.first]].append(match)
    yield from by_cluster.values()


def _details(matches: Sequence[Match], distinct: Sequence[Sequence[Recording]]) -> str:
    """What lies where, or in how many pairs."""
    if len(matches) > 1:
        lowest = min(one.correlation for one in matches)
        return f"{len(matches)} pairs, correlation {lowest:.2f} or more"
    (match,) = matches
    outer, inner = (distinct[number][0].name for number in (match.first, match.second))
    if match.offset_seconds < 0:
        outer, inner = inner, outer
    return (
        f"{inner} lies in {outer} from {abs(match.offset_seconds):.2f} s, correlation "
        f"{match.correlation:.2f}"
    )


def _finding(
    kind: FindingType, recordings: Sequence[Recording], undivided: set[str], details: str = ""
) -> Finding:
    names = tuple(one.name for one in recordings)
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    listed = ", ".join(names[:MOST_NAMES]) + more + (details and f" ({details})")
    what = _WHAT[kind]
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
