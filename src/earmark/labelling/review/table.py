"""``labels.csv``: written whole from the answers, soon after each of them."""

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import xxhash

from earmark.data.recording import Recording
from earmark.data.writing import manifest_table
from earmark.errors import EarmarkError
from earmark.system.files import atomic_write, read_text

logger = logging.getLogger(__name__)


class LabelsFile:
    """A table that a thread keeps up to date; answers that come meanwhile are written together.

    Args:
        path: The table. If it was edited since it was written here, that is kept beside the new
            one, with ``.bak`` at the end of its name.
        recordings: What it lists.
    """

    def __init__(self, path: Path, recordings: Callable[[], Sequence[Recording]]) -> None:
        self.path, self._recordings = path, recordings
        self._digest = path.with_name(f".{path.stem}.written")
        self._is_due, self._is_closed = threading.Event(), False
        self._keep_edited()
        self._write()
        self._thread = threading.Thread(target=self._write_when_due, name="labels", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Has the table written soon."""
        self._is_due.set()

    def close(self) -> None:
        """Waits until the table is written."""
        self._is_closed = True
        self._is_due.set()
        self._thread.join()

    def _keep_edited(self) -> None:
        """Keeps the table if somebody else has written it since."""
        written = read_text(self._digest) if self._digest.exists() else ""
        if self.path.exists() and _digest(found := read_text(self.path)) != written:
            kept = self.path.with_name(f"{self.path.name}.bak")
            atomic_write(kept, found)
            logger.warning(f"{self.path}: was edited; the file is kept as {kept.name}")

    def _write(self) -> None:
        table = manifest_table(self._recordings(), self.path.parent)
        atomic_write(self.path, table)
        atomic_write(self._digest, _digest(table))

    def _write_when_due(self) -> None:
        while True:
            self._is_due.wait()
            self._is_due.clear()
            is_last = self._is_closed
            try:
                self._write()
            except (OSError, EarmarkError) as error:
                # The log has the answers; the next one tries again.
                logger.error(f"{self.path}: cannot be written: {error}")
            if is_last:
                return


def _digest(table: str) -> str:
    return xxhash.xxh3_64_hexdigest(table.encode(errors="surrogateescape"))
