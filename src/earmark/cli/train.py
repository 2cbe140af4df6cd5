"""The command that trains."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import (
    computing,
    configured,
    data_argument,
    guarded,
    json_option,
    overwrite_option,
    seeded,
    store_option,
)
from earmark.cli.output import exit_if_skipped

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.runtime import Runtime


@click.command()
@guarded
@data_argument
@click.option(
    "-o",
    "--output",
    "run",
    type=click.Path(path_type=Path),
    required=True,
    help="Run folder; an interrupted run in it goes on.",
)
@overwrite_option
@store_option
@computing
@json_option
@seeded
@configured
def train(
    data: Path,
    run: Path,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
    **options: Any,
) -> None:
    """Trains a network: features, epochs with validation, early stopping, checkpoints."""
    from earmark.manifest import read_manifest
    from earmark.training import train as train_network

    result = train_network(read_manifest(data), run, config, runtime=runtime, **options)
    if not runtime.is_main:
        return
    if as_json:
        click.echo(json.dumps(result.to_dict()))
    else:
        figures = result.validation
        click.echo(
            f"{result.num_parameters:,} parameters, best epoch {result.best_epoch} of "
            f"{result.epochs}: validation loss {figures['loss']:.4f}, accuracy "
            f"{figures['accuracy']:.1%} ({figures['num_correct']} of {figures['num_clips']})"
        )
        click.echo(f"Run folder: {run}. Test it: earmark evaluate {run} {data}")
    exit_if_skipped(result.skipped, runtime.reporter)
