"""The audit of a data set, before a model is trained on it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from earmark.audit.duplicates import duplicate_findings
from earmark.audit.faults import band_findings, rate_notes, signal_findings, silence_findings
from earmark.audit.findings import Audit, Finding
from earmark.audit.label_issues import audit_labels
from earmark.audit.labels import label_findings, label_rows
from earmark.audit.names import name_findings
from earmark.audit.shortcuts import shortcut_findings
from earmark.config import Config, as_config
from earmark.data.fingerprint import fingerprint_data
from earmark.data.labels import task_of
from earmark.data.manifest import Manifest, read_manifest
from earmark.data.recording import Recording
from earmark.data.signals.measure import Measured, MeasuredRecording, measure_recordings
from earmark.errors import AudioError
from earmark.features.store import default_root
from earmark.system.progress import SILENT, Reporter


def check(
    data: Path | str | Manifest,
    config: Config | Path | str | None = None,
    *,
    cross_validation: Path | str | None = None,
    store: Path | str | None = None,
    reporter: Reporter = SILENT,
) -> Audit:
    """Audits a data set: faulty files, duplicates, leaks between splits, balance, shortcuts.

    Each content is decoded once. Measurements are kept in the store, so a check that was
    interrupted or is repeated does not decode unchanged files again. Two recordings are duplicates
    if their decoded samples are equal, as those of a FLAC and a WAV file may be; fingerprints find
    near-duplicates and excerpts. With a cross-validation, labels are found that are probably wrong.

    Args:
        data: A folder, a manifest file, or a `Manifest`.
        config: All settings, or a TOML file of them; the channel and the band of the features and
            the name of the background label count. The defaults when not given.
        cross_validation: Folder of a cross-validation of the same data.
        store: Folder of the feature store; the shared one by default.
        reporter: Shows progress.

    Returns:
        Errors, warnings and notes, the number of clips of each label, the fingerprint of the data,
        and with a cross-validation the recordings whose labels are probably wrong.

    Raises:
        DataError: The data cannot be read as a data set, or the cross-validation is not one of
            them.
        StoreError: The store is damaged, or cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> missing = Recording(Path("sounds/a.wav"), "a.wav", ("music",), group="a")
        >>> with TemporaryDirectory() as store:
        ...     audit = check(Manifest(Path("sounds"), (missing,), ("music",)), store=store)
        >>> audit.findings[0].kind, audit.findings[0].severity
        ('unreadable', 'error')
    """
    manifest = read_manifest(data)
    root = default_root() if store is None else Path(store)
    config = as_config(config)
    features = config.features
    measured = measure_recordings(manifest, root, reporter)
    known: list[tuple[Recording, MeasuredRecording]] = [
        (one, result)
        for one in manifest.recordings
        if isinstance(result := measured[one.name], MeasuredRecording)
    ]
    with_stats = [(one, result.stats) for one, result in known]
    usable = replace(manifest, recordings=tuple(one for one, _ in known))
    task = task_of(manifest, config.train)
    labels = None
    if cross_validation is not None:
        labels = audit_labels(usable, Path(cross_validation), root, reporter)
    found = [
        *_file_findings(manifest, measured, features.channel),
        *silence_findings(with_stats, config.train.background_label),
        *duplicate_findings(manifest, known, root),
        *label_findings(manifest),
        *name_findings(manifest),
        *rate_notes(with_stats),
        *band_findings(with_stats, features),
        *shortcut_findings(with_stats),
        *(labels.findings if labels else ()),
    ]
    return Audit(
        len(manifest),
        findings=tuple(one for one in found if one.severity != "note"),
        notes=tuple(one for one in found if one.severity == "note"),
        labels=tuple(label_rows(manifest, {one.name: stats for one, stats in with_stats})),
        fingerprint=fingerprint_data(usable.without_test, task, root, reporter),
        label_issues=labels.issues if labels else None,
    )


def _file_findings(
    manifest: Manifest, measured: dict[str, Measured], channel: int | None
) -> Iterator[Finding]:
    """Faults of single files, in the order of the data."""
    for recording in manifest.recordings:
        result = measured[recording.name]
        if isinstance(result, AudioError):
            message = str(result)
            yield Finding("unreadable", "error", (recording.name,), message, cause=result.fault)
        else:
            yield from signal_findings(recording, result.stats, channel)
