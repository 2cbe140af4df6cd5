"""The command that searches settings."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import (
    computing,
    configured,
    data_argument,
    json_option,
    resumable,
    seeded,
    store_option,
)

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime


@click.command()
@resumable()
@data_argument
@click.option(
    "-o",
    "--output",
    "study",
    type=click.Path(path_type=Path),
    required=True,
    help="Study folder; a study in it goes on.",
)
@click.option("--trials", type=int, help="Short for --set tune.trials=N.")
@click.option(
    "--workers",
    "num_workers",
    type=click.IntRange(min=1),
    help="Trials at once; by default one a processor.",
)
@store_option
@computing
@json_option
@seeded
@configured
def tune(
    data: Path,
    study: Path,
    trials: int | None,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
    **options: Any,
) -> None:
    """Searches better settings on the validation split."""
    from earmark.cli.terminal import print_table
    from earmark.config import override
    from earmark.data.manifest import read_manifest
    from earmark.errors import ConfigError

    try:
        from earmark.training.tuning.search import tune as search
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ConfigError("tune needs Optuna; install it: pip install 'earmark[tune]'") from None
    if trials is not None:
        config = override(config, [f"tune.trials={trials}"])
    result = search(read_manifest(data), study, config, runtime=runtime, **options)
    if as_json:
        click.echo(json.dumps(result.to_dict()))
        return
    rows = [(path, json.dumps(value)) for path, value in result.best.settings.items()]
    print_table("", ("setting", "best"), rows)
    click.echo(
        f"{result.num_trials} trials: {result.num_complete} complete, {result.num_pruned} pruned, "
        f"{result.num_failed} failed. Best: trial {result.best.number}, validation "
        f"{result.objective} {result.best.value:.4f}"
    )
    click.echo(f"Train it: earmark train {data} -o RUN --from-study {study}")
