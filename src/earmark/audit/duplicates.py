"""Recordings of the same sound: duplicates, near-duplicates and excerpts, and their severity."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from earmark.audit.findings import Finding, FindingType
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.data.signals.measure import MeasuredRecording
from earmark.data.signals.signal import SILENT_PEAK
from earmark.features.fingerprint_cache import FingerprintCache, KeptFingerprints
from earmark.features.matches import Match, find_matches

COPY_COVERAGE = 0.8
"""Two recordings that each hold this fraction of the other are copies; else one is an excerpt."""
MAX_NAMES = 20
"""Names in a message; all of them are in the finding."""
_RELATIONS: dict[FindingType, str] = {
    "duplicate": "identical recordings",
    "near_duplicate": "near-identical recordings",
    "excerpt": "recordings that share an excerpt",
}


def duplicate_findings(
    manifest: Manifest, measured: Sequence[tuple[Recording, MeasuredRecording]], root: Path
) -> list[Finding]:
    """Recordings that share sound: one finding per cluster of duplicates.

    Excerpts of one file, which the manifest defines, are duplicates only if they are equal.

    Args:
        manifest: The data.
        measured: The recordings that could be read.
        root: Folder of the feature store, from which their fingerprints are read one by one.
    """
    same: dict[str, list[Recording]] = defaultdict(list)
    keys = {}
    for recording, (stats, key) in measured:
        if stats.peak >= SILENT_PEAK:
            same[stats.digest].append(recording)
            keys[stats.digest] = key
    undivided = {one.name for one in manifest.undivided}
    found = [
        _finding("duplicate", recordings, undivided)
        for recordings in same.values()
        if len(recordings) > 1
    ]
    distinct = list(same.values())
    with FingerprintCache(root) as cache:
        all_matches = find_matches(KeptFingerprints(cache, [keys[digest] for digest in same]))
    for matches in _clusters(all_matches, distinct):
        members = sorted({number for one in matches for number in (one.first, one.second)})
        recordings = [one for number in members for one in distinct[number]]
        is_copy = all(min(one.coverage) >= COPY_COVERAGE for one in matches)
        details = _details(matches, distinct)
        kind: FindingType = "near_duplicate" if is_copy else "excerpt"
        found.append(_finding(kind, recordings, undivided, details))
    return found


def _clusters(
    matches: Iterable[Match], distinct: Sequence[Sequence[Recording]]
) -> Iterator[list[Match]]:
    """Connected components of the graph of matches, in the order of the data."""
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
    """Where one recording is in the other, or the number of pairs."""
    if len(matches) > 1:
        lowest = min(one.correlation for one in matches)
        return f"{len(matches)} pairs, correlation {lowest:.2f} or higher"
    (match,) = matches
    outer, inner = (distinct[number][0].name for number in (match.first, match.second))
    if match.offset_seconds < 0:
        outer, inner = inner, outer
    return (
        f"{inner} starts at {abs(match.offset_seconds):.2f} s of {outer}, correlation "
        f"{match.correlation:.2f}"
    )


def _finding(
    kind: FindingType, recordings: Sequence[Recording], undivided: set[str], details: str = ""
) -> Finding:
    names = tuple(one.name for one in recordings)
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    listed = ", ".join(names[:MAX_NAMES]) + more + (details and f" ({details})")
    relation = _RELATIONS[kind]
    if len({one.labels for one in recordings}) > 1:
        message = f"{relation} have different labels: {listed}; correct the labels"
    elif len({one.split for one in recordings}) > 1:
        message = f"{relation} are in different splits: {listed}; keep one of them"
    elif len({one.group for one in recordings if one.name in undivided}) > 1:
        message = (
            f"{relation} are in different groups: {listed}; keep one of them, or a random split "
            "may separate them"
        )
    else:
        message = f"{len(names)} {relation}: {listed}; keep one of them"
        return Finding(kind, "warning", names, message)
    return Finding(kind, "error", names, message)
