"""The results of one shard of a list: a part, which `merge_parts` joins with those of the others.

A part is a folder beside the table that all shards together will make. Its results stay in pieces,
which lose nothing that a table in CSV would. Its files are listed with their places in the whole
list, which give the order and show what is missing::

    results.csv.2-of-8/facts.json, 000000.jsonl, ..., files.jsonl
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earmark.inference.parts import FILES, SHARD, begin_part, finish_part, part_folder
from earmark.inference.result_formats import result_format
from earmark.inference.result_index import ResultIndex
from earmark.inference.result_pieces import ResultPieces, ResumableResults, refuse_other_facts
from earmark.system.shards import ShardFiles, write_positions


class ResultPart(ResumableResults):
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
        folder = part_folder(path, files.shard)
        super().__init__(folder, ResultPieces(folder))
        self._files = files
        self._facts = {**facts, "labels": list(labels), SHARD: list(files.shard)}
        try:
            if started := begin_part(self._pieces, resume=resume, overwrite=overwrite):
                refuse_other_facts(self.path, started, self._facts)
            self._index = ResultIndex(self._pieces.entries())
            # Not a finished part until all files of the present list are done.
            self._pieces.write_facts(self._facts)
        except BaseException:
            self._close()
            raise

    def finish(self) -> None:
        """Writes what remains, and where in the list the files are."""
        self._pieces.flush()
        self._index.log_changed()
        write_positions(self.path / FILES, self._files.positions())
        finish_part(self._pieces, self._facts, self._files)
        self._is_finished = True
        self._pieces.close()
