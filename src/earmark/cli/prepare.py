"""The command that computes features."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.options import configured, data_argument, json_option, resumable
from earmark.cli.printing import exit_if_skipped, read_data

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.progress import Reporter


@click.command()
@resumable()
@data_argument
@click.option(
    "-o",
    "--store",
    type=click.Path(path_type=Path),
    help="Folder of the feature store; the shared one by default.",
)
@json_option
@configured
def prepare(
    data: Path, store: Path | None, as_json: bool, config: "Config", reporter: "Reporter"
) -> None:
    """Compute the log-mel features of a data set into a store on disk."""
    import earmark.data.preparation

    prepared = earmark.data.preparation.prepare(
        read_data(data), config, store=store, reporter=reporter
    )
    if as_json:
        click.echo(json.dumps(prepared.to_dict()))
    else:
        count = f"{len(prepared.keys)} clips stored, {prepared.num_computed} of them new"
        click.echo(f"{count}, in {prepared.store}")
    exit_if_skipped(prepared.skipped)
