"""The command that computes features."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from earmark.cli.engine import Engine, engine_options
from earmark.cli.options import (
    DataSource,
    configured,
    data_argument,
    decoding,
    json_option,
    resumable,
    shard_option,
)
from earmark.cli.printing import exit_if_skipped, read_data
from earmark.cli.recipe_options import recipe_option
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.progress import Reporter
    from earmark.system.shards import Shard


@click.command()
@resumable()
@data_argument
@click.option(
    "-o",
    "--store",
    type=click.Path(path_type=Path),
    help="Folder of the feature store; the shared one by default.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Read every file again, even if its size and times are unchanged.",
)
@shard_option
@engine_options
@json_option
@decoding("earmark.features.extraction")
@recipe_option
@configured
def prepare(  # noqa: PLR0913 - one per option
    data: DataSource,
    store: Path | None,
    verify: bool,
    shard: "Shard | None",
    engine: Engine,
    as_json: bool,
    config: "Config",
    reporter: "Reporter",
) -> None:
    """Compute features into a store on disk."""
    from earmark.system.numbers import counted
    from earmark.training.recipes.prepare import prepare as prepare_data

    manifest = read_data(data)
    work = {"verify": verify, "shard": shard, "reporter": reporter}
    with engine.start() as executor:
        prepared = prepare_data(manifest, config, store=store, executor=executor, **work)
    if as_json:
        print_json(prepared.to_dict())
    else:
        count = f"{counted(len(prepared.keys), 'clip')} stored, {prepared.num_computed:,} new"
        print_line(f"{count}, in {prepared.store}")
    exit_if_skipped(prepared.skipped)
