"""The page beside a report on which labels are corrected, and the links to its clips."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from earmark.audit.findings import Audit, LabelIssue
from earmark.data.manifest import Manifest
from earmark.data.names.patterns import quote
from earmark.data.recording import Recording
from earmark.data.tables.table import read_table
from earmark.evaluation.analysis.examples import rank_clips
from earmark.evaluation.result import Evaluation
from earmark.labelling.review.queue import Queue, QueueItem, make_queue
from earmark.labelling.review.sources import TABLE
from earmark.labelling.review.states import States
from earmark.labelling.review.static import StaticOptions, write_static_page
from earmark.tasks.task import MULTI_LABEL

MAX_ERRORS, MAX_FOUND = 60, 100
"""Most clips on the page of a test, and on that of an audit."""
CONTEXT_SECONDS = 1.0


@dataclass(frozen=True)
class ReviewLinks:
    """Addresses of clips on a page on which their labels are corrected.

    Args:
        page: Name of the file, which lies beside the report.
        keys: Name of a clip that is there to its key.
        confused: Labels and predicted labels of the clips that are there.
        command: Shows all clips of the test, with the program behind the page.

    Example:
        >>> links = ReviewLinks("review.html", {"a.wav": "k"}, frozenset({("dog", "cat")}))
        >>> links.to_cell("dog", "cat"), links.to_cell("cat", "dog"), links.to_clip("a.wav")
        ('review.html#label=dog&predicted=cat', None, 'review.html#clip=k')
    """

    page: str
    keys: Mapping[str, str]
    confused: frozenset[tuple[str, str]] = frozenset()
    command: str = ""

    def to_clip(self, name: str) -> str | None:
        """The address of a clip; None if it is not there."""
        return self._to(clip=self.keys[name]) if name in self.keys else None

    def to_cell(self, label: str, predicted: str) -> str | None:
        """The address of the clips of a cell of the confusion matrix; None if none is there."""
        if (label, predicted) not in self.confused:
            return None
        return self._to(label=label, predicted=predicted)

    def to_finding(self, message: str, names: Iterable[str]) -> str | None:
        """The address of the clips that a finding names; None if none is there."""
        return self._to(text=message) if any(one in self.keys for one in names) else None

    def _to(self, **wanted: str) -> str:
        return f"{self.page}#{urlencode(wanted)}"


@dataclass(frozen=True)
class ReviewPage:
    """A page on which labels are corrected, which is written after what links to it.

    Args:
        path: Where it will be.
        queue: Its clips; None if there are none.
        command: As for `ReviewLinks`.
        are_decoded: Whether all clips have been decoded before.
    """

    path: Path
    queue: Queue | None
    command: str = ""
    are_decoded: bool = False

    @property
    def links(self) -> ReviewLinks | None:
        """The links to its clips; None if there are none."""
        if self.queue is None:
            return None
        items = self.queue.items
        confused = {(_joined(one.recording), one.predicted) for one in items}
        keys = {one.recording.name: one.key for one in items}
        return ReviewLinks(self.path.name, keys, frozenset(confused), self.command)

    def write(self) -> None:
        """Writes the page; removes an earlier one if it has no clips.

        Raises:
            OSError: It cannot be written.
        """
        if self.queue is None:
            self.path.unlink(missing_ok=True)
            return
        options = StaticOptions(
            len(self.queue.items), CONTEXT_SECONDS, are_decoded_before=self.are_decoded
        )
        write_static_page(self.path, self.queue, States(), options)


def review_test(path: Path, evaluation: Evaluation, manifest: Manifest) -> ReviewPage:
    """The page with the wrong predictions of a test, those with the largest loss.

    Args:
        path: Where it will be.
        evaluation: The test.
        manifest: The data.
    """
    recordings = {one.name: one for one in manifest.recordings}
    wrong = [one for one in rank_clips(evaluation) if not one.correct and one.name in recordings]
    items = [
        QueueItem(
            recordings[one.name],
            one.predicted,
            one.probability,
            one.loss,
            "predicted wrongly" if not one.abstained else f"abstained ({one.abstained})",
        )
        for one in wrong[:MAX_ERRORS]
    ]
    is_multi_label = evaluation.predictions.task is MULTI_LABEL
    queue = _queue(path, items, evaluation.labels, is_multi_label=is_multi_label)
    # What was tested has been decoded; what an audit names may be of any kind.
    return ReviewPage(path, queue, _command(path.parent, manifest), are_decoded=True)


def _command(folder: Path, manifest: Manifest) -> str:
    """What shows the clips of the test in a folder; a run knows its own recordings."""
    table = folder / TABLE
    known = {one.name for one in read_table(table).recordings} if table.is_file() else set()
    is_known = known.issuperset(one.name for one in manifest.recordings)
    data = "" if is_known else f" --data {quote(str(manifest.given))}"
    return f"earmark review {quote(str(folder))}{data}"


def review_audit(path: Path, audit: Audit, manifest: Manifest) -> ReviewPage:
    """The page with the recordings that an audit names.

    Args:
        path: Where it will be.
        audit: What was found.
        manifest: The data.
    """
    recordings = {one.name: one for one in manifest.recordings}
    reasons: dict[str, list[str]] = {}
    for finding in audit.by_severity:
        for name in finding.paths:
            if name in recordings:
                reasons.setdefault(name, []).append(finding.message)
    issues = {one.recording.name: one for one in audit.label_issues or ()}
    # Wrong labels first, as the audit lists the most probable first.
    names = dict.fromkeys((*(one for one in issues if one in recordings), *reasons))
    items = [_found(recordings[name], reasons.get(name, ()), issues.get(name)) for name in names]
    is_multi_label = any(len(one.labels) > 1 for one in manifest.recordings)
    queue = _queue(path, items[:MAX_FOUND], manifest.labels, is_multi_label=is_multi_label)
    return ReviewPage(path, queue)


def _found(recording: Recording, reasons: Sequence[str], issue: LabelIssue | None) -> QueueItem:
    if issue is None:
        return QueueItem(recording, reason="; ".join(reasons))
    reason = "; ".join(dict.fromkeys(("the label is probably wrong", *reasons)))
    return QueueItem(recording, issue.predicted, issue.probability, reason=reason)


def _queue(
    path: Path, items: Sequence[QueueItem], labels: Sequence[str], *, is_multi_label: bool
) -> Queue | None:
    title = path.absolute().parent.name
    return make_queue(title, items, labels=labels, is_multi_label=is_multi_label) if items else None


def _joined(recording: Recording) -> str:
    return ";".join(recording.labels)
