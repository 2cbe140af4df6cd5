"""The command that tests two models on the same data."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import (
    adjusted,
    computing,
    data_argument,
    guarded,
    json_option,
    store_option,
)
from earmark.cli.printing import exit_if_skipped, print_comparison, read_data

if TYPE_CHECKING:
    from earmark.evaluation.compare import Contender
    from earmark.system.runtime import Runtime


@click.command()
@guarded
@click.argument("first", type=click.Path(path_type=Path), metavar="MODEL")
@click.argument("second", type=click.Path(path_type=Path), metavar="OTHER_MODEL")
@data_argument
@store_option
@computing
@json_option
@adjusted
def compare(
    data: Path, as_json: bool, settings: tuple[str, ...], runtime: "Runtime", **options: Any
) -> None:
    """Tests two models on the same test split: do they differ by more than chance?"""
    from earmark.evaluation.compare import compare as compare_models

    models = options.pop("first"), options.pop("second")
    first, second = (_open(model, settings) for model in models)
    manifest = read_data(data)
    found = compare_models(first, second, manifest, runtime=runtime, **options)
    if not runtime.is_main:
        return
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        print_comparison(found, (str(models[0]), str(models[1])))
    exit_if_skipped(found.skipped)


def _open(model: Path, settings: tuple[str, ...]) -> "Contender":
    from earmark.evaluation.compare import Contender
    from earmark.models.checkpoint import load_checkpoint
    from earmark.models.run_folder import find_run

    run = find_run(model)
    return Contender(load_checkpoint(model).adjust(settings), run.path if run else None)
