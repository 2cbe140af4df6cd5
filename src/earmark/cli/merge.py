"""The command that joins the results of shards."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import guarded, json_option
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.system.progress import Reporter

_path = click.Path(path_type=Path)


@click.command()
@guarded
@click.argument("parts", nargs=-1, required=True, metavar="PART...", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="Table: .csv, .jsonl or .parquet.")
@click.option("--overwrite", is_flag=True, help="Replace any existing file.")
@json_option
def merge(
    parts: tuple[Path, ...], output: Path, overwrite: bool, as_json: bool, reporter: "Reporter"
) -> None:
    """Join the results of shards to one table.

    PART is a folder that predict or embed --shard has made, such as results.csv.1-of-8. The table
    is the one that a single machine writes, byte for byte; missing shards and files are named.
    """
    import logging

    from earmark.inference.parts import holds_vectors
    from earmark.system.numbers import counted

    if any(map(holds_vectors, parts)):
        from earmark.labelling.vector_merge import merge_vectors as join
    else:
        from earmark.inference.merge import merge_parts as join
    merged = join(parts, output, overwrite=overwrite)
    if merged.num_left_out:
        logging.getLogger(__name__).warning(
            f"left out: {counted(merged.num_left_out, 'result')} of files that the list of the "
            "shards no longer has"
        )
    if as_json:
        print_json(merged.to_dict())
        return
    print_line(f"{merged.describe()}: {merged.path}")
