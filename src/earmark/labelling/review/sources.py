"""Where clips to review come from: a table, a folder of sound, a test, or an audit."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.audio.reading import is_audio
from earmark.data.folders import walk
from earmark.data.manifest import Manifest
from earmark.data.recording import Recording
from earmark.data.tables.table import read_table
from earmark.errors import DataError
from earmark.labelling.review.queue import Queue, QueueItem, make_queue
from earmark.labelling.review.tested import read_tested
from earmark.system.files import read_text
from earmark.system.numbers import parse_number

TABLE, PREDICTIONS = "recordings.csv", "predictions.csv"
OPINIONS = ("predicted", "probability", "score", "reason")
"""Columns of a queue that no manifest has."""


@dataclass(frozen=True)
class QueueOptions:
    """What is known besides the source.

    Args:
        data: The data set that the names in a test or an audit are of.
        labels: The first labels of the vocabulary.
        is_multi_label: Whether a clip may have several labels.
    """

    data: Manifest | None = None
    labels: Sequence[str] = ()
    is_multi_label: bool = False


def read_queue(source: Path, options: QueueOptions = QueueOptions()) -> Queue:
    """Reads the clips to review.

    Args:
        source: A manifest or a queue, whose labels may be missing; a folder of sound, whose files
            have no labels yet; a run or a cross-validation with its ``predictions.csv``; or what
            ``check --json`` printed.
        options: What is known besides.

    Raises:
        DataError: It cannot be read, or names recordings that are not in the data.
    """
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    items, others = _read(source, options)
    if not items:
        raise DataError(f"{source}: no clips to review")
    known = options.labels
    return make_queue(
        str(source), items, labels=known, is_multi_label=options.is_multi_label, others=others
    )


def _read(source: Path, options: QueueOptions) -> tuple[list[QueueItem], list[Recording]]:
    if source.is_dir():
        if (source / TABLE).is_file() or options.data:
            return _read_test(source / PREDICTIONS, options.data)
        return list(_read_folder(source)), []
    if source.suffix.lower() == ".json":
        return _read_audit(source, options.data)
    if source.name == PREDICTIONS:
        return _read_test(source, options.data)
    table = read_table(source, is_labelled=False)
    return [_queued(one, table.rows, source) for one in table.recordings], []


def _read_folder(folder: Path) -> Iterator[QueueItem]:
    for path in walk(folder):
        if is_audio(path):
            name = path.relative_to(folder).as_posix()
            yield QueueItem(Recording(path.absolute(), name, (), group=name))


def _queued(recording: Recording, rows: Mapping[str, int], source: Path) -> QueueItem:
    cells = recording.extra
    numbers = {name: parse_number(cells.get(name, "")) for name in ("probability", "score")}
    for name, number in numbers.items():
        if number is None and cells.get(name):
            where = f"{source}, row {rows[recording.name]}"
            raise DataError(f"{where}: {name} {cells[name]!r} is not a number")
    return QueueItem(
        recording, cells.get("predicted", ""), **numbers, reason=cells.get("reason", "")
    )


def _read_test(predictions: Path, data: Manifest | None) -> tuple[list[QueueItem], list[Recording]]:
    """The clips of a test, those that look most wrong first; the others are not asked about."""
    folder = predictions.parent
    if not predictions.is_file():
        raise DataError(f"{folder}: no {PREDICTIONS}; test the model first")
    if data:
        known = data.recordings
    elif (folder / TABLE).is_file():
        known = tuple(read_table(folder / TABLE).recordings)
    else:
        raise DataError(f"{predictions}: names clips of a data set; name it with --data DATA")
    by_name = {one.name: one for one in known}
    found = [
        QueueItem(
            _named(by_name, one.name, predictions),
            one.predicted,
            one.probability,
            one.score,
            one.reason,
        )
        for one in read_tested(predictions)
    ]
    tested = {one.recording.name for one in found}
    others = [one for one in known if one.name not in tested]
    return sorted(found, key=lambda one: -(one.score or 0)), others


def _read_audit(source: Path, data: Manifest | None) -> tuple[list[QueueItem], list[Recording]]:
    """What an audit found, wrong labels first; the other recordings are not asked about."""
    try:
        document = json.loads(read_text(source))
        findings = [*(document.get("label_issues") or ()), *document["findings"]]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DataError(f"{source}: not what `earmark check DATA --json` printed") from None
    if data is None:
        raise DataError(f"{source}: names recordings of a data set; name it with --data DATA")
    by_name = {one.name: one for one in data.recordings}
    found: dict[str, QueueItem] = {}
    for finding in findings:
        for name in finding.get("paths", [finding.get("path", "")]):
            before = found.get(name) or QueueItem(_named(by_name, name, source))
            found[name] = _with_finding(before, finding)
    return list(found.values()), [one for one in data.recordings if one.name not in found]


def _with_finding(item: QueueItem, finding: Mapping[str, Any]) -> QueueItem:
    is_issue = "kind" not in finding
    reason = finding.get("message", "label may be wrong" if is_issue else "")
    return QueueItem(
        item.recording,
        finding.get("predicted") or item.predicted,
        finding.get("probability", item.probability),
        finding.get("score", item.score),
        "; ".join(filter(None, (item.reason, reason))),
    )


def _named(known: Mapping[str, Recording], name: str, source: Path) -> Recording:
    if name not in known:
        raise DataError(f"{source}: {name!r} is not in the data; name the right DATA with --data")
    return known[name]
