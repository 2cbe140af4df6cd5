"""The results of many files: collected in pieces, so that work can be resumed, then one table.

Until the last file is done, results go to a folder beside the table, in pieces that are written
atomically: an interruption loses at most the last piece. At the end the pieces are merged into the
table, which is written atomically as well, and the folder is removed. With ``overwrite``, a file
in the place of the table is replaced, even if that work is interrupted and resumed itself::

    results.parquet.pieces/facts.json, 000000.jsonl, 000001.jsonl, ...  ──▶  results.parquet

Hidden files beside the table keep what the results depend on, and the states of the files when they
were predicted: files that have changed since are predicted again.
"""

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.errors import ConfigError
from earmark.inference.pieces import FACTS, read_facts
from earmark.inference.result_formats import Row, result_format
from earmark.inference.result_index import Entry, ResultIndex, name_digest, read_states
from earmark.inference.result_pieces import (
    ResultPieces,
    ResumableResults,
    refuse_other_facts,
    without_state,
)
from earmark.system.files import atomic_open, atomic_write

logger = logging.getLogger(__name__)

_KEEPS_TABLE = "keeps_table"


class ResultTable(ResumableResults):
    """The results of many files.

    Args:
        path: The table: ``.csv``, ``.jsonl`` or ``.parquet``.
        labels: The vocabulary, which sets the columns.
        facts: What the results depend on; results with other facts are not mixed with these.
        resume: Continue the pieces of interrupted work, and a finished table.
        overwrite: Start again in place of these, or of any other file.

    Raises:
        ConfigError: As `result_format`; or there are pieces or a file, and neither ``resume`` nor
            ``overwrite`` is set; or the pieces or the finished table to resume have other facts.
        DataError: Another process is writing this table; or what is to be resumed is damaged or
            has other columns.
    """

    def __init__(
        self,
        path: Path,
        labels: Sequence[str],
        facts: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self._format, self._labels = result_format(path), tuple(labels)
        super().__init__(path, ResultPieces(path.with_name(f"{path.name}.pieces")))
        self._facts = dict(facts)
        self._old: Path | None = None
        try:
            if overwrite:
                self._pieces.clear()
            elif not resume:
                self._refuse_results()
            if self._keeps_table(resume=resume):
                self._old = path
            self._index = ResultIndex(self._entries())
            self._pieces.write_facts({**facts, _KEEPS_TABLE: self._old is not None})
        except BaseException:
            self._close()
            raise

    def finish(self) -> None:
        """Merges all pieces into the table, and removes them."""
        self._pieces.flush()
        self._index.log_changed()
        with atomic_open(self.path) as file:
            self._format.write(file, self._rows(), self._labels)
        write_sidecars(self.path, self._index.to_bytes(), self._facts)
        self._is_finished = True
        self._pieces.remove()

    def _close(self) -> None:
        # Only the facts file records that a finished table is to be replaced.
        replaces = self.path.exists() and self._old is None and self._pieces.has_facts
        self._pieces.close(keep=bool(self._pieces.count) or replaces)

    def _refuse_results(self) -> None:
        self._pieces.refuse_some()
        refuse_table(self.path)

    def _keeps_table(self, *, resume: bool) -> bool:
        """Whether the rows of a finished table stay; resumed work continues as it started."""
        keeps_table, facts = resume, facts_file(self.path)
        if resume and (started := self._pieces.read_facts()):
            kept = started.pop(_KEEPS_TABLE, True)
            if self._pieces.count:
                refuse_other_facts(self._pieces.folder, started, self._facts)
            keeps_table = kept or started != self._facts
        if keeps_table and self.path.exists() and facts.exists():
            refuse_other_facts(self.path, read_facts(facts), self._facts)
        return keeps_table and self.path.exists()

    def _entries(self) -> Iterator[Entry]:
        """What is kept of the rows of the table, and of those of the pieces."""
        if self._old is not None:
            state_of = read_states(states_file(self.path))
            for row in self._format.read(self._old, self._labels):
                name = name_digest(row["path"])
                yield Entry(name, state_of(name), bool(row.get("error")))
        yield from self._pieces.entries()

    def _rows(self) -> Iterator[Row]:
        """The rows that count: of the table that is kept, and of the pieces."""
        rows = itertools.chain(
            self._format.read(self._old, self._labels) if self._old is not None else (),
            (self._format.to_row(without_state(row), self._labels) for row in self._pieces.rows()),
        )
        return itertools.compress(rows, self._index.kept_rows().tolist())


def write_sidecars(path: Path, states: bytes, facts: Mapping[str, Any]) -> None:
    """Writes the hidden files beside a finished table.

    Args:
        path: The table.
        states: The states of its files, for `read_states`.
        facts: What the results depend on.
    """
    atomic_write(states_file(path), states)
    atomic_write(facts_file(path), json.dumps(facts))


def facts_file(path: Path) -> Path:
    """The hidden file beside a table that keeps what its results depend on."""
    return path.with_name(f".{path.name}.{FACTS}")


def refuse_table(path: Path) -> None:
    """Checks that a table is not there yet.

    Raises:
        ConfigError: It is.
    """
    if path.exists():
        raise ConfigError(
            f"{path}: exists; add to it with --resume, replace it with --overwrite, or "
            "choose another name"
        )


def states_file(path: Path) -> Path:
    """The hidden file beside a table that keeps the states of its files."""
    return path.with_name(f".{path.name}.states.npy")
