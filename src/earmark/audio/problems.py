"""What is logged about faulty files among many: the first of a kind each, the rest counted."""

import logging
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from earmark.audio.source import HARMFUL_NOTES, Note
from earmark.errors import AudioFault
from earmark.system.numbers import counted

logger = logging.getLogger(__name__)

SHOWN_OF_A_KIND = 5


class FileProblems:
    """Logs skipped files and harmful notes; a context, at whose end the rest is counted.

    Args:
        num_shown: Number of messages of a kind before the others are only counted.

    Example:
        >>> with FileProblems() as problems:
        ...     problems.add_skipped("a.wav: the file is empty", "empty")
    """

    def __init__(self, num_shown: int = SHOWN_OF_A_KIND) -> None:
        self._num_shown = num_shown
        self._skipped: Counter[str] = Counter()
        self._noted: Counter[str] = Counter()

    def add_skipped(self, error: str, fault: AudioFault | None) -> None:
        """Logs why a file was skipped.

        Args:
            error: One line that names the file.
            fault: Its kind; None is one of its own.
        """
        kind = fault or "other"
        self._skipped[kind] += 1
        if self._skipped[kind] <= self._num_shown:
            logger.warning(f"skipped: {error}")

    def add_notes(self, path: Path | str, notes: Iterable[Note]) -> None:
        """Logs the harmful ones of what was noticed in a file.

        Args:
            path: The file.
            notes: Of any kind.
        """
        for note in notes:
            if note.kind not in HARMFUL_NOTES:
                continue
            self._noted[note.kind] += 1
            if self._noted[note.kind] <= self._num_shown:
                logger.warning(f"{path}: {note.text}")

    def __enter__(self) -> "FileProblems":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for counts, where, lister in (
            (self._skipped, "skipped", "--json"),
            (self._noted, "noted", "earmark check"),
        ):
            for name, number in counts.items():
                if number > self._num_shown:
                    more = counted(number - self._num_shown, "more file")
                    what = name.replace("_", " ")
                    logger.warning(f"{where}: {more} like these ({what}); {lister} lists all")
