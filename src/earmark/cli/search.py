"""The command that finds similar moments."""

from pathlib import Path

import click

from earmark.cli.options import device_option, guarded, json_option
from earmark.cli.terminal import print_json, print_line, print_table
from earmark.errors import ConfigError


@click.command()
@guarded
@click.argument("table", metavar="VECTORS", type=click.Path(path_type=Path))
@click.argument("query", type=click.Path(path_type=Path))
@click.option("--start", type=float, help="Where the moment of QUERY starts, in seconds.")
@click.option(
    "-n",
    "--number",
    "num_found",
    type=click.IntRange(min=1, max=100_000),
    default=20,
    show_default=True,
    help="Number of moments.",
)
@click.option(
    "--page", type=click.Path(path_type=Path), help="HTML page with the sound of each moment."
)
@click.option(
    "--model", type=click.Path(path_type=Path), help="What made VECTORS, if it has moved."
)
@device_option
@json_option
def search(  # noqa: PLR0913 - one per option
    table: Path,
    query: Path,
    start: float | None,
    num_found: int,
    page: Path | None,
    model: Path | None,
    device: str,
    as_json: bool,
    reporter: object,
) -> None:
    """Find the moments of a table of vectors that are most similar to a sound.

    VECTORS is a table of earmark embed, QUERY a sound file. Without --start, a moment counts by the
    window of QUERY that it is most similar to.
    """
    from earmark.inference.open_embedder import reopen
    from earmark.labelling.search import search as find_similar
    from earmark.labelling.vectors import read_vectors

    # NaN fails this comparison as well.
    if start is not None and not start >= 0:
        raise ConfigError(f"--start {start:g}: give 0 or more seconds")
    vectors = read_vectors(table)
    embedder = reopen(vectors.facts, model, device)
    matches = find_similar(vectors, embedder, query, start_seconds=start, num_found=num_found)
    if page is not None:
        from earmark.report.search import write_search_page

        end = None if start is None else start + embedder.window_seconds
        write_search_page(page, query, (start or 0.0, end), matches)
    if as_json:
        found = [one.to_dict() for one in matches]
        print_json({"query": str(query), "start": start, "matches": found})
        return
    rows = [
        (one.path, f"{one.start:.2f}", f"{one.end:.2f}", f"{one.similarity:.3f}") for one in matches
    ]
    print_table("", ("file", "start", "end", "similarity"), rows)
    if page is not None:
        print_line(f"Page: {page}")
