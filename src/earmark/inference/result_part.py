"""The results of one shard of a list: a part, which `merge_parts` joins with those of the others.

A part is a folder beside the table that all shards together will make. Its results stay in pieces,
which lose nothing that a table in CSV would. Its files are listed with their places in the whole
list, which give the order and show what is missing::

    results.csv.2-of-8/facts.json, 000000.jsonl, ..., files.jsonl
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.inference.result_formats import Row, result_format
from earmark.inference.result_index import ResultIndex
from earmark.inference.result_pieces import ResultPieces, refuse_other_facts
from earmark.system.shards import Shard, ShardFiles, write_positions

FILES = "files.jsonl"
LIST = "list"
"""Key of the facts of a finished part: what is known of the whole list."""


class ResultPart:
    """The results of a shard; used as a `ResultTable` is.

    Args:
        path: The table that the shards make together.
        labels: As for `ResultTable`.
        facts: As for `ResultTable`.
        files: Goes through the list of all files while the results come.
        resume: Continue interrupted or finished work.
        overwrite: Start again in place of it.

    Raises:
        ConfigError: As for `ResultTable`.
        DataError: As for `ResultTable`.
    """

    def __init__(
        self,
        path: Path,
        labels: Sequence[str],
        facts: Mapping[str, Any],
        files: ShardFiles,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        result_format(path)
        self.path = part_folder(path, files.shard)
        self._files = files
        self._facts = {**facts, "labels": list(labels), "shard": list(files.shard)}
        self._is_finished = False
        self._pieces = ResultPieces(self.path)
        try:
            if overwrite:
                self._pieces.clear()
            elif not resume:
                self._pieces.refuse_some()
            elif started := self._pieces.read_facts():
                started.pop(LIST, None)
                refuse_other_facts(self.path, started, self._facts)
            self._index = ResultIndex(self._pieces.entries())
            # Not a finished part until all files of the present list are done.
            self._pieces.write_facts(self._facts)
        except BaseException:
            self._close()
            raise

    @property
    def num_done(self) -> int:
        """As `ResultTable.num_done`."""
        return self._index.num_done

    @property
    def num_failed(self) -> int:
        """As `ResultTable.num_failed`."""
        return self._index.num_failed

    @property
    def num_unknown(self) -> int:
        """As `ResultTable.num_unknown`."""
        return self._index.num_unknown

    def is_done(self, path: Path) -> bool:
        """As `ResultTable.is_done`."""
        return self._index.is_done(path)

    def add(self, result: Row) -> None:
        """As `ResultTable.add`."""
        state = self._index.add(result["path"], is_failed="error" in result)
        self._pieces.add(result, state)

    def finish(self) -> None:
        """Writes what remains, and where in the list the files are."""
        self._pieces.flush()
        self._index.log_changed()
        write_positions(self.path / FILES, self._files.positions())
        known = {"num_files": self._files.num_files, "digest": self._files.digest}
        self._pieces.write_facts({**self._facts, LIST: known})
        self._is_finished = True
        self._pieces.close()

    def __enter__(self) -> "ResultPart":
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption: keep the results since the last piece.
        if not self._is_finished:
            self._pieces.flush()
            self._close()

    def _close(self) -> None:
        self._pieces.close(keep=bool(self._pieces.count))


def part_folder(path: Path, shard: Shard) -> Path:
    """The folder of a part.

    Args:
        path: The table that the shards make together.
        shard: Which of them.

    Example:
        >>> part_folder(Path("results.csv"), Shard(2, 8)).name
        'results.csv.2-of-8'
    """
    return path.with_name(f"{path.name}.{shard.number}-of-{shard.count}")
