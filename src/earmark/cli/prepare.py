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
    "store_root",
    type=click.Path(path_type=Path),
    help="Folder of the feature store; the shared one by default.",
)
@json_option
@configured
def prepare(
    data: Path, store_root: Path | None, as_json: bool, config: "Config", reporter: "Reporter"
) -> None:
    """Computes the log-mel features of a data set into a store on disk."""
    from earmark.data.preparation import prepare as prepare_features
    from earmark.features.store import FeatureStore, default_root

    manifest = read_data(data)
    store = FeatureStore(store_root or default_root(), config.features)
    prepared = prepare_features(manifest.recordings, store, reporter=reporter)
    if as_json:
        document = {
            "num_clips": len(prepared.keys),
            "num_computed": prepared.num_computed,
            "store": str(store.root),
            "skipped": [one.to_dict() for one in prepared.skipped],
        }
        click.echo(json.dumps(document))
    else:
        count = f"{len(prepared.keys)} clips stored, {prepared.num_computed} of them new"
        click.echo(f"{count}, in {store.root}")
    exit_if_skipped(prepared.skipped)
