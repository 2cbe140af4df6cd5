"""The vectors of one shard of a list: a part, which `merge_vectors` joins with those of the others.

A part is a folder beside the table that all shards together will make. It lists its files with
their places in the whole list, and apart from them those that gave no vectors::

    vectors.parquet.2-of-8/facts.json, 000000.parquet, ..., files.jsonl, failed.jsonl
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from earmark.inference.parts import FILES, SHARD, begin_part, finish_part, part_folder
from earmark.inference.result_index import ResultIndex, name_digest
from earmark.labelling.vector_pieces import place
from earmark.labelling.vector_table import ResumableVectors
from earmark.system.remote.path import to_path
from earmark.system.shards import ShardFiles, write_positions

FAILED = "failed.jsonl"


class VectorPart(ResumableVectors):
    """The vectors of a shard; used as a `VectorTable` is.

    Args:
        path: The table that the shards make together.
        dimensions: As for `VectorTable`.
        facts: As for `VectorTable`.
        files: Goes through the list of all files while the vectors come.
        resume: Continue interrupted or finished work.
        overwrite: Start again in place of it.

    Raises:
        ConfigError: As for `VectorTable`.
        DataError: As for `VectorTable`.
    """

    def __init__(
        self,
        path: Path,
        dimensions: int,
        facts: Mapping[str, Any],
        files: ShardFiles,
        *,
        resume: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.path = part_folder(path, files.shard)
        super().__init__(path, self.path, dimensions, facts)
        self._files = files
        self._facts[SHARD] = list(files.shard)
        try:
            if started := begin_part(self._pieces, resume=resume, overwrite=overwrite):
                self._refuse_other_facts(self.path, started)
            self._index = ResultIndex(self._piece_entries())
            # Not a finished part until all files of the present list are done.
            self._pieces.write_facts(self._facts)
        except BaseException:
            self._close()
            raise

    def finish(self) -> None:
        """Writes what remains, and where in the list the files are."""
        self._pieces.flush()
        self._index.log_changed("embedded")
        places = (place(to_path(name)) for _, name in self._files.positions())
        digests = np.fromiter((name_digest(str(one)) for one in places), np.uint64)
        is_embedded = np.isin(digests, np.frombuffer(self._names, np.uint64))
        embedded = itertools.compress(self._files.positions(), is_embedded.tolist())
        # Of several names of a file, the last one is that of its rows.
        cells = {self.cell(to_path(name)) or name: position for position, name in embedded}
        write_positions(self.path / FILES, ((position, name) for name, position in cells.items()))
        failed = itertools.compress(self._files.positions(), (~is_embedded).tolist())
        write_positions(self.path / FAILED, failed)
        finish_part(self._pieces, self._facts, self._files)
        self._is_finished = True
        self._pieces.close()
