"""How long does an exact search among many vectors take?

Writes a table of random vectors as `earmark embed` does, and searches it: first with its unit
vectors in the cache of the system, then without the file that holds them.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from earmark.inference.embedding import EmbeddedFile, Embeddings
from earmark.labelling.search import find_nearest
from earmark.labelling.units import units_path
from earmark.labelling.vector_table import VectorTable
from earmark.labelling.vectors import Vectors
from machine import describe_machine, fastest_seconds, peak_megabytes

WINDOWS_PER_FILE = 1000
NUM_FOUND = 20
ROUNDS = 5


def main() -> None:
    """Prints a row for each number of vectors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 10])
    parser.add_argument("--folder", type=Path, help="Where the tables go; a temporary one if not.")
    arguments = parser.parse_args()
    print(describe_machine("numpy", "pyarrow"))
    print()
    print("| vectors | values | queries | MB | search s | without units s | write s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for num_windows in arguments.windows:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            started_at = time.perf_counter()
            vectors = write_table(Path(folder), num_windows, arguments.dimensions)
            write_seconds = time.perf_counter() - started_at
            for num_queries in arguments.queries:
                print_row(vectors, num_queries, write_seconds)


def write_table(folder: Path, num_windows: int, dimensions: int) -> Vectors:
    """A table of random vectors."""
    rng = np.random.default_rng(0)
    with VectorTable(folder / "vectors.parquet", dimensions, {}) as table:
        for first in range(0, num_windows, WINDOWS_PER_FILE):
            count = min(WINDOWS_PER_FILE, num_windows - first)
            starts = np.arange(count, dtype=np.float64)
            values = rng.standard_normal((count, dimensions), dtype=np.float32)
            found = Embeddings(starts, starts + 1.0, values)
            table.add(EmbeddedFile(folder / f"{first}.wav", found, float(count)))
        return table.finish()


def print_row(vectors: Vectors, num_queries: int, write_seconds: float) -> None:
    """Times searches, and checks that they find what a query was made of."""
    rng = np.random.default_rng(1)
    known = next(vectors.units())[:num_queries]
    noise = rng.standard_normal((num_queries, vectors.dimensions), dtype=np.float32)
    queries = known + 0.01 * noise

    def work() -> None:
        nearest = find_nearest(vectors, queries, NUM_FOUND)
        windows = vectors.windows(nearest.rows)
        assert len(windows) == NUM_FOUND
        assert nearest.rows[0] < num_queries

    seconds = fastest_seconds(work, ROUNDS)
    units = units_path(vectors.path)
    size = units.stat().st_size / 1e6
    units.unlink()
    without = fastest_seconds(work, 1)
    print(
        f"| {vectors.num_windows:,} | {vectors.dimensions} | {num_queries} | {size:,.0f} | "
        f"{seconds:.2f} | {without:.1f} | {write_seconds:.0f} | {peak_megabytes():,.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
