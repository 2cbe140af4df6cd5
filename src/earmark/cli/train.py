"""The command that trains."""

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earmark.cli.options import (
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

if TYPE_CHECKING:
    from earmark.config import Config
    from earmark.system.runtime import Runtime
    from earmark.training.seeds import SeedResults
    from earmark.training.train import TrainingResult


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
                raise ConfigError("--from-study and --config: give one of them, and --set for more")
            config_file = StudyFolder(study).best_settings()
        function(*args, config_file=config_file, **options)

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
    help="Run folder; an interrupted run in it goes on.",
)
@click.option(
    "--seeds",
    "num_seeds",
    type=click.IntRange(min=1),
    help="Train with that many seeds, each in a run folder below RUN.",
)
@overwrite_option
@store_option
@computing
@json_option
@_from_study
@seeded
@configured
def train(
    data: Path,
    run: Path,
    num_seeds: int | None,
    as_json: bool,
    config: "Config",
    runtime: "Runtime",
    **options: Any,
) -> None:
    """Trains a network: features, epochs with validation, early stopping, checkpoints."""
    from earmark.data.manifest import read_manifest
    from earmark.training.seeds import SeedResults, train_seeds
    from earmark.training.train import train as train_network

    manifest = read_manifest(data)
    if num_seeds is None:
        results = SeedResults([train_network(manifest, run, config, runtime=runtime, **options)])
    else:
        results = train_seeds(manifest, run, config, num_seeds, runtime=runtime, **options)
    if not runtime.is_main:
        return
    if as_json:
        click.echo(json.dumps((results if num_seeds else results.runs[0]).to_dict()))
    else:
        for result in results.runs:
            _print_result(result)
        if num_seeds and results.were_validated:
            _print_summary(results)
        one = results.runs[0].run
        click.echo(f"Run folder: {run}. Test it: earmark evaluate {one} {data}")
    exit_if_skipped(results.runs[0].skipped)


def _print_result(result: "TrainingResult") -> None:
    figures = result.validation
    if figures is None:
        said = f"{result.epochs} epochs, not validated"
    else:
        said = (
            f"best epoch {result.best_epoch} of {result.epochs}: validation loss "
            f"{figures['loss']:.4f}, accuracy {figures['accuracy']:.1%} "
            f"({figures['num_correct']} of {figures['num_clips']})"
        )
    click.echo(f"{result.num_parameters:,} parameters, {said}")


def _print_summary(results: "SeedResults") -> None:
    loss, accuracy = results.mean("loss"), results.mean("accuracy")
    spreads = results.standard_deviation("loss"), results.standard_deviation("accuracy")
    of_loss, of_accuracy = ("" if one is None else f" ± {one:.4f}" for one in spreads)
    click.echo(
        f"{len(results.runs)} seeds: validation loss {loss:.4f}{of_loss}, "
        f"accuracy {accuracy:.4f}{of_accuracy} (mean ± standard deviation)"
    )
