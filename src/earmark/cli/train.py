"""The command that trains."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.embedder_options import embedded
from earmark.cli.options import (
    DataSource,
    Function,
    computing,
    configured,
    data_argument,
    json_option,
    overwrite_option,
    resumable,
    seeded,
    store_option,
)
from earmark.cli.printing import exit_if_skipped
from earmark.cli.recipe_options import budget_option, recipe_option
from earmark.cli.terminal import print_json, print_line

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime


def _from_study(function: Function) -> Function:
    """Adds --from-study to the options of `configured`."""

    @click.option(
        "--from-study",
        "study",
        type=click.Path(path_type=Path),
        help="Settings of the best trial of a study, in place of --config.",
    )
    @functools.wraps(function)
    def run(*args: Any, study: Path | None, config_file: Path | None, **options: Any) -> None:
        from earmark.errors import ConfigError
        from earmark.training.tuning.folder import StudyFolder

        if study is not None:
            if config_file is not None:
                raise ConfigError("--from-study and --config: give only one; --set adds to it")
            config_file = StudyFolder(study).best_settings()
        function(*args, config_file=config_file, **options)

    return run


def _start_option(function: Function) -> Function:
    """Adds --from to the options of `configured`."""

    @click.option(
        "--from",
        "start",
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="Start from the weights of a run, with its settings and splits; labels may differ.",
    )
    @functools.wraps(function)
    def run(*args: Any, start: Path | None, settings: tuple[str, ...] = (), **options: Any) -> None:
        starts = () if start is None else (f"train.start_from={json.dumps(str(start))}",)
        function(*args, settings=(*settings, *starts), **options)

    return run


@click.command()
@resumable()
@data_argument
@click.option(
    "-o",
    "--output",
    "run",
    type=click.Path(path_type=Path),
    required=True,
    help="Run folder; an interrupted run in it is resumed.",
)
@click.option(
    "--seeds",
    "num_seeds",
    type=click.IntRange(min=1),
    help="Train with this many seeds, each in a run folder below RUN.",
)
@overwrite_option
@store_option
@computing
@json_option
@_from_study
@_start_option
@seeded
@recipe_option
@budget_option
@configured
@embedded
def train(  # noqa: PLR0913 - as many as the command has options
    data: DataSource,
    run: Path,
    num_seeds: int | None,
    overwrite: bool,
    store_root: Path | None,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
) -> None:
    """Train a network.

    Validate it after every epoch and stop early.
    """
    from earmark.cli.terminal import printable
    from earmark.data.names.patterns import quote
    from earmark.training.seeds import train_seeds
    from earmark.training.train import train as train_network

    manifest = data.read()
    if num_seeds is None:
        result = train_network(
            manifest, run, config, device=runtime, store=store_root, overwrite=overwrite
        )
        runs = [result]
    else:
        result = train_seeds(
            manifest, run, num_seeds, config, device=runtime, store=store_root, overwrite=overwrite
        )
        runs = result.runs
    if not runtime.is_main:
        return
    if as_json:
        print_json(result.to_dict())
    else:
        for one in runs:
            print_line(one.summary())
            if one.classical:
                print_line(one.classical.headline)
        if len(runs) > 1:
            print_line(result.summary())
        print_line(f"Run folder: {run}")
        # On one line, so that it can be copied.
        click.echo(printable(f"Test it: earmark evaluate {quote(str(runs[0].run))} {data}"))
    exit_if_skipped(runs[0].skipped)
