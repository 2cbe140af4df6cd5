"""The audit of a data set, before anything is learnt from it."""

import threading
from collections.abc import Iterator
from pathlib import Path

from earmark.audit.cache import CheckCache, cache_key
from earmark.audit.duplicates import duplicate_findings
from earmark.audit.faults import rate_notes, signal_findings
from earmark.audit.findings import Audit, Finding
from earmark.audit.fingerprints import Fingerprint
from earmark.audit.labels import label_findings, label_rows
from earmark.audit.shortcuts import shortcut_findings
from earmark.audit.signal import SignalStats, listen
from earmark.data.manifest import Manifest, Recording
from earmark.errors import AudioError
from earmark.features.store import default_root
from earmark.system.parallel import map_in_order
from earmark.system.progress import SILENT, Reporter

Heard = tuple[SignalStats, Fingerprint]


def check(
    manifest: Manifest,
    *,
    num_workers: int | None = None,
    store_root: Path | None = None,
    reporter: Reporter = SILENT,
) -> Audit:
    """Decodes every recording once and tells what is wrong with it and with all together.

    What was heard is kept, so a check that was interrupted or is repeated does not read again what
    has not changed. Two recordings are duplicates when their decoded samples are the same, so a
    FLAC and a WAV of one sound are; near-duplicates and excerpts are found by fingerprint.

    Args:
        manifest: The data, as read.
        num_workers: Threads; as many as there are processors when it is not given.
        store_root: Folder of what is kept; the shared one when it is not given.
        reporter: Told of progress.
    """
    results: dict[str, Heard | AudioError] = {}
    with (
        CheckCache(store_root or default_root()) as cache,
        reporter.track("check", len(manifest)) as task,
    ):
        for recording, result in _listen_to_all(manifest, cache, num_workers):
            task.advance(note=recording.name)
            results[recording.name] = result
    # In the order of the data, whatever was known before.
    heard: dict[str, tuple[Recording, Heard]] = {}
    found: list[Finding] = []
    for recording in manifest.recordings:
        result = results[recording.name]
        if isinstance(result, AudioError):
            found.append(_unreadable(recording, result))
        else:
            heard[recording.name] = recording, result
            found.extend(signal_findings(recording, result[0]))
    known = [(recording, result[0]) for recording, result in heard.values()]
    found += [*duplicate_findings(manifest, heard), *label_findings(manifest)]
    found += [*rate_notes(known), *shortcut_findings(known)]
    return Audit(
        len(manifest),
        findings=tuple(one for one in found if one.severity != "note"),
        notes=tuple(one for one in found if one.severity == "note"),
        labels=tuple(label_rows(manifest, {one.name: facts for one, facts in known})),
    )


def _unreadable(recording: Recording, error: AudioError) -> Finding:
    return Finding("unreadable", "error", (recording.name,), str(error), cause=error.fault)


def _listen_to_all(
    manifest: Manifest, cache: CheckCache, num_workers: int | None
) -> Iterator[tuple[Recording, Heard | AudioError]]:
    """What is known of each recording, read again only where it is not kept."""
    unknown: list[tuple[Recording, str | None]] = []
    for recording in manifest.recordings:
        key = cache_key(recording)
        kept = cache.get(key) if key else None
        if kept:
            yield recording, kept
        else:
            unknown.append((recording, key))
    cancel = threading.Event()
    results = map_in_order(lambda one: listen(one[0], cancel), unknown, num_workers, cancel=cancel)
    for (recording, key), future in results:
        try:
            result = future.result()
        except AudioError as error:
            yield recording, error
            continue
        if key:
            cache.put(key, *result)
        yield recording, result
