"""Labels of a data set that are probably wrong, by networks that were trained without the clip."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earmark.audit.findings import Finding, LabelIssue
from earmark.audit.fold_predictions import ClipPrediction, FoldPredictions, read_fold_predictions
from earmark.audit.wrong_labels import find_wrong_labels
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.data.signals.contents import read_digests
from earmark.errors import AudioError, DataError
from earmark.features.digests import ContentDigests
from earmark.system.numbers import counted
from earmark.system.progress import Reporter
from earmark.tasks.task import join_labels, multi_hot

_LISTED = 3


class LabelAudit(NamedTuple):
    """Labels compared with a cross-validation.

    Args:
        issues: The recordings whose labels are probably wrong, the most probable first.
        findings: Recordings that could not be compared, or have other labels than there; and how
            many labels are probably wrong.
    """

    issues: tuple[LabelIssue, ...]
    findings: tuple[Finding, ...]


class _Compared(NamedTuple):
    """A recording with its prediction.

    Args:
        recording: The recording.
        targets: Indices of its labels; None if the cross-validation does not know them.
        prediction: That of its content.
    """

    recording: Recording
    targets: tuple[int, ...] | None
    prediction: ClipPrediction


def audit_labels(manifest: Manifest, folder: Path, root: Path, reporter: Reporter) -> LabelAudit:
    """Compares the labels of recordings with the predictions of a cross-validation.

    Recordings are matched by content, so that other names do no harm. A label that has changed
    since counts as it is now: whatever it was, it was in no training of the network that predicts
    the clip.

    Args:
        manifest: The recordings that can be read.
        folder: What ``earmark cross-validate -o`` has filled.
        root: Folder of the store.
        reporter: Shows progress.

    Raises:
        DataError: The folder is no finished cross-validation, or one of other data.
    """
    predictions = read_fold_predictions(folder)
    manifest = predictions.labelled(manifest)
    compared = _compare(manifest, predictions, root, reporter)
    if not compared:
        raise DataError(
            f"{folder}: of other data than {manifest.source}: it has none of these recordings; "
            "give the folder of a cross-validation of them"
        )
    usable = [one for one in compared if one.targets is not None]
    issues = tuple(_find_issues(usable, predictions))
    names = {one.recording.name for one in compared}
    missing = tuple(one.name for one in manifest.recordings if one.name not in names)
    findings = (
        *_wrong(issues, len(usable)),
        *_missing(missing, folder),
        *_unknown([one for one in compared if one.targets is None], predictions),
        *_changed(usable, predictions),
    )
    return LabelAudit(issues, findings)


def _compare(
    manifest: Manifest, predictions: FoldPredictions, root: Path, reporter: Reporter
) -> list[_Compared]:
    with ContentDigests(root) as digests:
        known = read_digests(manifest.recordings, digests, reporter)
    found = []
    for one in manifest.recordings:
        digest = known[one.name]
        prediction = None if isinstance(digest, AudioError) else predictions.find(one, digest)
        if prediction is not None:
            found.append(_Compared(one, predictions.targets(one.labels), prediction))
    return found


def _find_issues(
    compared: Sequence[_Compared], predictions: FoldPredictions
) -> Iterator[LabelIssue]:
    if not compared:
        return
    labels = predictions.labels
    targets = multi_hot([one.targets or () for one in compared], len(labels))
    probabilities = np.array([one.prediction.probabilities for one in compared])
    for found in find_wrong_labels(probabilities, targets, predictions.task):
        one = compared[found.clip]
        yield LabelIssue(
            one.recording,
            join_labels(labels, one.targets or ()),
            join_labels(labels, found.predicted),
            found.probability,
        )


def _wrong(issues: Sequence[LabelIssue], num_compared: int) -> Iterator[Finding]:
    if issues:
        paths = tuple(one.recording.name for one in issues)
        listed = (f"{one.recording.name} ({one.label or 'no label'})" for one in issues)
        message = (
            f"{len(issues):,} of {counted(num_compared, 'recording')} may have wrong labels, as "
            f"networks that were not trained on them predict others: {_list(listed, len(issues))}; "
            "listen to the first ones, and correct what is wrong"
        )
        yield Finding("wrong_label", "warning", paths, message)


def _missing(names: tuple[str, ...], folder: Path) -> Iterator[Finding]:
    if names:
        message = (
            f"{counted(len(names), 'recording')} missing from {folder}, so that nothing is known "
            f"of the labels: {_list(names, len(names))}; cross-validate again with them"
        )
        yield Finding("not_cross_validated", "warning", names, message)


def _unknown(compared: Sequence[_Compared], predictions: FoldPredictions) -> Iterator[Finding]:
    if compared:
        paths = tuple(one.recording.name for one in compared)
        listed = (f"{one.recording.name} ({';'.join(one.recording.labels)})" for one in compared)
        message = (
            f"{counted(len(compared), 'recording')} with labels that {predictions.path} does not "
            f"know: {_list(listed, len(compared))}; cross-validate again with them"
        )
        yield Finding("not_cross_validated", "warning", paths, message)


def _changed(compared: Sequence[_Compared], predictions: FoldPredictions) -> Iterator[Finding]:
    """A note about labels that are not those of the cross-validation, which count as they are."""
    changed = [one for one in compared if predictions.targets(one.prediction.labels) != one.targets]
    if changed:
        paths = tuple(one.recording.name for one in changed)
        listed = (
            f"{one.recording.name} ({';'.join(one.recording.labels) or 'no label'}, was "
            f"{';'.join(one.prediction.labels) or 'no label'})"
            for one in changed
        )
        message = (
            f"{counted(len(changed), 'recording')} with other labels than in {predictions.path}: "
            f"{_list(listed, len(changed))}; compared as they are now"
        )
        yield Finding("changed_label", "note", paths, message)


def _list(texts: Iterable[str], number: int) -> str:
    """The first few of some texts, and how many more there are."""
    listed = ", ".join(itertools.islice(texts, _LISTED))
    return f"{listed} and {number - _LISTED:,} more" if number > _LISTED else listed
