"""Tables of vectors in memory and on disk."""

import numpy as np
import pytest

from earmark.inference.embedding import EmbeddedFile, Embeddings
from earmark.labelling.vector_table import VectorTable


@pytest.fixture
def write_vectors(tmp_path):
    """A function that writes a table of vectors, a file for each array of them."""

    def write(*files, facts=None):
        path = tmp_path / "vectors.parquet"
        with VectorTable(path, len(files[0][0]), facts or {}, overwrite=True) as table:
            for number, values in enumerate(files):
                starts = np.arange(len(values), dtype=np.float64)
                found = Embeddings(starts, starts + 1.0, np.asarray(values, np.float32))
                table.add(EmbeddedFile(tmp_path / f"{number}.wav", found, float(len(values))))
            return table.finish()

    return write
