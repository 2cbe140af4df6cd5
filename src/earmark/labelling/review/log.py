"""The append-only log of answers: on disk before the page hears that an answer is saved."""

import errno
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earmark.audio.source import Excerpt
from earmark.data.recording import Recording
from earmark.errors import ConfigError, DataError
from earmark.labelling.review.answers import Answer
from earmark.system.files import path_from, plain_path
from earmark.system.remote.path import to_path
from earmark.system.remote.urls import is_url

logger = logging.getLogger(__name__)

_FACTS = ("group", "split", "fold")


@dataclass(frozen=True)
class Entry:
    """A line of the log.

    Args:
        answer: The answer.
        is_accepted: Whether it counts; one that does not was to an earlier revision.
        recording: The clip.
    """

    answer: Answer
    is_accepted: bool
    recording: Recording


class AnswerLog:
    """The log beside a table of labels. One process at a time has it open.

    Args:
        labels: The table, such as ``labels.csv``; its log is ``labels.answers.jsonl``.

    Raises:
        ConfigError: Another process has it open.
    """

    def __init__(self, labels: Path) -> None:
        self.path = self.path_of(labels)
        labels.parent.mkdir(parents=True, exist_ok=True)
        # Not the log itself: to lock a file empties it.
        self._lock = FileLock(labels.with_name(f".{labels.stem}.answers.lock"), timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            message = f"{labels}: another review writes it; end that one, or choose another -o"
            raise ConfigError(message) from None
        try:
            self._file = self.path.open("ab", buffering=0)
        except OSError:
            self._lock.release()
            raise

    @staticmethod
    def path_of(labels: Path) -> Path:
        """The log of a table.

        Example:
            >>> AnswerLog.path_of(Path("labels.csv")).name
            'labels.answers.jsonl'
        """
        return labels.with_name(f"{labels.stem}.answers.jsonl")

    def close(self) -> None:
        """Closes the log."""
        self._file.close()
        self._lock.release()

    def append(self, entry: Entry) -> None:
        """Adds a line and waits until it is on disk.

        Raises:
            OSError: It cannot be written.
        """
        line = json.dumps(self._document(entry)).encode() + b"\n"
        length = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(self._file.fileno())
        except OSError:
            # Or half a line would stand before the next one.
            os.truncate(self.path, length)
            raise

    def _document(self, entry: Entry) -> dict[str, Any]:
        one = entry.recording
        return {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "accepted": entry.is_accepted,
            "answer": entry.answer.model_dump(mode="json", exclude_defaults=True),
            "path": path_from(self.path.parent, one.path),
            "start": one.excerpt.start,
            "end": one.excerpt.end,
            "labels": one.labels,
            **{name: getattr(one, name) for name in _FACTS if name != "group" or one.has_group},
        }

    def read(self) -> list[Entry]:
        """All lines. A last one that was cut short, whose answer nobody was promised, is removed.

        Raises:
            DataError: A line is damaged.
        """
        content = self.path.read_bytes()
        length = content.rfind(b"\n") + 1
        if length < len(content):
            logger.warning(f"{self.path}: the last line was cut short and is left out")
            os.truncate(self.path, length)
        return list(read_entries(self.path))


def read_entries(path: Path) -> Iterator[Entry]:
    """The lines of a log that end.

    Args:
        path: The log; it need not exist.

    Raises:
        DataError: A line is damaged.
    """
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else ()
    for number, line in enumerate(lines, start=1):
        try:
            yield _entry(path.parent, json.loads(line))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number}: not an answer ({type(error).__name__}); restore the file, "
                "or remove the line"
            ) from None


def _entry(folder: Path, line: dict[str, Any]) -> Entry:
    path = plain_path(to_path(line["path"]) if is_url(line["path"]) else folder / line["path"])
    excerpt = Excerpt(line["start"], line["end"])
    name = f"{line['path']} {excerpt}".strip()
    facts = {key: line[key] for key in _FACTS if line.get(key) is not None}
    recording = Recording(
        path, name, tuple(line["labels"]), **{"group": line["path"], **facts}, excerpt=excerpt
    )
    answer = Answer.model_validate_json(json.dumps(line["answer"]))
    return Entry(answer, bool(line["accepted"]), recording)
